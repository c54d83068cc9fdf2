/*
 * The Stripe gateway and dues-simulator, over TLS.
 */
#pragma once

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/bug.h"
#include "base/fiber.h"
#include "base/random.h"
#include "base/text.h"
#include "base/time.h"
#include "crypto/x509.h"
#include "gateway/stripe/stripe.h"
#include "http/client.h"

#define SECRET    "sk_test_simulated0001"
#define CUSTOMER  "0197a1b2-0000-7000-8000-000000000003"
#define LIMIT_MS  3000
#define PATH_SIZE 128
#define AMOUNT    1999
#define PLENTY    5000

struct fixture {
    char directory[64];
    char ca_file[PATH_SIZE];
    char url[64];
    pid_t simulator;
    struct fiber_pool *fibers;
    struct stripe *stripe;
    const struct gateway *gateway;
    struct http_client *control;
    struct house house;
    struct call call;

    struct gateway_request request;
    struct gateway_answer answer;
    struct gateway_card card;
    const struct error *error;
    struct http_exchange_request asked;
    struct http_exchange_reply reply;
    bool is_query;
};

static inline void must(bool worked, const char *what)
{
    if (!worked)
        bug("test of the Stripe gateway: %s", what);
}

static inline void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "we");

    must(file != NULL && fputs(text, file) >= 0 && fclose(file) == 0, path);
}

static inline void make_certificate(struct fixture *f, const char *certificate,
                                    const char *key_path)
{
    AUTO(arena_auto_free) struct arena *arena = arena_new(256 * 1024);
    AUTO(ec_key_auto_free) struct ec_key *ca_key = ec_key_make();
    AUTO(ec_key_auto_free) struct ec_key *owner = ec_key_make();
    int64_t now_us = clock_wall_us(clock_system());
    const struct certificate_wish wish = {
        .use = CERTIFICATE_SERVER,
        .common_name = "localhost",
        .dns_name = "localhost",
        .not_before_us = now_us - US_PER_DAY,
        .not_after_us = now_us + US_PER_DAY,
    };
    const char *ca = x509_make_ca(arena, random_system(), ca_key, "test authority",
                                  wish.not_before_us, wish.not_after_us);

    write_file(f->ca_file, ca);
    write_file(certificate, x509_issue(arena, random_system(), ca, ca_key, owner, &wish));
    write_file(key_path, ec_key_to_pem(arena, owner));
}

static inline const char *program(void)
{
    const char *named = getenv("DUES_SIMULATOR");

    return named != NULL ? named : BINARY_DIR "/dues-simulator";
}

static inline void start_simulator(struct fixture *f)
{
    char certificate[PATH_SIZE];
    char key[PATH_SIZE];
    char journal[PATH_SIZE];
    char line[64] = "";
    int out[2];

    snprintf(certificate, sizeof certificate, "%s/server.pem", f->directory);
    snprintf(key, sizeof key, "%s/server.key", f->directory);
    snprintf(journal, sizeof journal, "%s/journal", f->directory);
    make_certificate(f, certificate, key);
    must(pipe2(out, O_CLOEXEC) == 0, "pipe");
    f->simulator = fork();
    if (f->simulator == 0) {
        dup2(out[1], STDOUT_FILENO);
        execl(program(), program(), "--listen", "127.0.0.1:0", "--journal", journal, "--secret-key",
              SECRET, "--certificate", certificate, "--key", key, "--die-with-parent", NULL);
        _exit(127);
    }
    close(out[1]);
    FILE *said = fdopen(out[0], "re");
    static const char begin[] = "listening on ";
    must(said != NULL && fgets(line, sizeof line, said) != NULL && text_starts_with(line, begin),
         "dues-simulator does not begin");
    long port = strtol(line + sizeof begin - 1, NULL, 10);
    fclose(said);
    snprintf(f->url, sizeof f->url, "https://localhost:%ld", port);
}

static inline void stop_simulator(const struct fixture *f)
{
    static const char *const files[] = {"ca.pem", "server.pem", "server.key", "journal"};
    char path[PATH_SIZE];

    kill(f->simulator, SIGTERM);
    waitpid(f->simulator, NULL, 0);
    for (size_t i = 0; i < ARRAY_LENGTH(files); i++) {
        snprintf(path, sizeof path, "%s/%s", f->directory, files[i]);
        unlink(path);
    }
    rmdir(f->directory);
}

static inline int begin_group(void **state)
{
    static struct fixture f;
    char problem[STRIPE_PROBLEM_SIZE] = "";
    const struct http_client_options control = {.name = "control", .active_max = 2, .queue_max = 2};

    snprintf(f.directory, sizeof f.directory, "/tmp/dues-stripe-XXXXXX");
    must(mkdtemp(f.directory) != NULL, "directory");
    snprintf(f.ca_file, sizeof f.ca_file, "%s/ca.pem", f.directory);
    start_simulator(&f);
    const struct stripe_options options = {
        .url = f.url,
        .secret_key = SECRET,
        .ca_file = f.ca_file,
        .return_url = "",
        .timeout_ms = LIMIT_MS,
        .active_max = 4,
    };
    f.fibers = fiber_pool_open(4);
    f.stripe = stripe_open(&options, problem);
    must(f.stripe != NULL, problem);
    f.control = http_client_open(&control, problem);
    must(f.control != NULL, problem);
    f.gateway = stripe_gateway(f.stripe);
    *state = &f;
    return 0;
}

