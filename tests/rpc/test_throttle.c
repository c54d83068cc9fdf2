/*
 * Rates of callers at a real server: refused before anything is done, and nobody else notices.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <unistd.h>

#include "support/patience.h"
#include "support/rpc_bare.h"
#include "support/rpc_raw.h"

#define RATE  5
#define BURST (2 * RATE)

struct fixture {
    struct rpc_bare *bare;
    struct dues_client *service;
    struct dues_client *reader;
    struct dues_client *app;
};

/* One flow of tokens in 200 ms: no test here takes so long by itself that it would matter. */
static void set_rates(struct settings *settings)
{
    settings->rate_service = RATE;
    settings->rate_app = RATE * 8; /* an address has an eighth */
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);

    f->bare = rpc_bare_new(set_rates);
    f->service = rpc_bare_client(f->bare, f->bare->service);
    f->reader = rpc_bare_client(f->bare, f->bare->reader);
    f->app = rpc_bare_client(f->bare, f->bare->app);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    dues_client_close(f->service);
    dues_client_close(f->reader);
    dues_client_close(f->app);
    rpc_bare_free(f->bare);
    free(f);
    return 0;
}

/* An empty request, which is one of every method. */
static struct dues_answer *ask(struct dues_client *client, const char *method)
{
    return rpc_bare_bytes(client, method, "", 0);
}

/* Asks until the first refusal, at most so often; the answer that refused, or the last. */
static struct dues_answer *use_up(struct dues_client *client, const char *method, int most,
                                  int *answered)
{
    struct dues_answer *answer = ask(client, method);

    for (*answered = 0; answer->status == DUES_OK && *answered < most; ++*answered) {
        dues_answer_free(answer);
        answer = ask(client, method);
    }
    return answer;
}

static void refuses_whose_rate_is_used_up_and_says_when_to_come_again(void **state)
{
    struct fixture *f = *state;
    int answered;

    struct dues_answer *answer = use_up(f->service, "GetPayment", 1000, &answered);

    assert_int_equal(answer->status, DUES_RESOURCE_EXHAUSTED);
    assert_string_equal(answer->reason, "RATE_LIMITED");
    assert_in_range(answer->retry_after_ms, 1, 1000 / RATE + 1);
    assert_true(answered >= BURST);
    dues_answer_free(answer);
}

static void says_whether_the_identity_or_an_address_of_it_is_limited(void **state)
{
    struct fixture *f = *state;
    int answered;

    struct dues_answer *service = use_up(f->service, "GetPayment", 1000, &answered);
    struct dues_answer *app = use_up(f->app, "ListPayments", 1000, &answered);

    assert_string_equal(service->message, "caller has used up its rate of calls");
    assert_string_equal(app->reason, "RATE_LIMITED");
    assert_string_equal(app->message,
                        "caller's address has used up its share of the app's rate of calls");
    dues_answer_free(service);
    dues_answer_free(app);
}

static void leaves_others_alone(void **state)
{
    struct fixture *f = *state;
    int answered;
    dues_answer_free(use_up(f->service, "GetPayment", 1000, &answered));

    struct dues_answer *answer = ask(f->reader, "GetPayment");

    assert_int_equal(answer->status, DUES_OK);
    dues_answer_free(answer);
}

static void lets_in_again_who_waits(void **state)
{
    struct fixture *f = *state;
    int answered;
    struct dues_answer *refused = use_up(f->service, "GetPayment", 1000, &answered);

    usleep((useconds_t)refused->retry_after_ms * 1000);
    struct dues_answer *answer = ask(f->service, "GetPayment");

    assert_int_equal(answer->status, DUES_OK);
    dues_answer_free(refused);
    dues_answer_free(answer);
}

static void counts_calls_that_it_would_refuse_anyway(void **state)
{
    struct fixture *f = *state;
    struct dues_answer *answer = NULL;
    int refused = 0;

    /* Of another kind of caller's method, of no method, of a message that is none. */
    for (int i = 0; i < 4 * BURST; i++) {
        dues_answer_free(answer);
        answer = i % 3 == 0   ? ask(f->reader, "CreatePaymentMethod")
                 : i % 3 == 1 ? ask(f->reader, "NoSuchMethod")
                              : rpc_bare_bytes(f->reader, "GetPayment", "\xff", 1);
        refused += answer->status == DUES_RESOURCE_EXHAUSTED;
    }

    assert_true(refused > 0);
    dues_answer_free(answer);
}

