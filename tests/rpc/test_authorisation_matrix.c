/*
 * Every RPC of every table against every kind of caller and every kind of token.  What is expected
 * follows from the row alone (callers, scope), so that a new RPC is covered by having a row.
 *
 * The request is garbage on purpose: whoever is admitted gets as far as MALFORMED_REQUEST, and
 * nobody who is refused learns that.
 */
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "crypto/x509.h"
#include "dues/auth/v1/auth_service.pb-c.h"
#include "support/rpc_world.h"

#define ADMITTED         "MALFORMED_REQUEST"
#define REQUEST_SIZE_MAX 65536
#define ACTORS_MAX       24

enum token_quality {
    TOKEN_NONE,
    TOKEN_GOOD,
    TOKEN_BAD,   /* not one of ours */
    TOKEN_ENDED, /* of a session that was logged out */
    TOKEN_STALE, /* good until it expired */
    TOKEN_OF_OTHER_CERTIFICATE,
};

struct actor {
    const char *name;
    struct rpc_as as;
    unsigned kind; /* by the certificate alone */
    enum token_quality token;
    bool has_scopes;
};

struct fixture {
    struct rpc_fixture *rpc;
    struct rpc_world *world;
    struct actor actors[ACTORS_MAX];
    size_t actor_count;
    size_t wrong;
};

static void add(struct fixture *f, const char *name, struct rpc_as as, unsigned kind,
                enum token_quality token)
{
    assert_true(f->actor_count < ACTORS_MAX);
    f->actors[f->actor_count++] =
        (struct actor){.name = name, .as = as, .kind = kind, .token = token, .has_scopes = true};
}

/* The token with one character of one of its three parts changed. */
static const char *with_changed_part(struct fixture *f, const char *token, int part)
{
    char *copy = arena_strdup(f->rpc->arena, token);
    char *at = copy;
    for (int i = 0; i < part; i++)
        at = strchr(at, '.') + 1;
    at[8] = at[8] == 'A' ? 'B' : 'A';
    return copy;
}

/* The token with another header: {"alg":"none","typ":"at+jwt"} and the like, signature kept. */
static const char *with_header(struct fixture *f, const char *token, const char *header,
                               bool keep_signature)
{
    const char *payload = strchr(token, '.');
    const char *signature = strrchr(token, '.');
    return rpc_printf(f->rpc, "%s%.*s%s", header, (int)(signature - payload), payload,
                      keep_signature ? signature : ".");
}

/* Logs out, so that the token is of a session that has ended. */
static const char *end_session(struct fixture *f, struct rpc_as as)
{
    Dues__Auth__V1__LogOutRequest request = DUES__AUTH__V1__LOG_OUT_REQUEST__INIT;
    const struct dues_answer *answer =
        rpc_ask(f->rpc, as, &dues__auth__v1__auth_service__descriptor, "LogOut", &request.base);
    assert_int_equal(answer->status, DUES_OK);
    return as.token;
}

static void add_callers_without_token(struct fixture *f)
{
    add(f, "service", AS(SERVICE_BILLING), CALLER_SERVICE, TOKEN_NONE);
    add(f, "service without scopes", AS(SERVICE_POOR), CALLER_SERVICE, TOKEN_NONE);
    f->actors[f->actor_count - 1].has_scopes = false;
    add(f, "operator", AS(OPERATOR_DEMO), CALLER_OPERATOR, TOKEN_NONE);
    add(f, "app", AS(APP_DEMO), CALLER_APP, TOKEN_NONE);
    add(f, "device", (struct rpc_as){.client = f->world->device}, CALLER_DEVICE, TOKEN_NONE);
}

