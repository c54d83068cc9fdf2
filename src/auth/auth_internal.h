/*
 * What the files of this room share: rows, stores, conversions.
 */
#pragma once

#include "auth/auth.h"
#include "auth/refresh_token.h"
#include "base/check.h"
#include "base/time.h"
#include "contract/message.h"
#include "customer/customer.h"
#include "dues/auth/v1/auth_service.pb-c.h"
#include "pg/replay.h"

typedef Dues__Auth__V1__SignUpRequest SignUpRequest;
typedef Dues__Auth__V1__SignUpResponse SignUpResponse;
typedef Dues__Auth__V1__LogInRequest LogInRequest;
typedef Dues__Auth__V1__RefreshSessionRequest RefreshSessionRequest;
typedef Dues__Auth__V1__LogOutRequest LogOutRequest;
typedef Dues__Auth__V1__LogOutResponse LogOutResponse;
typedef Dues__Auth__V1__EnrollDeviceRequest EnrollDeviceRequest;
typedef Dues__Auth__V1__GetUserRequest GetUserRequest;
typedef Dues__Auth__V1__Session SessionMessage;
typedef Dues__Auth__V1__User UserMessage;
typedef Dues__Auth__V1__Device DeviceMessage;
typedef Dues__Auth__V1__KeySet KeySetMessage;
typedef Dues__Auth__V1__JsonWebKey JsonWebKeyMessage;

#define LOG_OUT_METHOD "/dues.auth.v1.AuthService/LogOut"

#define PASSWORD_SIZE_MIN       15
#define DISPLAY_NAME_LENGTH_MAX 63
#define EMAIL_SIZE_MAX          254

rpc_handler sign_up, log_in, refresh_session, log_out, enroll_device, get_key_set, get_user;

/* Rows. */

struct user {
    struct uuid id; /* also the customer's */
    const char *email;
    const char *display_name;
    const char *password_hash;
    int64_t create_time_us;
};

enum session_state { SESSION_ACTIVE, SESSION_LOGGED_OUT, SESSION_COMPROMISED };

struct session {
    enum session_state state;
    const char *sender; /* the identity that may refresh it */
    int64_t expire_time_us;
    bool on_test_clock;
    int64_t now_us; /* the customer's present */
};

/* A session that is about to be recorded, and its tokens. */
struct new_session {
    struct uuid customer;
    struct uuid id;
    struct refresh_token token;
    int64_t now_us; /* the customer's present */
    int64_t expire_time_us;
};

struct new_user {
    struct uuid id;
    const char *email;     /* as it was given */
    const char *email_key; /* lower case: what is unique */
    const char *display_name;
    const char *password_hash;
    struct uuid test_clock; /* UUID_NIL: wall time */
};

struct new_device {
    struct uuid id;
    const char *display_name;
    uint8_t certificate_hash[SHA256_SIZE];
    uint8_t spki_hash[SHA256_SIZE];
    int64_t expire_time_us;
};

/* Every statement of the room, for auth_statements. */
extern const struct pg_statement auth_email_find, auth_email_reserve, auth_email_confirm,
    auth_stranger_request_claim, auth_user_find, auth_user_record, auth_session_find,
    auth_session_record, auth_session_rotate, auth_session_count, auth_session_end,
    auth_device_find, auth_device_record, auth_signing_key_list, auth_signing_key_offer;

/* email_store.c: addresses, and requests of nobody yet. */

/* UUID_NIL when nobody has or holds it. */
const struct error *email_find(struct call *call, const char *email_key, struct uuid *customer,
                               bool *confirmed) MUST_CHECK;

enum email_outcome { EMAIL_RESERVED, EMAIL_CONFIRMED, EMAIL_BUSY };

/* `*customer` goes in as the id to reserve for and comes out as the one to go on with. */
const struct error *email_reserve(struct call *call, const char *email_key, struct uuid *customer,
                                  enum email_outcome *outcome) MUST_CHECK;
const struct error *email_confirm(struct call *call, const char *email_key, struct uuid customer)
    MUST_CHECK;

/* INVALID_ARGUMENT REQUEST_ID_REUSED when the id stands for another request.  Without an id: NULL.
 */
const struct error *stranger_request_claim(struct call *call) MUST_CHECK;

/* user_store.c */

/* `user->id` is UUID_NIL when there is none. */
const struct error *user_find(struct call *call, struct uuid id, struct user *user) MUST_CHECK;

/*
 * `*made` false: the customer was there already, made by another sign-up.  As everywhere below,
 * `answer` is what is recorded, and a replay is found in call->recorded.
 */
const struct error *user_record(struct call *call, const struct new_user *user,
                                const struct new_session *session, struct bytes answer, bool *made)
    MUST_CHECK;

/* session_store.c */

const struct error *session_find(struct call *call, struct uuid customer, struct uuid id,
                                 struct session *session, bool *found) MUST_CHECK;
const struct error *session_record(struct call *call, const struct new_session *session,
                                   const char *password_hash, const char *new_hash,
                                   struct bytes answer) MUST_CHECK;

enum rotation {
    ROTATION_DONE,
    ROTATION_LATE,  /* the token was in two hands: the session is ended */
    ROTATION_MOVED, /* another device was faster */
    ROTATION_ENDED,
};
const struct error *session_rotate(struct call *call, const struct refresh_token *presented,
                                   const struct new_session *successor, struct bytes answer,
                                   enum rotation *rotation) MUST_CHECK;

/* Living sessions of the user, or 1 unless `all`. */
const struct error *session_count(struct call *call, bool all, int64_t now_us, int32_t *count)
    MUST_CHECK;

enum ending { ENDING_DONE, ENDING_CHANGED, ENDING_ENDED };
const struct error *session_end(struct call *call, bool all, int32_t count, struct uuid end,
                                int64_t now_us, struct bytes answer, enum ending *ending)
    MUST_CHECK;

/* device_store.c */

const struct error *device_is_of(struct call *call, struct uuid customer, bool *is_of) MUST_CHECK;
const struct error *device_record(struct call *call, const struct new_device *device,
                                  struct bytes answer) MUST_CHECK;

/* answer.c */

/* Seals what is recorded; no bytes when the request has no id. */
const struct error *answer_seal(struct call *call, struct uuid customer,
                                const ProtobufCMessage *answer, struct bytes *sealed) MUST_CHECK;
/* As replay_find, for sealed answers. */
const struct error *answer_find(struct call *call, struct uuid customer, bool *found) MUST_CHECK;
/* Opens call->recorded after a step found a replay. */
const struct error *answer_open(struct call *call, struct uuid customer) MUST_CHECK;

/* auth_proto.c */

char *email_to_key(struct arena *arena, const char *email);
void user_to_proto(struct arena *arena, const struct user *user, UserMessage *message);
/* Makes the access token and writes both. */
void session_to_proto(struct call *call, const struct new_session *session,
                      SessionMessage *message);

/* new_session.c */
struct new_session session_begin(struct call *call, struct uuid customer, int64_t now_us);
