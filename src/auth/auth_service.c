/*
 * dues.auth.v1.AuthService: the table of its methods, and the statements of the room.
 */

#include "auth/auth_internal.h"

/* In calls: a password is hashed for 50 ms, a signature made in a tenth of one. */
#define COST_OF_PASSWORD   20
#define COST_OF_SIGNATURES 5

/* An app or device with nobody logged in has no scopes: the mask of the row is its grant. */
static const struct rpc_method methods[] = {
    {"SignUp", sign_up, .scope = "sessions.write", .callers = CALLER_APP,
     .request_id = REQUEST_ID_OPTIONAL, .cost = COST_OF_PASSWORD},
    {"LogIn", log_in, .scope = "sessions.write", .callers = CALLER_APP | CALLER_DEVICE,
     .request_id = REQUEST_ID_OPTIONAL, .cost = COST_OF_PASSWORD},
    {"RefreshSession", refresh_session, .scope = "sessions.write",
     .callers = CALLER_APP | CALLER_DEVICE, .request_id = REQUEST_ID_OPTIONAL,
     .cost = COST_OF_SIGNATURES},
    {"LogOut", log_out, .scope = "sessions.write", .callers = CALLER_USERS,
     .request_id = REQUEST_ID_OPTIONAL},
    {"EnrollDevice", enroll_device, .scope = "devices.write", .callers = CALLER_APP_USER,
     .request_id = REQUEST_ID_OPTIONAL, .cost = COST_OF_SIGNATURES},
    {"GetKeySet", get_key_set, .scope = RPC_PUBLIC, .no_database = true},
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
