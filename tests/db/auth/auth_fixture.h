/*
 * A house in which the methods of auth run against the database: keys, secrets, pool, cache.  A
 * method is called as rpc/ would call it, only without the wire.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <unistd.h>

#include <cmocka.h>

#include "auth/auth_internal.h"
#include "auth/guess_guard.h"
#include "auth/keys.h"
#include "auth/session_cache.h"
#include "auth/token.h"
#include "base/text.h"
#include "crypto/offload.h"
#include "support/db_fixture.h"
#include "vault/vault.h"

#define GOOD_PASSWORD "correct horse battery staple"
#define APP           "spiffe://dues.local/app/app-demo"

/* Who calls: a certificate, and for users the token's session. */
struct who {
    enum caller_kind kind;
    const char *spiffe_id;
    uint8_t certificate; /* fills the certificate's hash */
    struct uuid user;
    struct uuid session;
};

static const struct who app = {.kind = CALLER_APP, .spiffe_id = APP, .certificate = 1};

/* One call of one method. */
struct step {
    rpc_handler *handler;
    const char *method;
    const ProtobufCMessage *request;
    const ProtobufCMessageDescriptor *reply_type;
    const char *request_id;
    struct who who;
    /* What came of it: */
    const struct error *error;
    struct call *call;
    const ProtobufCMessage *reply;
    struct bytes answer; /* as it would go out */
};

static inline void close_secrets_and_pool(struct db_fixture *f)
{
    offload_close(f->house.offload);
    auth_keys_close(f->house.keys);
    session_cache_close(f->house.sessions);
    guess_guard_close(f->house.guesses);
}

static inline void given_master_key(char path[64], int first_byte)
{
    snprintf(path, 64, "master-key-%d", (int)getpid());
    FILE *file = fopen(path, "w");
    for (int i = 0; file != NULL && i < SECRET_SIZE; i++)
        fprintf(file, "%02x", (first_byte + i) & 0xff);
    if (file == NULL || fclose(file) != 0)
        abort();
}

static inline struct secrets *secrets_of(int first_byte)
{
    char path[64];
    char problem[256];
    given_master_key(path, first_byte);
    struct secrets *secrets = secrets_open(path, problem);
    unlink(path);
    return secrets;
}

static inline struct vault *vault_of(struct db_fixture *f, int first_byte, char problem[256])
{
    static char path[64];
    given_master_key(path, first_byte);
    /* It is not read again while the key in use stays the same. */
    struct vault *vault = vault_open(&f->house, (struct key_source){.text = path}, problem);
    unlink(path);
    return vault;
}

static inline int auth_setup(void **state)
{
    struct db_fixture *f = db_fixture_new(&(struct db_options){0});
    char problem[256] = "";

    f->settings = (struct settings){
        .trust_domain = "dues.local",
        .token_issuer = "https://issuer.test",
        .token_audience = "dues",
        .access_token_seconds = 600,
        .refresh_token_seconds = 30 * 86400,
        .refresh_grace_seconds = 30,
        .device_certificate_seconds = 86400,
        .sandbox = true,
    };
    f->house.secrets = secrets_of(0);
    f->house.offload = offload_open(2, 64);
    f->house.sessions = session_cache_open(f->house.clock);
    f->house.guesses = guess_guard_open(f->house.clock, f->house.random);
    f->house.vault = vault_of(f, 0, problem);
    f->house.keys = f->house.vault == NULL ? NULL : auth_keys_open(&f->house, problem);
    if (f->house.keys == NULL)
        fprintf(stderr, "%s\n", problem);
    *state = f;
    return f->house.keys == NULL;
}

static inline int auth_teardown(void **state)
{
    struct db_fixture *f = *state;
    close_secrets_and_pool(f);
    vault_close(f->house.vault);
    secrets_close((struct secrets *)(uintptr_t)f->house.secrets);
    db_fixture_free(f);
    return 0;
}

static inline const struct error *run_step(struct call *call, void *arg)
{
    struct step *step = arg;
    const ProtobufCMessageDescriptor *type = step->reply_type;
    size_t size = protobuf_c_message_get_packed_size(step->request);
    uint8_t *packed = arena_alloc(call->arena, size + 1);
    ProtobufCMessage *reply = arena_alloc(call->arena, type->sizeof_message);

    protobuf_c_message_pack(step->request, packed);
    sha256(packed, size, call->request_hash);
    protobuf_c_message_init(type, reply);
    call->method = step->method;
    call->request_id = step->request_id ? step->request_id : "";
    call->caller.kind = step->who.kind;
    call->caller.spiffe_id = step->who.spiffe_id;
    call->caller.name = strrchr(step->who.spiffe_id, '/') + 1;
    call->caller.user = step->who.user;
    call->caller.session = step->who.session;
    memset(call->caller.certificate_hash, step->who.certificate, CERTIFICATE_HASH_SIZE);
    step->call = call;
    step->error = step->handler(call, step->request, reply);
    if (step->error != NULL)
        return step->error;
    if (call->recorded.bytes != NULL) {
        step->answer = (struct bytes){call->recorded.bytes, call->recorded.size};
    } else {
        size_t answer_size = protobuf_c_message_get_packed_size(reply);
        uint8_t *answer = arena_alloc(call->arena, answer_size + 1);
        protobuf_c_message_pack(reply, answer);
        step->answer = (struct bytes){answer, answer_size};
    }
    return NULL;
}

