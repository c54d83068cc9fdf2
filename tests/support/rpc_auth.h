/*
 * Asking AuthService over the wire: requests with their fields in place, answers by their type.
 */
#pragma once

#include "crypto/es256.h"
#include "dues/auth/v1/auth_service.pb-c.h"
#include "support/rpc_fixture.h"

typedef Dues__Auth__V1__SignUpResponse SignUpAnswer;
typedef Dues__Auth__V1__Session SessionAnswer;
typedef Dues__Auth__V1__Device DeviceAnswer;
typedef Dues__Auth__V1__User UserAnswer;
typedef Dues__Auth__V1__KeySet KeySetAnswer;
typedef Dues__Auth__V1__LogOutResponse LogOutAnswer;

#define AUTH_PASSWORD "a long and quiet afternoon" /* of rpc_given_user */

/* Never the same twice. */
const char *auth_new_email(struct rpc_fixture *f);
const char *auth_new_request_id(struct rpc_fixture *f);

/* `request_id` NULL: none. */
const struct dues_answer *ask_sign_up(struct rpc_fixture *f, struct rpc_as as, const char *email,
                                      const char *password, const char *request_id);
const struct dues_answer *ask_log_in(struct rpc_fixture *f, struct rpc_as as, const char *email,
                                     const char *password, const char *request_id);
const struct dues_answer *ask_refresh(struct rpc_fixture *f, struct rpc_as as, const char *token,
                                      const char *request_id);
const struct dues_answer *ask_log_out(struct rpc_fixture *f, struct rpc_as as, bool all,
                                      const char *request_id);
const struct dues_answer *ask_enroll(struct rpc_fixture *f, struct rpc_as as, const char *csr_pem,
                                     const char *request_id);
const struct dues_answer *ask_user(struct rpc_fixture *f, struct rpc_as as, const char *name);
const struct dues_answer *ask_key_set(struct rpc_fixture *f, struct rpc_as as);

/* A device of the user, and a client that shows its certificate; close it before teardown. */
struct enrolled_device {
    struct dues_client *client;
    const char *spiffe_id;
};

struct enrolled_device given_device(struct rpc_fixture *f, const struct rpc_user *user);

/* The reason that GetUser of users/me gives; "" when it answers. */
const char *reason_of_me(struct rpc_fixture *f, struct rpc_as as);

void assert_refusal(const struct dues_answer *answer, int status, const char *reason);
/* The same bytes, the second marked as replayed. */
void assert_replay(const struct dues_answer *first, const struct dues_answer *again);
