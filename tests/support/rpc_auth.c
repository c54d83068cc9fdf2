/*
 * Asking AuthService over the wire.
 */
#include "support/rpc_auth.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>

#include <cmocka.h>

#include "base/bug.h"
#include "crypto/x509.h"

static const ProtobufCServiceDescriptor *const service = &dues__auth__v1__auth_service__descriptor;

/* protobuf-c's fields are not const, though packing only reads them. */
static char *writable(const char *text)
{
    return (char *)(uintptr_t)(text != NULL ? text : "");
}

const char *auth_new_email(struct rpc_fixture *f)
{
    static atomic_int made;
    return rpc_printf(f, "somebody-%d@example.com", atomic_fetch_add(&made, 1));
}

const char *auth_new_request_id(struct rpc_fixture *f)
{
    static atomic_int made;
    return rpc_printf(f, "auth-request-%d", atomic_fetch_add(&made, 1));
}

static const struct dues_answer *ask_hashing(struct rpc_fixture *f, struct rpc_as as,
                                             const char *method, const ProtobufCMessage *request)
{
    if (as.deadline_ms == 0)
        as.deadline_ms = RPC_HASHING_MS;
    return rpc_ask(f, as, service, method, request);
}

const struct dues_answer *ask_sign_up(struct rpc_fixture *f, struct rpc_as as, const char *email,
                                      const char *password, const char *request_id)
{
    Dues__Auth__V1__SignUpRequest request = DUES__AUTH__V1__SIGN_UP_REQUEST__INIT;
    request.email = writable(email);
    request.password = writable(password);
    request.display_name = writable("Ada");
    request.request_id = writable(request_id);
    return ask_hashing(f, as, "SignUp", &request.base);
}

const struct dues_answer *ask_log_in(struct rpc_fixture *f, struct rpc_as as, const char *email,
                                     const char *password, const char *request_id)
{
    Dues__Auth__V1__LogInRequest request = DUES__AUTH__V1__LOG_IN_REQUEST__INIT;
    request.email = writable(email);
    request.password = writable(password);
    request.request_id = writable(request_id);
    return ask_hashing(f, as, "LogIn", &request.base);
}

const struct dues_answer *ask_refresh(struct rpc_fixture *f, struct rpc_as as, const char *token,
                                      const char *request_id)
{
    Dues__Auth__V1__RefreshSessionRequest request = DUES__AUTH__V1__REFRESH_SESSION_REQUEST__INIT;
    request.refresh_token = writable(token);
    request.request_id = writable(request_id);
    return rpc_ask(f, as, service, "RefreshSession", &request.base);
}

const struct dues_answer *ask_log_out(struct rpc_fixture *f, struct rpc_as as, bool all,
                                      const char *request_id)
{
    Dues__Auth__V1__LogOutRequest request = DUES__AUTH__V1__LOG_OUT_REQUEST__INIT;
    request.all_sessions = all;
    request.request_id = writable(request_id);
    return rpc_ask(f, as, service, "LogOut", &request.base);
}

const struct dues_answer *ask_enroll(struct rpc_fixture *f, struct rpc_as as, const char *csr_pem,
                                     const char *request_id)
{
    Dues__Auth__V1__EnrollDeviceRequest request = DUES__AUTH__V1__ENROLL_DEVICE_REQUEST__INIT;
    request.csr_pem = writable(csr_pem);
    request.display_name = writable("Ada's phone");
    request.request_id = writable(request_id);
    return rpc_ask(f, as, service, "EnrollDevice", &request.base);
}

const struct dues_answer *ask_user(struct rpc_fixture *f, struct rpc_as as, const char *name)
{
    Dues__Auth__V1__GetUserRequest request = DUES__AUTH__V1__GET_USER_REQUEST__INIT;
    request.name = writable(name);
    return rpc_ask(f, as, service, "GetUser", &request.base);
}

const struct dues_answer *ask_key_set(struct rpc_fixture *f, struct rpc_as as)
{
    Dues__Auth__V1__GetKeySetRequest request = DUES__AUTH__V1__GET_KEY_SET_REQUEST__INIT;
    return rpc_ask(f, as, service, "GetKeySet", &request.base);
}

struct enrolled_device given_device(struct rpc_fixture *f, const struct rpc_user *user)
{
    struct arena *arena = arena_new(1 << 20);
    struct ec_key *key = ec_key_make();
    const struct dues_answer *answer =
        ask_enroll(f, AS_USER(APP_DEMO, user->token), csr_make(arena, key, "phone"), NULL);
    if (answer->status != DUES_OK)
        bug("EnrollDevice of a test user: %s %s", answer->reason, answer->message);
    const DeviceAnswer *device = (const void *)answer->reply;
    const struct test_pair pair = {
        .certificate_pem = device->certificate_pem,
        .key_pem = ec_key_to_pem(arena, key),
    };
    struct enrolled_device enrolled = {
        .client = rpc_client(f, pair),
        .spiffe_id = device->spiffe_id,
    };
    ec_key_free(key);
    arena_free(arena);
    return enrolled;
}

const char *reason_of_me(struct rpc_fixture *f, struct rpc_as as)
{
    return ask_user(f, as, "users/me")->reason;
}

void assert_refusal(const struct dues_answer *answer, int status, const char *reason)
{
    assert_string_equal(answer->reason, reason);
    assert_int_equal(answer->status, status);
    assert_string_equal(answer->domain, "dues");
}

void assert_replay(const struct dues_answer *first, const struct dues_answer *again)
{
    assert_int_equal(first->status, DUES_OK);
    assert_int_equal(again->status, DUES_OK);
    assert_int_equal(first->reply_size, again->reply_size);
    assert_memory_equal(first->reply_bytes, again->reply_bytes, first->reply_size);
    assert_false(first->replayed);
    assert_true(again->replayed);
}