static void counts_streams(void **state)
{
    struct fixture *f = *state;
    struct rpc_raw *raw =
        rpc_raw_open(f->bare->target, test_authority_pem(f->bare->authority), f->bare->reader);
    int refused = 0;

    for (int i = 0; i < 2 * BURST; i++) {
        struct rpc_raw_stream *stream = rpc_raw_start(raw, "/grpc.health.v1.Health/Watch");
        rpc_raw_half_close(stream);
        refused += rpc_raw_finish(stream) == DUES_RESOURCE_EXHAUSTED;
    }
    rpc_raw_close(raw);

    assert_true(refused > 0);
}

/* What the stream answers to a question, to be freed; NULL at its end. */
static uint8_t *ask_stream(struct rpc_raw_stream *stream, const void *question, size_t size)
{
    size_t answer_size;

    return rpc_raw_send(stream, question, size) ? rpc_raw_receive(stream, 5000, &answer_size)
                                                : NULL;
}

static void counts_the_questions_of_a_stream(void **state)
{
    static const uint8_t list[] = {0x3a, 0x01, '*'}; /* list_services */
    struct fixture *f = *state;
    struct rpc_raw *raw =
        rpc_raw_open(f->bare->target, test_authority_pem(f->bare->authority), f->bare->reader);
    struct rpc_raw_stream *stream =
        rpc_raw_start(raw, "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo");
    int answered = 0;

    for (uint8_t *bytes = ask_stream(stream, list, sizeof list); bytes != NULL && answered < 100;
         bytes = ask_stream(stream, list, sizeof list)) {
        free(bytes);
        answered++;
    }
    int status = rpc_raw_finish(stream);
    rpc_raw_close(raw);

    assert_int_equal(status, DUES_RESOURCE_EXHAUSTED);
    assert_true(answered < 100);
}

static void counts_large_messages_for_more(void **state)
{
    struct fixture *f = *state;
    static const uint8_t large[60000] = {0x0a, 0xdc, 0xd4, 0x03}; /* a name of 59,996 NULs */
    int answered = 0;

    for (; answered < 100; answered++) {
        struct dues_answer *answer = rpc_bare_bytes(f->app, "ListPayments", large, sizeof large);
        bool limited = answer->status == DUES_RESOURCE_EXHAUSTED;
        dues_answer_free(answer);
        if (limited)
            break;
    }

    /* Each is a call and three times 16 KiB. */
    assert_in_range(answered, BURST / 4, BURST - 1);
}

static void writes_few_lines_about_many_refusals(void **state)
{
    struct fixture *f = *state;
    int answered;
    dues_answer_free(use_up(f->app, "ListPayments", 1000, &answered));

    for (int i = 0; i < 200; i++)
        dues_answer_free(ask(f->app, "ListPayments"));
    AWAIT(rpc_bare_log_has(f->bare, "\"event\":\"calls.refused\""));

    assert_true(rpc_bare_log_has(f->bare, "\"event\":\"calls.refused\""));
    assert_true(rpc_bare_log_has(f->bare, "RATE_LIMITED"));
}

#define THROTTLE_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        THROTTLE_TEST(refuses_whose_rate_is_used_up_and_says_when_to_come_again),
        THROTTLE_TEST(says_whether_the_identity_or_an_address_of_it_is_limited),
        THROTTLE_TEST(leaves_others_alone),
        THROTTLE_TEST(lets_in_again_who_waits),
        THROTTLE_TEST(counts_calls_that_it_would_refuse_anyway),
        THROTTLE_TEST(counts_streams),
        THROTTLE_TEST(counts_the_questions_of_a_stream),
        THROTTLE_TEST(counts_large_messages_for_more),
        THROTTLE_TEST(writes_few_lines_about_many_refusals),
    };

    return cmocka_run_group_tests_name("rates of callers", tests, NULL, NULL);
}
