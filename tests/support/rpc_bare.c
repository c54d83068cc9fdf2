/*
 * The handlers of the transport tests, and the little house that they run in.
 */
#include "support/rpc_bare.h"

#include <sys/mman.h>
#include <unistd.h>

#include "base/bug.h"
#include "base/fiber.h"
#include "base/log.h"
#include "base/text.h"
#include "crypto/secrets.h"
#include "support/patience.h"
#include "support/rpc_log_check.h"

static atomic_int sleeps_done;

int rpc_bare_sleeps_done(void)
{
    return atomic_load(&sleeps_done);
}

static const struct error *get_payment(struct call *call, const void *request, void *reply)
{
    const Dues__Payment__V1__GetPaymentRequest *req = request;
    Dues__Payment__V1__Payment *res = reply;

    res->name = arena_strdup(call->arena, req->name);
    res->description = arena_strdup(call->arena, call->trace);
    res->invoice = arena_printf(call->arena, "%d", (int)call->caller.kind);
    return NULL;
}

static const struct error *list_payments(struct call *call, const void *request, void *reply)
{
    const Dues__Payment__V1__ListPaymentsRequest *req = request;
    Dues__Payment__V1__ListPaymentsResponse *res = reply;

    res->payments = arena_array(call->arena, (size_t)req->page_size, sizeof *res->payments);
    for (int32_t i = 0; i < req->page_size; i++) {
        Dues__Payment__V1__Payment *payment = arena_alloc(call->arena, sizeof *payment);
        dues__payment__v1__payment__init(payment);
        payment->description = arena_printf(call->arena, "%0*d", 2000, i);
        res->payments[res->n_payments++] = payment;
    }
    return NULL;
}

static const struct error *create_payment(struct call *call, const void *request, void *reply)
{
    Dues__Payment__V1__Payment *res = reply;
    char *hash = arena_alloc(call->arena, 2 * REQUEST_HASH_SIZE + 1);

    (void)request;
    hex_encode(call->request_hash, REQUEST_HASH_SIZE, hash);
    res->description = hash;
    res->name = arena_strdup(call->arena, call->request_id);
    return NULL;
}

static const struct error *create_payment_method(struct call *call, const void *request,
                                                 void *reply)
{
    (void)call;
    (void)request;
    (void)reply;
    return NULL;
}

static const struct error *get_payment_method(struct call *call, const void *request, void *reply)
{
    (void)request;
    (void)reply;
    return error_cause(call->arena,
                       refuse(call, STATUS_INTERNAL, "INTERNAL", "the private message"),
                       "the private cause");
}

static const struct error *list_payment_methods(struct call *call, const void *request, void *reply)
{
    static const uint8_t recorded[] = {0x12, 0x03, 'o', 'l', 'd'}; /* next_page_token = "old" */

    (void)request;
    (void)reply;
    call->recorded = (struct recorded_answer){recorded, sizeof recorded};
    call->replayed = true;
    return NULL;
}

static const struct error *create_refund(struct call *call, const void *request, void *reply)
{
    struct error *error =
        refuse(call, STATUS_ABORTED, "REQUEST_IN_PROGRESS", "the first one is still running");

    (void)request;
    (void)reply;
    for (size_t i = 0; i < ERROR_FIELDS_MAX; i++)
        error->fields[error->field_count++] = (struct field_error){
            .field = arena_printf(call->arena, "refund.field_%zu", i),
            .description = arena_printf(call->arena, "%01000d", 1),
        };
    return error_retry(error_with(call->arena, error, "attempt", "%d", 7), 1500);
}

static const struct error *get_refund(struct call *call, const void *request, void *reply)
{
    const Dues__Payment__V1__GetRefundRequest *req = request;
    Dues__Payment__V1__Refund *res = reply;

    fiber_sleep(strtol(req->name, NULL, 10) * US_PER_MS);
    atomic_fetch_add(&sleeps_done, 1);
    res->name = arena_printf(call->arena, "%lld", (long long)call_time_left_us(call));
    return NULL;
}

static const struct error *list_refunds(struct call *call, const void *request, void *reply)
{
    (void)call;
    (void)request;
    (void)reply;
    return NULL;
}

