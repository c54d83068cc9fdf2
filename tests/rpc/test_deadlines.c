/*
 * How long a call may take, from its headers on, and what becomes of a handler whose client no
 * longer waits.
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

struct fixture {
    struct rpc_bare *bare;
    struct dues_client *service;
    struct dues_answer *answer;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);

    f->bare = rpc_bare_new(NULL);
    f->service = rpc_bare_client(f->bare, f->bare->service);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    dues_answer_free(f->answer);
    dues_client_close(f->service);
    rpc_bare_free(f->bare);
    free(f);
    return 0;
}

static char *writable(const char *text)
{
    return (char *)(uintptr_t)text;
}

/* Answers with what the handler had left, in microseconds; -1 when it failed. */
static long long left_after(const struct dues_answer *answer)
{
    if (answer->status != DUES_OK)
        return -1;
    return strtoll(((const Dues__Payment__V1__Refund *)(const void *)answer->reply)->name, NULL,
                   10);
}

static const struct dues_answer *sleep_for(struct fixture *f, const char *ms, int64_t deadline_ms)
{
    Dues__Payment__V1__GetRefundRequest request = DUES__PAYMENT__V1__GET_REFUND_REQUEST__INIT;

    request.name = writable(ms);
    dues_answer_free(f->answer);
    f->answer = rpc_bare_ask(f->service, "GetRefund", &request.base, NULL, deadline_ms);
    return f->answer;
}

static void allow_little_time(struct settings *settings)
{
    settings->deadline_max_ms = 300;
}

static void answers_at_the_deadline_while_the_handler_goes_on(void **state)
{
    struct fixture *f = *state;
    struct rpc_bare *hasty = rpc_bare_new(allow_little_time);
    struct dues_client *client = rpc_bare_client(hasty, hasty->service);
    Dues__Payment__V1__GetRefundRequest request = DUES__PAYMENT__V1__GET_REFUND_REQUEST__INIT;
    int done = rpc_bare_sleeps_done();

    /* Without a connection the first call would measure the handshake too. */
    request.name = writable("0");
    dues_answer_free(rpc_bare_ask(client, "GetRefund", &request.base, NULL, 10000));
    int64_t start_us = clock_monotonic_us(clock_system());
    request.name = writable("4000");
    dues_answer_free(f->answer);
    f->answer = rpc_bare_ask(client, "GetRefund", &request.base, NULL, 10000);
    int64_t took_ms = (clock_monotonic_us(clock_system()) - start_us) / US_PER_MS;
    int done_then = rpc_bare_sleeps_done();
    AWAIT(rpc_bare_log_has(hasty, "the handler ended later with OK"));
    bool logged = rpc_bare_log_has(hasty, "the handler ended later with OK");
    dues_client_close(client);
    rpc_bare_free(hasty);

    assert_int_equal(f->answer->status, DUES_DEADLINE_EXCEEDED);
    assert_string_equal(f->answer->reason, "DEADLINE_EXCEEDED");
    assert_in_range(took_ms, 290, 3900);
    assert_int_equal(done_then, done + 1);
    assert_int_equal(rpc_bare_sleeps_done(), done + 2);
    assert_true(logged);
}

static void gives_handlers_the_clients_deadline_within_bounds(void **state)
{
    struct fixture *f = *state;

    /* On the wire a deadline is rounded up. */
    assert_in_range(left_after(sleep_for(f, "0", 1500)), 1, 1600 * US_PER_MS);
    assert_in_range(left_after(sleep_for(f, "0", 600000)), 1600 * US_PER_MS, 5000 * US_PER_MS);
}

static void finishes_what_a_client_left(void **state)
{
    struct fixture *f = *state;
    int done = rpc_bare_sleeps_done();

    assert_int_equal(sleep_for(f, "900", 400)->status, DUES_DEADLINE_EXCEEDED);

    AWAIT(rpc_bare_sleeps_done() > done);
    assert_int_equal(rpc_bare_sleeps_done(), done + 1);
}

#define GET_PAYMENT "/dues.payment.v1.PaymentService/GetPayment"
#define GET_REFUND  "/dues.payment.v1.PaymentService/GetRefund"

static const uint8_t a_name[] = {0x0a, 0x01, 'x'};

static struct rpc_raw *open_raw(struct rpc_bare *bare)
{
    return rpc_raw_open(bare->target, test_authority_pem(bare->authority), bare->service);
}

