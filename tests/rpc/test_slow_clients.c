/*
 * Clients that ask and do not read: their answers are kept for so long and no longer, and they keep
 * nobody out.
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

#define CALLS_MAX 2

/* The reply does not fit into the window that a client opens before it reads. */
#define PAGE_SIZE 400

static void allow_few_calls(struct settings *settings)
{
    settings->calls_max = CALLS_MAX;
    settings->deadline_default_ms = 1000;
}

static void allow_few_calls_for_long(struct settings *settings)
{
    settings->calls_max = CALLS_MAX;
    settings->deadline_default_ms = 30000;
}

static struct rpc_raw_stream *ask_without_reading(struct rpc_raw *raw)
{
    struct rpc_raw_stream *stream =
        rpc_raw_start(raw, "/dues.payment.v1.PaymentService/ListPayments");
    Dues__Payment__V1__ListPaymentsRequest request = DUES__PAYMENT__V1__LIST_PAYMENTS_REQUEST__INIT;
    uint8_t bytes[64];

    request.page_size = PAGE_SIZE;
    size_t size = protobuf_c_message_pack(&request.base, bytes);
    rpc_raw_send(stream, bytes, size);
    rpc_raw_half_close(stream);
    return stream;
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

/* The status that the server cut it with, leaving so many; what was sent of the answer is thrown
 * away. */
static int status_of_cut(struct rpc_bare *bare, struct rpc_raw_stream *stream, int64_t wait_ms,
                         size_t left)
{
    size_t size;

    usleep((useconds_t)wait_ms * 1000); /* reading would take the answer */
    AWAIT(rpc_server_running(bare->server) <= left);
    free(rpc_raw_receive(stream, 5000, &size));
    return rpc_raw_finish(stream);
}

static struct rpc_raw *connect_raw(struct rpc_bare *bare)
{
    return rpc_raw_open(bare->target, test_authority_pem(bare->authority), bare->app);
}

static void gives_their_places_to_others(void **state)
{
    struct rpc_bare *bare = rpc_bare_new(allow_few_calls_for_long);
    struct rpc_raw *raw = connect_raw(bare);
    struct rpc_raw_stream *streams[CALLS_MAX];

    (void)state;
    for (int i = 0; i < CALLS_MAX; i++)
        streams[i] = ask_without_reading(raw);
    bool answered = rpc_bare_await_calls(bare, NULL, RPC_CALL_ANSWERED, CALLS_MAX);
    int while_they_wait = status_of_a_call(bare);
    for (int i = 0; i < CALLS_MAX; i++) {
        rpc_raw_cancel(streams[i]);
        rpc_raw_finish(streams[i]);
    }
    rpc_raw_close(raw);
    rpc_bare_free(bare);

    assert_true(answered);
    assert_int_equal(while_they_wait, DUES_OK);
}

static void cuts_those_whose_answer_is_not_taken(void **state)
{
    struct rpc_bare *bare = rpc_bare_new(allow_few_calls);
    struct rpc_raw *raw = connect_raw(bare);

    (void)state;
    struct rpc_raw_stream *stream = ask_without_reading(raw);
    int status = status_of_cut(bare, stream, 2500, 0);
    rpc_raw_close(raw);
    rpc_bare_free(bare);

    assert_int_equal(status, GRPC_STATUS_CANCELLED);
}

/* More than may run, each on a connection of its own: the newest ones alone keep their answers. */
static void cuts_the_oldest_at_once_when_there_are_many(void **state)
{
    struct rpc_bare *bare = rpc_bare_new(allow_few_calls_for_long);
    struct rpc_raw *raw[CALLS_MAX + 1];
    struct rpc_raw_stream *streams[CALLS_MAX + 1];

    (void)state;
    for (int i = 0; i <= CALLS_MAX; i++) {
        raw[i] = connect_raw(bare);
        streams[i] = ask_without_reading(raw[i]);
        AWAIT(rpc_bare_calls(bare, NULL, RPC_CALL_RUNS) == 0 &&
              rpc_bare_calls(bare, NULL, RPC_CALL_ANSWERED) ==
                  ((size_t)i < CALLS_MAX ? (size_t)i + 1 : CALLS_MAX));
    }
    int oldest = status_of_cut(bare, streams[0], 500, CALLS_MAX);
    for (int i = 0; i <= CALLS_MAX; i++) {
        if (i > 0) {
            rpc_raw_cancel(streams[i]);
            rpc_raw_finish(streams[i]);
        }
        rpc_raw_close(raw[i]);
    }
    rpc_bare_free(bare);

    assert_int_equal(oldest, GRPC_STATUS_CANCELLED);
}

#define WATCH   "/grpc.health.v1.Health/Watch"
#define REFLECT "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"

static void be_impatient(struct settings *settings)
{
    settings->deadline_default_ms = 1000;
}

static struct rpc_raw *open_raw(struct rpc_bare *bare, struct test_pair pair)
{
    return rpc_raw_open(bare->target, test_authority_pem(bare->authority), pair);
}

static void ends_streams_that_ask_nothing(void **state)
{
    struct rpc_bare *bare = rpc_bare_new(be_impatient);
    struct rpc_raw *raw = open_raw(bare, bare->app);
    struct rpc_raw_stream *reflecting = rpc_raw_start(raw, REFLECT);
    struct rpc_raw_stream *watching = rpc_raw_start(raw, WATCH);

    (void)state;
    int status_reflecting = rpc_raw_finish(reflecting);
    int status_watching = rpc_raw_finish(watching);
    rpc_raw_close(raw);
    rpc_bare_free(bare);

    assert_int_equal(status_reflecting, DUES_DEADLINE_EXCEEDED);
    assert_int_equal(status_watching, DUES_DEADLINE_EXCEEDED);
}

static void lets_who_watches_watch(void **state)
{
    struct rpc_bare *bare = rpc_bare_new(be_impatient);
    struct rpc_raw *raw = open_raw(bare, bare->app);
    struct rpc_raw_stream *stream = rpc_raw_start(raw, WATCH);
    size_t size = 0;

    (void)state;
    rpc_raw_send(stream, "", 0);
    free(rpc_raw_receive(stream, 5000, &size));
    usleep(2000 * 1000);
    atomic_store(&bare->ready, false);
    uint8_t *news = rpc_raw_receive(stream, 5000, &size);
    bool told = news != NULL;
    free(news);
    rpc_raw_cancel(stream);
    rpc_raw_finish(stream);
    rpc_raw_close(raw);
    rpc_bare_free(bare);

    assert_true(told);
}

/* A file and all it depends on, more often than fits into the client's window. */
static void lets_no_stream_that_is_not_read_hold_up_the_stop(void **state)
{
    static const char question[] = "\x22\x24"
                                   "dues.membership.v1.MembershipService";
    struct rpc_bare *bare = rpc_bare_new(allow_few_calls_for_long);
    struct rpc_raw *raw = open_raw(bare, bare->app);
    struct rpc_raw_stream *stream = rpc_raw_start(raw, REFLECT);

    (void)state;
    for (int i = 0; i < 8; i++)
        rpc_raw_send(stream, question, sizeof(question) - 1);
    usleep(500 * 1000);
    const int64_t begun_us = clock_monotonic_us(clock_system());
    bool quiet = rpc_server_drain(bare->server, 120000);
    int64_t took_us = clock_monotonic_us(clock_system()) - begun_us;
    rpc_raw_finish(stream);
    rpc_raw_close(raw);
    rpc_bare_free(bare);

    assert_true(quiet);
    assert_true(took_us < 20 * US_PER_SECOND); /* neither the grace nor its deadline */
}

#define STREAMS_OF_A_CALLER 32

static bool opens_a_watch(struct rpc_raw *raw, struct rpc_raw_stream **stream)
{
    size_t size;

    *stream = rpc_raw_start(raw, WATCH);
    rpc_raw_send(*stream, "", 0);
    uint8_t *first = rpc_raw_receive(*stream, 5000, &size);
    free(first);
    return first != NULL;
}

static void lets_no_caller_have_all_streams(void **state)
{
    struct rpc_bare *bare = rpc_bare_new(be_impatient);
    struct rpc_raw *raw = open_raw(bare, bare->app);
    struct rpc_raw *other = open_raw(bare, bare->device);
    struct rpc_raw_stream *streams[STREAMS_OF_A_CALLER];
    struct rpc_raw_stream *others;
    struct rpc_raw_stream *one_more;
    int opened = 0;

    (void)state;
    for (int i = 0; i < STREAMS_OF_A_CALLER; i++)
        opened += opens_a_watch(raw, &streams[i]);
    bool too_many = opens_a_watch(raw, &one_more);
    bool another = opens_a_watch(other, &others);
    for (int i = 0; i < STREAMS_OF_A_CALLER; i++) {
        rpc_raw_cancel(streams[i]);
        rpc_raw_finish(streams[i]);
    }
    rpc_raw_cancel(others);
    rpc_raw_finish(others);
    int status = rpc_raw_finish(one_more);
    rpc_raw_close(raw);
    rpc_raw_close(other);
    rpc_bare_free(bare);

    assert_int_equal(opened, STREAMS_OF_A_CALLER);
    assert_false(too_many);
    assert_int_equal(status, DUES_RESOURCE_EXHAUSTED);
    assert_true(another);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_their_places_to_others),
        cmocka_unit_test(cuts_the_oldest_at_once_when_there_are_many),
        cmocka_unit_test(cuts_those_whose_answer_is_not_taken),
        cmocka_unit_test(ends_streams_that_ask_nothing),
        cmocka_unit_test(lets_who_watches_watch),
        cmocka_unit_test(lets_no_stream_that_is_not_read_hold_up_the_stop),
        cmocka_unit_test(lets_no_caller_have_all_streams),
    };

    return cmocka_run_group_tests_name("slow clients", tests, NULL, NULL);
}