static const struct rpc_method methods[] = {
    {"GetPayment", get_payment, .scope = "payments.read",
     .callers = CALLER_SERVICE | CALLER_OPERATOR | CALLER_USERS},
    {"ListPayments", list_payments, .scope = RPC_PUBLIC},
    {"CreatePayment", create_payment, .scope = "payments.write",
     .callers = CALLER_SERVICE | CALLER_USERS, .request_id = REQUEST_ID_REQUIRED},
    {"CreatePaymentMethod", create_payment_method, .scope = "payments.write",
     .callers = CALLER_DEVICE | CALLER_USERS, .request_id = REQUEST_ID_OPTIONAL},
    {"GetPaymentMethod", get_payment_method, .scope = "payments.read", .callers = CALLER_SERVICE},
    {"ListPaymentMethods", list_payment_methods, .scope = "payments.read",
     .callers = CALLER_SERVICE},
    {"ConfirmPayment", list_refunds, .scope = "payments.write", .callers = CALLER_SERVICE},
    {"CapturePayment", list_refunds, .scope = "payments.write", .callers = CALLER_SERVICE,
     .request_id = REQUEST_ID_REQUIRED},
    {"CancelPayment", list_refunds, .scope = "payments.write", .callers = CALLER_SERVICE,
     .request_id = REQUEST_ID_REQUIRED},
    {"UpdatePaymentMethod", create_payment_method, .scope = "payments.write",
     .callers = CALLER_SERVICE, .request_id = REQUEST_ID_OPTIONAL},
    {"DeletePaymentMethod", create_payment_method, .scope = "payments.write",
     .callers = CALLER_SERVICE, .request_id = REQUEST_ID_OPTIONAL},
    {"CreateRefund", create_refund, .scope = "payments.write", .callers = CALLER_OPERATOR,
     .request_id = REQUEST_ID_REQUIRED},
    {"GetRefund", get_refund, .scope = "payments.read", .callers = CALLER_SERVICE},
    {"ListRefunds", list_refunds, .scope = "payments.read", .callers = CALLER_SERVICE,
     .sandbox_only = true},
};

#define ROWS_MAX 128

static struct rpc_method rows[ROWS_MAX];
static struct rpc_service service = {.methods = rows};

static const struct error *do_nothing(struct call *call, const void *request, void *reply)
{
    (void)call;
    (void)request;
    (void)reply;
    return NULL;
}

static const struct rpc_method *find_row(const char *name)
{
    for (size_t i = 0; i < ARRAY_LENGTH(methods); i++) {
        if (text_equal(methods[i].name, name))
            return &methods[i];
    }
    return NULL;
}

/* The rows above, and for every other method of the contract one that does nothing. */
const struct rpc_service *rpc_bare_service(void)
{
    const ProtobufCServiceDescriptor *contract = &dues__payment__v1__payment_service__descriptor;

    service.descriptor = contract;
    for (service.method_count = 0; service.method_count < contract->n_methods;
         service.method_count++) {
        const ProtobufCMethodDescriptor *method = &contract->methods[service.method_count];
        const struct rpc_method *row = find_row(method->name);
        bool has_id =
            protobuf_c_message_descriptor_get_field_by_name(method->input, "request_id") != NULL;
        if (service.method_count == ROWS_MAX)
            bug("more than %d methods in the contract", ROWS_MAX);
        rows[service.method_count] =
            row != NULL ? *row
                        : (struct rpc_method){
                              .name = method->name,
                              .handler = do_nothing,
                              .scope = "payments.read",
                              .callers = CALLER_SERVICE,
                              .request_id = has_id ? REQUEST_ID_OPTIONAL : REQUEST_ID_NONE,
                          };
    }
    return &service;
}

static const struct error *verify_token(struct call *call, const char *bearer,
                                        struct caller *caller)
{
    if (!text_equal(bearer, BARE_TOKEN))
        return refuse(call, STATUS_UNAUTHENTICATED, "TOKEN_INVALID", "token is not good");
    caller->scope = "users.read payments.read";
    return NULL;
}

static bool is_ready(const struct house *house)
{
    const char *start = (const char *)house - offsetof(struct rpc_bare, house);

    return atomic_load(&((const struct rpc_bare *)(const void *)start)->ready);
}

static void fill_settings(struct rpc_bare *bare)
{
    static const char *const names[] = {"server.pem", "server.key", "ca.pem", "master.key"};

    for (size_t i = 0; i < ARRAY_LENGTH(names); i++)
        snprintf(bare->paths[i], sizeof bare->paths[i], "%s/%s", bare->directory, names[i]);
    bare->settings = (struct settings){
        .listen = "127.0.0.1:0",
        .trust_domain = "dues.local",
        .tls_certificate = bare->paths[0],
        .tls_key = bare->paths[1],
        .tls_client_ca = bare->paths[2],
        .master_key_file = bare->paths[3],
        .deadline_default_ms = 2000,
        .deadline_max_ms = 5000,
        .calls_max = 64,
        .streams_max = 128,
        .streams_per_caller_max = 64,
        .stream_stall_ms = 1000,
        .reflection = true,
        .scopes = {{"service/service-billing", "*"},
                   {"service/reader", "payments.read catalogue.read"},
                   {"operator", "payments.write"}},
        .scope_count = 3,
    };
}

static void write_files(struct rpc_bare *bare)
{
    struct test_pair server = test_issue_server(bare->authority);

    test_write_file(bare->directory, "ca.pem", test_authority_pem(bare->authority));
    test_write_file(bare->directory, "server.pem", server.certificate_pem);
    test_write_file(bare->directory, "server.key", server.key_pem);
    test_write_file(bare->directory, "master.key",
                    "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n");
}

static void issue_pairs(struct rpc_bare *bare)
{
    bare->authority = test_authority_new(bare->arena, "test clients");
    bare->service = test_issue_client(bare->authority, "service/service-billing");
    bare->reader = test_issue_client(bare->authority, "service/reader");
    bare->app = test_issue_client(bare->authority, "app/app-demo");
    bare->device = test_issue_client(bare->authority, "device/0198c0de");
    bare->operator_ = test_issue_client(bare->authority, "operator/support");
}