static inline int end_group(void **state)
{
    struct fixture *f = *state;

    stripe_close(f->stripe);
    http_client_close(f->control);
    fiber_pool_close(f->fibers);
    stop_simulator(f);
    return 0;
}

static inline const char *new_id(struct fixture *f)
{
    return uuid_text(f->call.arena, uuid_make(random_system(), clock_wall_us(clock_system())));
}

static inline void run_control(void *argument)
{
    struct fixture *f = argument;

    http_client_send(f->control, &f->asked, f->call.arena, &f->reply);
}

static inline void tell(struct fixture *f, const char *method, const char *path, const char *body)
{
    static const char *const headers[] = {"Authorization: Bearer " SECRET};

    f->asked = (struct http_exchange_request){
        .method = method,
        .url = arena_printf(f->call.arena, "%s%s", f->url, path),
        .headers = headers,
        .header_count = 1,
        .body = body,
        .body_size = body == NULL ? 0 : strlen(body),
        .ca_file = f->ca_file,
        .time_limit_ms = 10000,
        .reply_size_max = (size_t)1024 * 1024,
    };
    fiber_run(f->fibers, run_control, f);
    if (f->reply.result != HTTP_ANSWERED || f->reply.status != 200)
        print_error("%s: %d %s%s\n", path, f->reply.status, f->reply.problem, f->reply.body);
    assert_int_equal(f->reply.result, HTTP_ANSWERED);
    assert_int_equal(f->reply.status, 200);
}

static inline int begin(void **state)
{
    struct fixture *f = *state;

    f->house = (struct house){.clock = clock_system(), .random = random_system()};
    f->call = (struct call){
        .arena = arena_new(64 * 1024 * 1024),
        .house = &f->house,
        .deadline_us = clock_monotonic_us(clock_system()) + 300 * US_PER_SECOND,
        .customer = CUSTOMER,
        .caller = {.kind = CALLER_SERVICE, .spiffe_id = "spiffe://dues.local/service/test"},
    };
    f->call.request_id = new_id(f);
    f->is_query = false;
    tell(f, "DELETE", "/_simulator/faults", NULL);
    return 0;
}

static inline int end(void **state)
{
    struct fixture *f = *state;

    arena_free(f->call.arena);
    return 0;
}

static inline void run_describe(void *argument)
{
    struct fixture *f = argument;

    f->error = f->gateway->describe(f->gateway, &f->call, f->request.token, &f->card);
}

static inline void run_ask(void *argument)
{
    struct fixture *f = argument;
    void (*ask)(const struct gateway *, struct call *, const struct gateway_request *,
                struct gateway_answer *) = f->is_query ? f->gateway->query : f->gateway->send;

    ask(f->gateway, &f->call, &f->request, &f->answer);
}

static inline void when_asked(struct fixture *f, bool is_query)
{
    f->is_query = is_query;
    fiber_run(f->fibers, run_ask, f);
}

static inline void then(const struct fixture *f, enum gateway_outcome outcome)
{
    if (f->answer.outcome != outcome)
        print_error("%s: %s\n", gateway_outcome_name(f->answer.outcome), f->answer.evidence);
    assert_int_equal(f->answer.outcome, outcome);
}

/* A method that can be charged, and a request for it. */
static inline void given_card(struct fixture *f, const char *token)
{
    /* As if it were another call each time. */
    f->call.request_id = new_id(f);
    f->request = (struct gateway_request){.token = token};
    fiber_run(f->fibers, run_describe, f);
    if (f->error != NULL)
        print_error("%s: %s (%s)\n", token, f->error->message,
                    f->error->cause != NULL ? f->error->cause : "");
    assert_null(f->error);
    f->request = (struct gateway_request){
        .operation = GATEWAY_CHARGE,
        .idempotency_key = new_id(f),
        .reference = new_id(f),
        .payment = new_id(f),
        .amount = money_make("USD", AMOUNT),
        .token = arena_strdup(f->call.arena, f->card.token),
        .transaction = "",
    };
}

static inline void given_next(struct fixture *f, enum gateway_operation operation,
                              int64_t minor_units)
{
    f->request.operation = operation;
    f->request.transaction = f->answer.transaction;
    f->request.idempotency_key = new_id(f);
    f->request.reference = new_id(f);
    f->request.amount.minor_units = minor_units;
}

static inline void given_charge(struct fixture *f, const char *token)
{
    given_card(f, token);
    when_asked(f, false);
    then(f, GATEWAY_SUCCEEDED);
}

static inline void given_authorization(struct fixture *f)
{
    given_card(f, "pm_card_visa");
    f->request.operation = GATEWAY_AUTHORIZE;
    f->request.amount.minor_units = PLENTY;
    when_asked(f, false);
    then(f, GATEWAY_SUCCEEDED);
}

static inline void given_fault(struct fixture *f, const char *fault, const char *path, int count)
{
    tell(f, "POST", "/_simulator/faults",
         arena_printf(f->call.arena, "{\"fault\":\"%s\",\"path\":\"%s\",\"count\":%d}", fault, path,
                      count));
}