/* Decoded from what goes out, so that a replay is looked at like any answer. */
static inline void read_answer(struct db_fixture *f, struct step *step)
{
    (void)f;
    if (step->error == NULL)
        step->reply =
            protobuf_c_message_unpack(step->reply_type, NULL, step->answer.size, step->answer.data);
}

static inline void run(struct db_fixture *f, struct step *step)
{
    step->error = db_run(f, run_step, step);
    read_answer(f, step);
}

static inline void end_step(struct step *step)
{
    if (step->reply != NULL)
        protobuf_c_message_free_unpacked((ProtobufCMessage *)(uintptr_t)step->reply, NULL);
    step->reply = NULL;
}

static inline void assert_refused(const struct step *step, enum status status, const char *reason)
{
    assert_non_null(step->error);
    assert_string_equal(step->error->reason, reason);
    assert_int_equal(step->error->status, status);
}

static inline void assert_answered(const struct step *step)
{
    if (step->error != NULL)
        print_error("%s: %s (%s)\n", step->error->reason, step->error->message,
                    step->error->cause ? step->error->cause : "");
    assert_null(step->error);
}

static inline void assert_same_answer(const struct step *a, const struct step *b)
{
    assert_answered(a);
    assert_answered(b);
    assert_int_equal(a->answer.size, b->answer.size);
    assert_memory_equal(a->answer.data, b->answer.data, a->answer.size);
}

static inline void assert_field(const struct step *step, const char *field)
{
    assert_refused(step, STATUS_INVALID_ARGUMENT, "INVALID_FIELD");
    for (size_t i = 0; i < step->error->field_count; i++) {
        if (text_equal(step->error->fields[i].field, field))
            return;
    }
    print_error("no violation of %s\n", field);
    assert_true(false);
}

/* Requests: strings of protobuf-c are not const, though nothing writes them. */
static inline char *mutable(const char *text)
{
    return (char *)(uintptr_t)text;
}

static inline struct step sign_up_step(struct db_fixture *f, const char *email,
                                       const char *password, const char *request_id)
{
    SignUpRequest *request = arena_alloc(f->arena, sizeof(*request));
    dues__auth__v1__sign_up_request__init(request);
    request->email = mutable(email);
    request->password = mutable(password);
    request->display_name = mutable("Ada");
    request->request_id = mutable(request_id ? request_id : "");
    return (struct step){
        .handler = sign_up,
        .method = "/dues.auth.v1.AuthService/SignUp",
        .request = &request->base,
        .reply_type = &dues__auth__v1__sign_up_response__descriptor,
        .request_id = request_id,
        .who = app,
    };
}

static inline const SignUpResponse *sign_up_answer(const struct step *step)
{
    assert_answered(step);
    return (const SignUpResponse *)(const void *)step->reply;
}

static inline const SessionMessage *session_answer(const struct step *step)
{
    assert_answered(step);
    return (const SessionMessage *)(const void *)step->reply;
}

static inline struct step log_in_step(struct db_fixture *f, const char *email, const char *password,
                                      const char *request_id)
{
    LogInRequest *request = arena_alloc(f->arena, sizeof(*request));
    dues__auth__v1__log_in_request__init(request);
    request->email = mutable(email);
    request->password = mutable(password);
    request->request_id = mutable(request_id ? request_id : "");
    return (struct step){
        .handler = log_in,
        .method = "/dues.auth.v1.AuthService/LogIn",
        .request = &request->base,
        .reply_type = &dues__auth__v1__session__descriptor,
        .request_id = request_id,
        .who = app,
    };
}

static inline struct step refresh_step(struct db_fixture *f, const char *token,
                                       const char *request_id)
{
    RefreshSessionRequest *request = arena_alloc(f->arena, sizeof(*request));
    dues__auth__v1__refresh_session_request__init(request);
    request->refresh_token = mutable(token);
    request->request_id = mutable(request_id ? request_id : "");
    return (struct step){
        .handler = refresh_session,
        .method = "/dues.auth.v1.AuthService/RefreshSession",
        .request = &request->base,
        .reply_type = &dues__auth__v1__session__descriptor,
        .request_id = request_id,
        .who = app,
    };
}