static void open_server(struct rpc_bare *bare)
{
    const struct rpc_service *const services[] = {rpc_bare_service()};
    char problem[RPC_PROBLEM_SIZE] = "";
    const struct rpc_server_options options = {
        .house = &bare->house,
        .services = services,
        .service_count = ARRAY_LENGTH(services),
        .verify_token = verify_token,
        .is_ready = is_ready,
    };

    bare->server = rpc_server_open(&options, problem);
    if (bare->server == NULL)
        bug("test server: %s", problem);
    snprintf(bare->target, sizeof bare->target, "127.0.0.1:%d", rpc_server_port(bare->server));
}

struct rpc_bare *rpc_bare_new(void (*change)(struct settings *settings))
{
    struct rpc_bare *bare = calloc(1, sizeof *bare);
    char problem[256];

    if (bare == NULL)
        bug("no memory for the fixture");
    rpc_environment_clear();
    snprintf(bare->directory, sizeof bare->directory, "/tmp/dues-bare-XXXXXX");
    if (mkdtemp(bare->directory) == NULL)
        bug("no directory for the fixture");
    bare->arena = arena_new(4 * 1024 * 1024);
    issue_pairs(bare);
    write_files(bare);
    fill_settings(bare);
    if (change != NULL)
        change(&bare->settings);
    fake_clock_init(&bare->clock, FAKE_CLOCK_START_US);
    fake_random_init(&bare->random, 42);
    atomic_init(&bare->ready, true);
    bare->log_file = memfd_create("log", MFD_CLOEXEC);
    bare->secrets = secrets_open(bare->settings.master_key_file, problem);
    if (bare->secrets == NULL)
        bug("%s", problem);
    bare->house = (struct house){
        .settings = &bare->settings,
        .clock = &bare->clock.clock,
        .random = &bare->random.random,
        .log = log_open(bare->log_file, LOG_DEBUG, clock_system()),
        .fibers = fiber_pool_open((size_t)bare->settings.calls_max + 128 + 16),
        .secrets = bare->secrets,
    };
    open_server(bare);
    return bare;
}

void rpc_bare_free(struct rpc_bare *bare)
{
    /* A handler that a test has left behind ends first. */
    for (int tries = 0; tries < 10 && !rpc_server_drain(bare->server, 0);)
        tries++;
    rpc_server_close(bare->server);
    fiber_pool_close(bare->house.fibers);
    secrets_close(bare->secrets);
    log_close(bare->house.log);
    rpc_log_check(bare->log_file);
    close(bare->log_file);
    for (size_t i = 0; i < ARRAY_LENGTH(bare->paths); i++)
        unlink(bare->paths[i]);
    rmdir(bare->directory);
    test_authority_free(bare->authority);
    arena_free(bare->arena);
    free(bare);
}

int rpc_bare_setup(void **state)
{
    *state = rpc_bare_new(NULL);
    return 0;
}

int rpc_bare_teardown(void **state)
{
    rpc_bare_free(*state);
    return 0;
}

struct dues_client *rpc_bare_client(struct rpc_bare *bare, struct test_pair pair)
{
    return test_client(bare->target, bare->authority, pair);
}

struct dues_answer *rpc_bare_ask(struct dues_client *client, const char *method,
                                 const ProtobufCMessage *request, const char *token,
                                 int64_t deadline_ms)
{
    struct dues_answer *answer;
    const struct dues_call_options options = {
        .token = token,
        .deadline_ms = deadline_ms,
        .attempts_max = 1,
        .wait_for_ready = true,
    };

    dues_call(client, &dues__payment__v1__payment_service__descriptor, method, request, &options,
              &answer);
    return answer;
}

struct dues_answer *rpc_bare_bytes(struct dues_client *client, const char *method,
                                   const void *bytes, size_t size)
{
    struct dues_answer *answer;
    char path[128];
    const struct dues_call_options options = {.attempts_max = 1, .wait_for_ready = true};

    snprintf(path, sizeof path, "/dues.payment.v1.PaymentService/%s", method);
    dues_call_bytes(client, path, bytes, size, &options, &answer);
    return answer;
}

bool rpc_bare_log_has(const struct rpc_bare *bare, const char *text)
{
    return rpc_log_file_has(bare->house.log, bare->log_file, text);
}

size_t rpc_bare_calls(const struct rpc_bare *bare, const char *method, enum rpc_call_state state)
{
    struct rpc_call_view views[256];
    size_t count = rpc_server_describe_calls(bare->server, views, ARRAY_LENGTH(views));
    size_t found = 0;

    for (size_t i = 0; i < count; i++)
        found += views[i].state == state && (method == NULL || text_equal(views[i].method, method));
    return found;
}

bool rpc_bare_await_calls(const struct rpc_bare *bare, const char *method,
                          enum rpc_call_state state, size_t count)
{
    AWAIT(rpc_bare_calls(bare, method, state) == count);
    return rpc_bare_calls(bare, method, state) == count;
}
