/*
 * GetDispute: one dispute, by name.
 */

#include "payment/dispute_internal.h"

const struct error *get_dispute(struct call *call, const void *request, void *reply)
{
    const Dues__Payment__V1__GetDisputeRequest *req = request;
    struct field_errors errors = {.call = call};
    struct dispute dispute;
    struct uuid ids[2];

    check_owned_name(&errors, "name", req->name, DISPUTE_PATTERN, ids, 2);
    TRY(field_errors_result(&errors));
    TRY(owner_check(call, ids[0], "DISPUTE_NOT_FOUND", req->name));
    TRY(dispute_load(call, ids[0], ids[1], &dispute));
    dispute_to_proto(call->arena, &dispute, reply);
    return NULL;
}