/* Every way in which a token can be wrong; `as` holds a good one. */
static void add_bad_tokens(struct fixture *f, const char *who, struct rpc_as as, unsigned kind)
{
    const struct {
        const char *what;
        const char *token;
    } bad[] = {
        {"broken signature", with_changed_part(f, as.token, 2)},
        {"changed claims", with_changed_part(f, as.token, 1)},
        {"algorithm none",
         with_header(f, as.token, "eyJhbGciOiJub25lIiwidHlwIjoiYXQrand0In0", false)},
        {"algorithm HS256",
         with_header(f, as.token, "eyJhbGciOiJIUzI1NiIsInR5cCI6ImF0K2p3dCJ9", true)},
        {"garbage", "garbage"},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        as.token = bad[i].token;
        add(f, rpc_printf(f->rpc, "%s, %s", who, bad[i].what), as, kind, TOKEN_BAD);
    }
}

static struct rpc_as on_device(struct dues_client *device, const char *token)
{
    return (struct rpc_as){.client = device, .token = token};
}

static void add_callers_with_token(struct fixture *f)
{
    struct rpc_world *world = f->world;
    struct rpc_as app = AS_USER(APP_DEMO, world->owner.token);
    struct rpc_as phone = on_device(world->device, world->device_token);

    add(f, "user in the app", app, CALLER_APP, TOKEN_GOOD);
    add(f, "user on the device", phone, CALLER_DEVICE, TOKEN_GOOD);
    add_bad_tokens(f, "app", app, CALLER_APP);
    add_bad_tokens(f, "device", phone, CALLER_DEVICE);
    add(f, "another app with the app's token", AS_USER(APP_OTHER, app.token), CALLER_APP,
        TOKEN_OF_OTHER_CERTIFICATE);
    add(f, "the app with the device's token", AS_USER(APP_DEMO, phone.token), CALLER_APP,
        TOKEN_OF_OTHER_CERTIFICATE);
    add(f, "the device with the app's token", on_device(world->device, app.token), CALLER_DEVICE,
        TOKEN_OF_OTHER_CERTIFICATE);
    add(f, "another device with the device's token", on_device(world->other_device, phone.token),
        CALLER_DEVICE, TOKEN_OF_OTHER_CERTIFICATE);
    app.token = end_session(f, AS_USER(APP_DEMO, rpc_given_user(f->rpc).token));
    add(f, "app, ended session", app, CALLER_APP, TOKEN_ENDED);
    phone.token = world_log_in(f->rpc, world->device, &world->owner);
    end_session(f, phone);
    add(f, "device, ended session", phone, CALLER_DEVICE, TOKEN_ENDED);
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    if (f == NULL)
        return -1;
    f->rpc = rpc_fixture_new("sandbox = on\n");
    f->world = world_new(f->rpc);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    world_free(f->world);
    rpc_fixture_free(f->rpc);
    free(f);
    return 0;
}

/* The one thing that an ended session may do: ask for the end again, to learn its answer. */
static bool ends_sessions(const struct rpc_method *row)
{
    return strcmp(row->name, "LogOut") == 0;
}

static const char *reason_for_token(const struct rpc_method *row, enum token_quality token)
{
    switch (token) {
    case TOKEN_NONE:
        return "TOKEN_REQUIRED";
    case TOKEN_GOOD:
        return ADMITTED;
    case TOKEN_BAD:
        return "TOKEN_INVALID";
    case TOKEN_ENDED:
        return ends_sessions(row) ? ADMITTED : "TOKEN_INVALID";
    case TOKEN_STALE:
        return "TOKEN_EXPIRED";
    case TOKEN_OF_OTHER_CERTIFICATE:
        return "TOKEN_WRONG_CERTIFICATE";
    }
    abort();
}

/* What the row says, in the words of the contract. */
static const char *expected_reason(const struct rpc_method *row, const struct actor *actor)
{
    if (strcmp(row->scope, RPC_PUBLIC) == 0)
        return ADMITTED;
    unsigned user = 0;
    if (actor->kind == CALLER_APP)
        user = CALLER_APP_USER;
    if (actor->kind == CALLER_DEVICE)
        user = CALLER_DEVICE_USER;
    bool admits_kind = (row->callers & actor->kind) != 0;
    bool admits_user = (row->callers & user) != 0;
    if (admits_user && (actor->token != TOKEN_NONE || !admits_kind))
        return reason_for_token(row, actor->token);
    if (!admits_kind)
        return "CALLER_NOT_ALLOWED";
    return actor->has_scopes ? ADMITTED : "SCOPE_MISSING";
}

