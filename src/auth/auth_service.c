/*
 * dues.auth.v1.AuthService: the table of its methods, and the statements of the room.
 */

#include "auth/auth_internal.h"

/* An app or device with nobody logged in has no scopes: the mask of the row is its grant. */
static const struct rpc_method methods[] = {
    {"SignUp", sign_up, .scope = "sessions.write", .callers = CALLER_APP,
     .request_id = REQUEST_ID_OPTIONAL},
    {"LogIn", log_in, .scope = "sessions.write", .callers = CALLER_APP | CALLER_DEVICE,
     .request_id = REQUEST_ID_OPTIONAL},
    {"RefreshSession", refresh_session, .scope = "sessions.write",
     .callers = CALLER_APP | CALLER_DEVICE, .request_id = REQUEST_ID_OPTIONAL},
    {"LogOut", log_out, .scope = "sessions.write", .callers = CALLER_USERS,
     .request_id = REQUEST_ID_OPTIONAL},
    {"EnrollDevice", enroll_device, .scope = "devices.write", .callers = CALLER_APP_USER,
     .request_id = REQUEST_ID_OPTIONAL},
    {"GetKeySet", get_key_set, .scope = RPC_PUBLIC},
    {"GetUser", get_user, .scope = "users.read",
     .callers = CALLER_USERS | CALLER_SERVICE | CALLER_OPERATOR},
};

const struct rpc_service auth_service = {
    .descriptor = &dues__auth__v1__auth_service__descriptor,
    .methods = methods,
    .method_count = ARRAY_LENGTH(methods),
};

pg_statement_list auth_statements = {
    &auth_email_find,
    &auth_email_reserve,
    &auth_email_confirm,
    &auth_user_find,
    &auth_stranger_request_claim,
    &auth_user_record,
    &auth_session_find,
    &auth_session_record,
    &auth_session_rotate,
    &auth_session_count,
    &auth_session_end,
    &auth_device_find,
    &auth_device_record,
    &auth_signing_key_list,
    &auth_signing_key_offer,
    NULL,
};
