/*
 * How long a call may take, and what becomes of a handler whose client no longer waits.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <unistd.h>

#include "support/rpc_bare.h"

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
    request.name = writable("1000");
    dues_answer_free(f->answer);
    f->answer = rpc_bare_ask(client, "GetRefund", &request.base, NULL, 10000);
    int64_t took_ms = (clock_monotonic_us(clock_system()) - start_us) / US_PER_MS;
    int done_then = rpc_bare_sleeps_done();
    usleep(1000 * 1000);
    bool logged = rpc_bare_log_has(hasty, "the handler ended later with OK");
    dues_client_close(client);
    rpc_bare_free(hasty);

    assert_int_equal(f->answer->status, DUES_DEADLINE_EXCEEDED);
    assert_string_equal(f->answer->reason, "DEADLINE_EXCEEDED");
    assert_in_range(took_ms, 290, 900);
    assert_int_equal(done_then, done + 1);
    assert_int_equal(rpc_bare_sleeps_done(), done + 2);
    assert_true(logged);
}

static void gives_handlers_the_clients_deadline_within_bounds(void **state)
{
    struct fixture *f = *state;

    /* On the wire a deadline is rounded up. */
    assert_in_range(left_after(sleep_for(f, "0", 1500)), 1, 1600 * US_PER_MS);
    assert_in_range(left_after(sleep_for(f, "0", 600000)), 4000 * US_PER_MS, 5000 * US_PER_MS);
}

static void finishes_what_a_client_left(void **state)
{
    struct fixture *f = *state;
    int done = rpc_bare_sleeps_done();

    assert_int_equal(sleep_for(f, "900", 400)->status, DUES_DEADLINE_EXCEEDED);

    for (int waited_ms = 0; rpc_bare_sleeps_done() == done && waited_ms < 10000; waited_ms += 50)
        usleep(50 * 1000);
    assert_int_equal(rpc_bare_sleeps_done(), done + 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_at_the_deadline_while_the_handler_goes_on),
        cmocka_unit_test(gives_handlers_the_clients_deadline_within_bounds),
        cmocka_unit_test(finishes_what_a_client_left),
    };

    return cmocka_run_group_tests_name("deadlines", tests, setup, teardown);
}