static int status_of_a_call(struct rpc_bare *bare)
{
    struct dues_client *client = rpc_bare_client(bare, bare->service);
    Dues__Payment__V1__GetPaymentRequest request = DUES__PAYMENT__V1__GET_PAYMENT_REQUEST__INIT;
    struct dues_answer *answer = rpc_bare_ask(client, "GetPayment", &request.base, NULL, 5000);
    int status = answer->status;

    dues_answer_free(answer);
    dues_client_close(client);
    return status;
}

#define SILENT 100 /* as many streams as a connection may have */

static void allow_many_calls(struct settings *settings)
{
    settings->calls_max = 2 * SILENT;
    settings->deadline_default_ms = 1000;
}

static void ends_calls_whose_message_does_not_come(void **state)
{
    struct rpc_bare *bare = rpc_bare_new(allow_many_calls);
    struct rpc_raw *raw = open_raw(bare);
    struct rpc_raw_stream *streams[SILENT];
    int ended = 0;

    (void)state;
    for (int i = 0; i < SILENT; i++)
        streams[i] = rpc_raw_start(raw, GET_PAYMENT);
    int meanwhile = status_of_a_call(bare);
    for (int i = 0; i < SILENT; i++)
        ended += rpc_raw_finish(streams[i]) == DUES_DEADLINE_EXCEEDED;
    /* A client hears of the end a moment before the call is gone. */
    AWAIT(rpc_server_running(bare->server) == 0);
    size_t left = rpc_server_running(bare->server);
    bool logged = rpc_bare_log_has(bare, "it has waited for the message");
    rpc_raw_close(raw);
    rpc_bare_free(bare);

    assert_int_equal(meanwhile, DUES_OK);
    assert_int_equal(ended, SILENT);
    assert_int_equal(left, 0);
    assert_true(logged);
}

static void waits_for_a_message_that_comes_in_time(void **state)
{
    struct fixture *f = *state;
    struct rpc_raw *raw = open_raw(f->bare);
    struct rpc_raw_stream *stream = rpc_raw_start(raw, GET_PAYMENT);
    size_t size = 0;

    usleep(300 * 1000);
    rpc_raw_send(stream, a_name, sizeof a_name);
    rpc_raw_half_close(stream);
    uint8_t *reply = rpc_raw_receive(stream, 5000, &size);
    bool replied = reply != NULL;
    free(reply);
    int status = rpc_raw_finish(stream);
    rpc_raw_close(raw);

    assert_true(replied);
    assert_int_equal(status, DUES_OK);
}

static void forgets_who_leaves_before_the_message(void **state)
{
    struct fixture *f = *state;
    struct rpc_raw *raw = open_raw(f->bare);
    struct rpc_raw_stream *stream = rpc_raw_start(raw, GET_PAYMENT);

    bool arrived = rpc_bare_await_calls(f->bare, NULL, RPC_CALL_AWAITS_MESSAGE, 1);
    rpc_raw_cancel(stream);
    int status = rpc_raw_finish(stream);
    AWAIT(rpc_server_running(f->bare->server) == 0);
    rpc_raw_close(raw);

    assert_true(arrived);
    assert_int_equal(status, 1); /* CANCELLED, says the client itself */
    assert_int_equal(rpc_server_running(f->bare->server), 0);
}

static void refuses_a_call_without_message(void **state)
{
    struct fixture *f = *state;
    struct rpc_raw *raw = open_raw(f->bare);
    struct rpc_raw_stream *stream = rpc_raw_start(raw, GET_PAYMENT);

    rpc_raw_half_close(stream);
    int status = rpc_raw_finish(stream);
    rpc_raw_close(raw);

    assert_int_equal(status, DUES_INVALID_ARGUMENT);
}

#define FEW 16

static void allow_few_calls(struct settings *settings)
{
    settings->calls_max = FEW;
    settings->deadline_default_ms = 5000;
}