static int expected_status(const char *reason)
{
    if (strcmp(reason, ADMITTED) == 0)
        return DUES_INVALID_ARGUMENT;
    if (strcmp(reason, "CALLER_NOT_ALLOWED") == 0 || strcmp(reason, "SCOPE_MISSING") == 0)
        return DUES_PERMISSION_DENIED;
    return DUES_UNAUTHENTICATED;
}

static void try_row(struct fixture *f, const struct rpc_service *service,
                    const struct rpc_method *row, const struct actor *actor)
{
    static const uint8_t garbage[] = {0xff, 0xff, 0xff};
    const char *reason = expected_reason(row, actor);
    const struct dues_answer *answer = rpc_ask_bytes(
        f->rpc, actor->as, world_path(f->rpc, service, row), garbage, sizeof(garbage));

    if (answer->status == expected_status(reason) && strcmp(answer->reason, reason) == 0)
        return;
    f->wrong++;
    print_error("%s, called by %s: expected %s, answered %s %s \"%s\"\n", row->name, actor->name,
                reason, dues_status_name(answer->status), answer->reason, answer->message);
}

static void try_all(struct fixture *f)
{
    size_t tried = 0;
    f->wrong = 0;
    for (size_t i = 0; i < WORLD_SERVICES; i++) {
        for (size_t j = 0; j < world_services[i]->method_count; j++) {
            for (size_t k = 0; k < f->actor_count; k++, tried++)
                try_row(f, world_services[i], &world_services[i]->methods[j], &f->actors[k]);
        }
    }
    print_message("%zu calls of %zu kinds of caller\n", tried, f->actor_count);
    assert_int_equal(f->wrong, 0);
}

static void admits_by_certificate_exactly_whom_the_row_admits(void **state)
{
    struct fixture *f = *state;
    f->actor_count = 0;
    add_callers_without_token(f);

    try_all(f);
}

static void admits_by_token_exactly_whom_the_row_admits(void **state)
{
    struct fixture *f = *state;
    f->actor_count = 0;
    add_callers_with_token(f);

    try_all(f);
}

/* Sends the sample, names changed by `change`, as `as`; the answer. */
static const struct dues_answer *send_sample(struct fixture *f, const struct rpc_service *service,
                                             const struct rpc_method *row, struct rpc_as as,
                                             struct request *request)
{
    static uint8_t bytes[REQUEST_SIZE_MAX];
    size_t size = request_encode(request, world_input(service, row), bytes, sizeof(bytes));
    return rpc_ask_bytes(f->rpc, as, world_path(f->rpc, service, row), bytes, size);
}

static bool starts_with(const struct request_value *value, const char *prefix)
{
    return value->bytes != NULL && value->size >= strlen(prefix) &&
           memcmp(value->bytes, prefix, strlen(prefix)) == 0;
}

static bool speaks_of_somebody(const struct request *request)
{
    for (size_t i = 0; i < request->count; i++) {
        if (starts_with(&request->values[i], "customers/") ||
            starts_with(&request->values[i], "users/"))
            return true;
    }
    return false;
}

static void expect_not_found(struct fixture *f, const struct rpc_method *row, const char *who,
                             const struct dues_answer *answer)
{
    if (answer->status == DUES_NOT_FOUND)
        return;
    f->wrong++;
    print_error("%s, called by %s: expected NOT_FOUND, answered %s %s \"%s\"\n", row->name, who,
                dues_status_name(answer->status), answer->reason, answer->message);
}

/*
 * "customers/me/payments/<somebody's>" for "customers/<somebody>/payments/<…>"; false when the
 * request names nothing but the customer, for that would then be the caller's own.
 */