static inline struct step log_out_step(struct db_fixture *f, struct who who, bool all,
                                       const char *request_id)
{
    LogOutRequest *request = arena_alloc(f->arena, sizeof(*request));
    dues__auth__v1__log_out_request__init(request);
    request->all_sessions = all;
    request->request_id = mutable(request_id ? request_id : "");
    return (struct step){
        .handler = log_out,
        .method = LOG_OUT_METHOD,
        .request = &request->base,
        .reply_type = &dues__auth__v1__log_out_response__descriptor,
        .request_id = request_id,
        .who = who,
    };
}

static inline struct step enroll_step(struct db_fixture *f, struct who who, const char *csr_pem,
                                      const char *request_id)
{
    EnrollDeviceRequest *request = arena_alloc(f->arena, sizeof(*request));
    dues__auth__v1__enroll_device_request__init(request);
    request->csr_pem = mutable(csr_pem);
    request->display_name = mutable("Ada's phone");
    request->request_id = mutable(request_id ? request_id : "");
    return (struct step){
        .handler = enroll_device,
        .method = "/dues.auth.v1.AuthService/EnrollDevice",
        .request = &request->base,
        .reply_type = &dues__auth__v1__device__descriptor,
        .request_id = request_id,
        .who = who,
    };
}

/* A user that signed up, and its first session. */
struct signed_up {
    const char *email;
    struct uuid id;
    const char *access_token;
    const char *refresh_token;
    struct who who; /* logged in by that session, from the app */
};

static inline struct signed_up signed_up_from(struct db_fixture *f, const char *email,
                                              const SignUpResponse *res)
{
    struct signed_up user = {
        .email = email,
        .access_token = arena_strdup(f->arena, res->session->access_token),
        .refresh_token = arena_strdup(f->arena, res->session->refresh_token),
        .who = app,
    };
    struct uuid ids[2];
    assert_true(name_parse("users/{}/sessions/{}", res->session->name, ids, 2));
    user.id = ids[0];
    user.who.kind = CALLER_APP_USER;
    user.who.user = ids[0];
    user.who.session = ids[1];
    return user;
}

static inline struct signed_up given_user_on_clock(struct db_fixture *f, struct uuid clock)
{
    const char *email = db_printf(f, "ada.%s@example.com", db_uuid_text(f, db_uuid(f)) + 24);
    struct step step = sign_up_step(f, email, GOOD_PASSWORD, NULL);
    if (!uuid_is_nil(clock))
        ((SignUpRequest *)(uintptr_t)step.request)->test_clock =
            mutable(db_printf(f, "testClocks/%s", db_uuid_text(f, clock)));
    run(f, &step);
    struct signed_up user = signed_up_from(f, email, sign_up_answer(&step));
    end_step(&step);
    return user;
}

static inline struct signed_up given_user(struct db_fixture *f)
{
    return given_user_on_clock(f, UUID_NIL);
}

/* A device enrolled by the user: the caller that its certificate makes. */
static inline struct who given_device(struct db_fixture *f, const struct signed_up *user,
                                      uint8_t certificate, const char *csr_pem)
{
    struct step step = enroll_step(f, user->who, csr_pem, NULL);
    run(f, &step);
    assert_answered(&step);
    const DeviceMessage *device = (const DeviceMessage *)(const void *)step.reply;
    struct who who = {
        .kind = CALLER_DEVICE,
        .spiffe_id = arena_strdup(f->arena, device->spiffe_id),
        .certificate = certificate,
    };
    end_step(&step);
    return who;
}

/* Verifies a token as rpc/ would. */
struct verification {
    const char *token;
    const char *method;
    struct who who;
    struct caller caller; /* as it became */
    const struct error *error;
};

static inline const struct error *run_verification(struct call *call, void *arg)
{
    struct verification *v = arg;
    call->method = v->method ? v->method : "/dues.payment.v1.PaymentService/ListPayments";
    call->caller.kind = v->who.kind;
    call->caller.spiffe_id = v->who.spiffe_id;
    memset(call->caller.certificate_hash, v->who.certificate, CERTIFICATE_HASH_SIZE);
    v->error = token_verify(call, v->token, &call->caller);
    v->caller = call->caller;
    return v->error;
}

/* NULL, or the reason. */
static inline const char *verify(struct db_fixture *f, const char *token, struct who who)
{
    struct verification v = {.token = token, .who = who};
    v.error = db_run(f, run_verification, &v);
    return v.error ? v.error->reason : NULL;
}

static inline void assert_verified(struct db_fixture *f, const char *token, struct who who)
{
    assert_null(verify(f, token, who));
}

static inline void assert_not_verified(struct db_fixture *f, const char *token, struct who who,
                                       const char *reason)
{
    const char *got = verify(f, token, who);
    assert_non_null(got);
    assert_string_equal(got, reason);
}