static void lets_the_silent_take_no_place_of_those_who_work(void **state)
{
    struct rpc_bare *bare = rpc_bare_new(allow_few_calls);
    struct rpc_raw *raw = open_raw(bare);
    struct rpc_raw_stream *silent[FEW + 1];

    (void)state;
    for (int i = 0; i < FEW; i++)
        silent[i] = rpc_raw_start(raw, GET_PAYMENT);
    bool full = rpc_bare_await_calls(bare, NULL, RPC_CALL_AWAITS_MESSAGE, FEW);
    silent[FEW] = rpc_raw_start(raw, GET_REFUND);
    full = full && rpc_bare_await_calls(bare, GET_REFUND, RPC_CALL_AWAITS_MESSAGE, 1);
    int meanwhile = status_of_a_call(bare);
    int gave_way = 0;
    for (int i = 0; i < FEW + 1; i++)
        gave_way += rpc_raw_finish(silent[i]) == DUES_RESOURCE_EXHAUSTED;
    rpc_raw_close(raw);
    rpc_bare_free(bare);

    assert_true(full);
    assert_int_equal(meanwhile, DUES_OK);
    assert_int_equal(gave_way, 2); /* for the one too many, and for the call meanwhile */
}

/* Two times as many are more than may run, and one time is not. */
#define SOME 10

static void send_refund_of(struct rpc_raw_stream *stream, const char *ms)
{
    Dues__Payment__V1__GetRefundRequest request = DUES__PAYMENT__V1__GET_REFUND_REQUEST__INIT;
    uint8_t bytes[32];

    request.name = writable(ms);
    rpc_raw_send(stream, bytes, protobuf_c_message_pack(&request.base, bytes));
    rpc_raw_half_close(stream);
}

/* Fibers beyond those of the calls are the obligations'. */
static void runs_no_more_than_may_when_the_silent_speak(void **state)
{
    struct rpc_bare *bare = rpc_bare_new(allow_few_calls);
    struct rpc_raw *raw = open_raw(bare);
    struct rpc_raw_stream *streams[2 * SOME];
    int refused = 0;
    size_t size;

    (void)state;
    for (int i = 0; i < SOME; i++)
        streams[i] = rpc_raw_start(raw, GET_REFUND);
    bool in_order = rpc_bare_await_calls(bare, NULL, RPC_CALL_AWAITS_MESSAGE, SOME);
    for (int i = SOME; i < 2 * SOME; i++) {
        streams[i] = rpc_raw_start(raw, GET_REFUND);
        send_refund_of(streams[i], "4000");
        /* Who waits beside too many others gives way. */
        in_order &= rpc_bare_await_calls(bare, NULL, RPC_CALL_RUNS, (size_t)i - SOME + 1);
    }
    for (int i = 0; i < SOME; i++)
        send_refund_of(streams[i], "1000");
    for (int i = 0; i < 2 * SOME; i++) {
        free(
            rpc_raw_receive(streams[i], 10000, &size)); /* an unread answer keeps its status back */
        refused += rpc_raw_finish(streams[i]) == DUES_RESOURCE_EXHAUSTED;
    }
    rpc_raw_close(raw);
    rpc_bare_free(bare);

    assert_true(in_order);
    assert_int_equal(refused, 2 * SOME - FEW);
}

static void stops_although_somebody_stays_silent(void **state)
{
    struct rpc_bare *bare = rpc_bare_new(NULL);
    struct rpc_raw *raw = open_raw(bare);
    struct rpc_raw_stream *stream = rpc_raw_start(raw, GET_PAYMENT);

    (void)state;
    AWAIT(rpc_server_running(bare->server) > 0);
    bool drained = rpc_server_drain(bare->server, 100);
    int status = rpc_raw_finish(stream);
    rpc_raw_close(raw);
    rpc_bare_free(bare);

    assert_true(drained);
    assert_int_not_equal(status, DUES_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_at_the_deadline_while_the_handler_goes_on),
        cmocka_unit_test(gives_handlers_the_clients_deadline_within_bounds),
        cmocka_unit_test(finishes_what_a_client_left),
        cmocka_unit_test(ends_calls_whose_message_does_not_come),
        cmocka_unit_test(waits_for_a_message_that_comes_in_time),
        cmocka_unit_test(forgets_who_leaves_before_the_message),
        cmocka_unit_test(refuses_a_call_without_message),
        cmocka_unit_test(lets_the_silent_take_no_place_of_those_who_work),
        cmocka_unit_test(runs_no_more_than_may_when_the_silent_speak),
        cmocka_unit_test(stops_although_somebody_stays_silent),
    };

    return cmocka_run_group_tests_name("deadlines", tests, setup, teardown);
}