static bool claim_as_own(struct fixture *f, struct request *request)
{
    const char *customer = f->world->owner.customer;
    size_t length = strlen(customer);
    bool claimed = false;
    for (size_t i = 0; i < request->count; i++) {
        struct request_value *value = &request->values[i];
        if (!starts_with(value, customer))
            continue;
        const char *rest = (const char *)value->bytes + length;
        claimed = claimed || value->size > length;
        request_set_text(request, value->path,
                         rpc_printf(f->rpc, "customers/me%.*s", (int)(value->size - length), rest));
    }
    return claimed;
}

/* The user, on whichever certificate the row admits. */
static struct rpc_as user_of(const struct rpc_method *row, const struct rpc_user *user,
                             struct rpc_as device)
{
    return (row->callers & CALLER_DEVICE_USER) != 0 ? device : AS_USER(APP_DEMO, user->token);
}

static void finds_nothing_of_somebody_else(void **state)
{
    struct fixture *f = *state;
    static struct sample_store store;
    struct request request;
    size_t tried = 0;

    f->wrong = 0;
    for (size_t i = 0; i < WORLD_SERVICES; i++) {
        const struct rpc_service *service = world_services[i];
        for (size_t j = 0; j < service->method_count; j++) {
            const struct rpc_method *row = &service->methods[j];
            if ((row->callers & CALLER_USERS) == 0 ||
                !sample_make(service->descriptor->name, row->name, &f->world->names, &store,
                             &request) ||
                !speaks_of_somebody(&request))
                continue;
            struct rpc_as other =
                user_of(row, &f->world->other,
                        on_device(f->world->other_device, f->world->other_device_token));
            tried++;
            expect_not_found(f, row, "somebody else",
                             send_sample(f, service, row, other, &request));
            /* CreatePayment's parent is then the caller's own; the card is not. */
            if (claim_as_own(f, &request))
                expect_not_found(f, row, "somebody who says it is his",
                                 send_sample(f, service, row, other, &request));
        }
    }

    assert_true(tried > 0);
    assert_int_equal(f->wrong, 0);
}

static void lets_users_read_what_is_their_own(void **state)
{
    struct fixture *f = *state;
    static struct sample_store store;
    struct request request;
    size_t read = 0;

    for (size_t i = 0; i < WORLD_SERVICES; i++) {
        const struct rpc_service *service = world_services[i];
        for (size_t j = 0; j < service->method_count; j++) {
            const struct rpc_method *row = &service->methods[j];
            if ((row->callers & CALLER_USERS) == 0 || row->request_id != REQUEST_ID_NONE)
                continue;
            assert_true(sample_make(service->descriptor->name, row->name, &f->world->names, &store,
                                    &request));
            struct rpc_as owner =
                user_of(row, &f->world->owner, on_device(f->world->device, f->world->device_token));
            /* A stream that stands is left at the call's deadline. */
            int status = row->stream == NULL ? DUES_OK : DUES_DEADLINE_EXCEEDED;
            owner.deadline_ms = row->stream == NULL ? 0 : 1000;
            const struct dues_answer *answer = send_sample(f, service, row, owner, &request);
            if (answer->status != status)
                print_error("%s: %s %s\n", row->name, answer->reason, answer->message);
            assert_int_equal(answer->status, status);
            read++;
        }
    }

    assert_true(read > 0);
}

/* Last: time goes on for everybody. */
static void refuses_tokens_that_have_expired(void **state)
{
    struct fixture *f = *state;
    f->actor_count = 0;
    add(f, "app, expired token", AS_USER(APP_DEMO, f->world->owner.token), CALLER_APP, TOKEN_STALE);
    add(f, "device, expired token", on_device(f->world->device, f->world->device_token),
        CALLER_DEVICE, TOKEN_STALE);

    fake_clock_advance(f->rpc->clock, 15 * US_PER_MINUTE);

    try_all(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(admits_by_certificate_exactly_whom_the_row_admits),
        cmocka_unit_test(admits_by_token_exactly_whom_the_row_admits),
        cmocka_unit_test(finds_nothing_of_somebody_else),
        cmocka_unit_test(lets_users_read_what_is_their_own),
        cmocka_unit_test(refuses_tokens_that_have_expired),
    };
    return cmocka_run_group_tests_name("authorisation matrix", tests, setup, teardown);
}
