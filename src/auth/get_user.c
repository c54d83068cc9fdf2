/*
 * GetUser reads a user: the caller itself, or for services and operators anybody.
 */

#include "auth/auth_internal.h"
#include "base/owner.h"

const struct error *get_user(struct call *call, const void *request, void *reply)
{
    const GetUserRequest *req = request;
    struct field_errors errors = {.call = call};
    struct uuid id = UUID_NIL;

    check_owned_name(&errors, "name", req->name, "users/{}", &id, 1);
    TRY(field_errors_result(&errors));
    TRY(owner_check(call, id, "USER_NOT_FOUND", req->name));

    struct user user;
    TRY(user_find(call, id, &user));
    if (uuid_is_nil(user.id))
        return not_found(call, "USER_NOT_FOUND", req->name);
    user_to_proto(call->arena, &user, reply);
    return NULL;
}
