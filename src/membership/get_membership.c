/*
 * GetMembership reads how a membership stands.
 */
#include "membership/handlers.h"

const struct error *get_membership(struct call *call, const void *request, void *reply)
{
    const GetMembershipRequest *req = request;
    struct field_errors errors = {.call = call};
    struct membership membership;
    struct uuid ids[2];

    check_owned_name(&errors, "name", req->name, "customers/{}/memberships/{}", ids, 2);
    TRY(field_errors_result(&errors));
    TRY(owner_check(call, ids[0], "MEMBERSHIP_NOT_FOUND", req->name));
    TRY(membership_load(call, ids[0], ids[1], &membership));
    membership_to_proto(call->arena, &membership, reply);
    return NULL;
}
