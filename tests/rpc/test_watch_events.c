/*
 * WatchEvents: every event once, in order, without gaps; over restarts, by cursor; and what ends a
 * stream.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <unistd.h>

#include "support/patience.h"
#include "support/rpc_events.h"
#include "support/rpc_raw.h"

#define WRITERS     8
#define WRITES_EACH 12

static int setup(void **state)
{
    *state = rpc_fixture_new("sandbox = on\nstreams_per_caller_max = 4\nstream_stall_ms = 400\n");
    return 0;
}

static void tells_what_happened_and_then_what_happens(void **state)
{
    struct rpc_fixture *f = *state;
    struct payer payer = given_payer(f, "tok_visa");
    struct reading reading = {0};

    given_payment(f, payer);
    struct dues_stream *stream = watch_events_of(f, payer.customer, NULL);
    bool backlog = read_until(stream, &reading, 2);
    for (int i = 0; i < 3; i++)
        given_payment(f, payer);
    bool news = read_until(stream, &reading, 5);
    dues_stream_close(stream);

    assert_true(backlog);
    assert_true(news);
    assert_false(reading.has_gap);
    assert_int_equal(reading.last, 5);
}

static void hears_of_what_other_servers_write(void **state)
{
    struct rpc_fixture *f = *state;
    const char *customer = given_customer(f, "");
    struct reading reading = {0};
    struct dues_stream *stream = watch_events_of(f, customer, NULL);

    bool backlog = read_until(stream, &reading, 1);
    given_events(f, customer, 3);
    bool news = read_until(stream, &reading, 4);
    dues_stream_close(stream);

    assert_true(backlog);
    assert_true(news);
    assert_false(reading.has_gap);
}

struct writer {
    struct rpc_fixture *f;
    struct payer payer;
    int number;
};

static void *pay(void *arg)
{
    const struct writer *writer = arg;

    for (int i = 0; i < WRITES_EACH; i++)
        must_reply(ask_payment(writer->f, writer->payer,
                               rpc_printf(writer->f, "writer-%d-%d", writer->number, i)));
    return NULL;
}

struct reader {
    pthread_t thread;
    struct dues_stream *stream;
    struct reading reading;
    int64_t until;
    bool came;
};

static void *read_all(void *arg)
{
    struct reader *reader = arg;

    reader->came = read_until(reader->stream, &reader->reading, reader->until);
    return NULL;
}

static void has_no_gap_while_many_write(void **state)
{
    struct rpc_fixture *f = *state;
    struct payer payer = given_payer(f, "tok_visa");
    struct writer writers[WRITERS];
    struct reader readers[2] = {{.until = 1 + WRITERS * WRITES_EACH},
                                {.until = 1 + WRITERS * WRITES_EACH}};

    for (int i = 0; i < 2; i++) {
        readers[i].stream = watch_events_of(f, payer.customer, NULL);
        pthread_create(&readers[i].thread, NULL, read_all, &readers[i]);
    }
    for (int i = 0; i < WRITERS; i++)
        writers[i] = (struct writer){f, payer, i};
    rpc_race(pay, writers, WRITERS, sizeof(writers[0]));
    for (int i = 0; i < 2; i++) {
        pthread_join(readers[i].thread, NULL);
        dues_stream_close(readers[i].stream);
    }

    assert_int_equal(last_event_of(f, payer.customer), 1 + WRITERS * WRITES_EACH);
    for (int i = 0; i < 2; i++) {
        assert_true(readers[i].came);
        assert_false(readers[i].reading.has_gap);
        assert_int_equal(readers[i].reading.last, 1 + WRITERS * WRITES_EACH);
    }
}

static void goes_on_after_a_cursor_when_the_server_has_restarted(void **state)
{
    struct rpc_fixture *f = *state;
    const char *customer = given_customer(f, "");
    struct reading reading = {0};

    given_events(f, customer, 5);
    struct dues_stream *stream = watch_events_of(f, customer, NULL);
    bool first = read_until(stream, &reading, 6);
    const char *cursor = rpc_printf(f, "%s", dues_stream_cursor(stream));
    dues_stream_close(stream);
    rpc_restart(f);
    given_events(f, customer, 250);
    stream = watch_events_of(f, customer, cursor);
    bool rest = read_until(stream, &reading, 256);
    dues_stream_close(stream);

    assert_true(first);
    assert_true(rest);
    assert_false(reading.has_gap);
}

/* The one stream of libdues, over two restarts. */
static void is_followed_over_restarts_by_the_library(void **state)
{
    struct rpc_fixture *f = *state;
    const char *customer = given_customer(f, "");
    struct reading reading = {0};
    const struct watch_wish wish = {
        .as = AS(SERVICE_BILLING), .method = "WatchEvents", .parent = customer};
    struct dues_stream *stream = watch(f, &wish);
    bool came = read_until(stream, &reading, 1);

    for (int i = 0; i < 2; i++) {
        given_events(f, customer, 120);
        rpc_restart_in_place(f);
        given_events(f, customer, 3);
        came = came && read_until(stream, &reading, 1 + (i + 1) * 123);
    }
    const struct dues_answer *end = dues_stream_end(stream);
    dues_stream_close(stream);

    assert_true(came);
    assert_false(reading.has_gap);
    assert_null(end);
}

static void ends_with_its_cursor_when_the_server_stops(void **state)
{
    struct rpc_fixture *f = *state;
    const char *customer = given_customer(f, "");
    struct reading reading = {0};
    struct dues_stream *stream;

    given_events(f, customer, 2);
    stream = watch_events_of(f, customer, NULL);
    bool came = read_until(stream, &reading, 3);
    rpc_restart_in_place(f);
    const struct dues_answer *end = await_end(stream);

    assert_true(came);
    assert_non_null(end);
    assert_int_equal(end->status, DUES_UNAVAILABLE);
    assert_string_equal(end->reason, "SERVER_STOPPING");
    assert_string_equal(metadata_of(end, "cursor"), reading.cursor);
    assert_true(end->retry_after_ms > 0);
    dues_stream_close(stream);
}

/* More than the window of a stream holds. */
#define MANY 4000

/* A client whose window does not grow, as that of libdues would. */
static struct rpc_raw_stream *watch_raw(struct rpc_fixture *f, struct rpc_raw *raw,
                                        const char *customer)
{
    Dues__Payment__V1__WatchEventsRequest request = DUES__PAYMENT__V1__WATCH_EVENTS_REQUEST__INIT;
    struct rpc_raw_stream *stream =
        rpc_raw_start(raw, "/dues.payment.v1.PaymentService/WatchEvents");
    uint8_t bytes[256];

    request.parent = member_text(f, customer);
    rpc_raw_send(stream, bytes, protobuf_c_message_pack(&request.base, bytes));
    rpc_raw_half_close(stream);
    return stream;
}

static struct rpc_raw *open_raw(struct rpc_fixture *f)
{
    return rpc_raw_open(f->target, test_authority_pem(f->authority), f->pairs[SERVICE_BILLING]);
}

/* False at the end of the stream. */
static bool read_raw(struct rpc_raw_stream *stream, struct reading *reading)
{
    size_t size = 0;
    uint8_t *bytes = rpc_raw_receive(stream, EVENT_PATIENCE_MS, &size);

    if (bytes == NULL)
        return false;
    EventsTold *told = dues__payment__v1__watch_events_response__unpack(NULL, size, bytes);
    reading_take(reading, told);
    dues__payment__v1__watch_events_response__free_unpacked(told, NULL);
    free(bytes);
    return true;
}

/* Waits for the log line, which is written when the fiber has ended. */
static bool is_sent_away(struct rpc_fixture *f)
{
    AWAIT(rpc_log_has(f, "SLOW_READER"));
    return rpc_log_has(f, "SLOW_READER");
}

static void sends_a_reader_away_that_does_not_read(void **state)
{
    struct rpc_fixture *f = *state;
    const char *customer = given_customer(f, "");
    struct reading reading = {0};
    struct rpc_raw *raw = open_raw(f);

    given_events(f, customer, MANY);
    struct rpc_raw_stream *slow = watch_raw(f, raw, customer);
    bool sent_away = read_raw(slow, &reading) && is_sent_away(f);
    while (read_raw(slow, &reading))
        continue;
    struct rpc_raw_end end = rpc_raw_finish_with_reason(slow);
    rpc_raw_close(raw);
    int64_t told = reading.last;
    struct dues_stream *stream = watch_events_of(f, customer, end.cursor);
    bool rest = read_until(stream, &reading, MANY + 1);
    dues_stream_close(stream);

    assert_true(sent_away);
    assert_int_equal(end.status, DUES_RESOURCE_EXHAUSTED);
    assert_string_equal(end.reason, "SLOW_READER");
    assert_in_range(told, 100, 1000); /* its window, and the one message */
    assert_true(rest);
    assert_false(reading.has_gap);
}

/* It keeps its message for so long and no longer. */
static void cuts_a_reader_that_never_reads_again(void **state)
{
    struct rpc_fixture *f = rpc_fixture_new("sandbox = on\nstream_stall_ms = 200\n"
                                            "deadline_default_ms = 600\n");
    const char *customer = given_customer(f, "");
    struct reading reading = {0};
    struct rpc_raw *raw = open_raw(f);

    (void)state;
    given_events(f, customer, MANY);
    struct rpc_raw_stream *slow = watch_raw(f, raw, customer);
    bool sent_away = read_raw(slow, &reading) && is_sent_away(f);
    usleep(2000 * 1000); /* longer than its answer is kept */
    while (read_raw(slow, &reading))
        continue;
    struct rpc_raw_end end = rpc_raw_finish_with_reason(slow);
    rpc_raw_close(raw);
    rpc_fixture_free(f);

    assert_true(sent_away);
    assert_int_equal(end.status, DUES_RESOURCE_EXHAUSTED);
    assert_string_equal(end.reason, ""); /* nothing fits into its window */
    assert_false(reading.has_gap);
}

/* Its message is in the way of the answer: it hears that it may come back, and soon. */
static void does_not_let_a_reader_that_does_not_read_hold_up_a_stop(void **state)
{
    struct rpc_fixture *f = rpc_fixture_new("sandbox = on\nstream_stall_ms = 60000\n");
    const char *customer = given_customer(f, "");
    struct reading reading = {0};
    struct rpc_raw *raw = open_raw(f);

    (void)state;
    given_events(f, customer, MANY);
    struct rpc_raw_stream *slow = watch_raw(f, raw, customer);
    bool came = read_raw(slow, &reading);
    rpc_restart_in_place(f);
    while (read_raw(slow, &reading))
        continue;
    struct rpc_raw_end end = rpc_raw_finish_with_reason(slow);
    rpc_raw_close(raw);
    rpc_fixture_free(f);

    assert_true(came);
    assert_int_equal(end.status, DUES_UNAVAILABLE);
    assert_false(reading.has_gap);
}

static void says_at_once_where_it_stands(void **state)
{
    struct rpc_fixture *f = *state;
    const char *customer = given_customer(f, "");
    const struct watch_wish wish = {.as = AS(SERVICE_BILLING),
                                    .method = "WatchEvents",
                                    .parent = customer,
                                    .from_now = true,
                                    .once = true};
    struct reading reading = {.last = 4};

    given_events(f, customer, 3);
    struct dues_stream *stream = watch(f, &wish);
    const EventsTold *first = (const void *)dues_stream_next(stream, EVENT_PATIENCE_MS);
    assert_non_null(first);
    assert_int_equal(first->n_events, 0);
    assert_string_not_equal(first->cursor, "");
    given_events(f, customer, 1);
    bool news = read_until(stream, &reading, 5);
    dues_stream_close(stream);

    assert_true(news);
    assert_false(reading.has_gap);
}

static void assert_ends(struct rpc_fixture *f, const struct watch_wish *wish, int status,
                        const char *reason)
{
    struct dues_stream *stream = watch(f, wish);
    const struct dues_answer *end = await_end(stream);

    assert_non_null(end);
    assert_int_equal(end->status, status);
    assert_string_equal(end->reason, reason);
    dues_stream_close(stream);
}

static void refuses_what_it_cannot_follow(void **state)
{
    struct rpc_fixture *f = *state;
    const char *customer = given_customer(f, "");
    const char *other = given_customer(f, "");
    struct watch_wish wish = {
        .as = AS(SERVICE_BILLING), .method = "WatchEvents", .parent = customer, .once = true};
    struct reading reading = {0};
    struct dues_stream *stream = watch_events_of(f, customer, NULL);

    assert_true(read_until(stream, &reading, 1));
    dues_stream_close(stream);
    wish.cursor = reading.cursor;
    wish.parent = other;
    assert_ends(f, &wish, DUES_INVALID_ARGUMENT, "CURSOR_INVALID");
    wish.cursor = NULL;
    wish.parent = rpc_printf(f, "customers/%s", db_uuid_text(f->db, db_uuid(f->db)));
    assert_ends(f, &wish, DUES_NOT_FOUND, "CUSTOMER_NOT_FOUND");
    wish.parent = "customers/me";
    assert_ends(f, &wish, DUES_INVALID_ARGUMENT, "INVALID_FIELD");
    wish.parent = customer;
    wish.as = AS(SERVICE_POOR);
    assert_ends(f, &wish, DUES_PERMISSION_DENIED, "SCOPE_MISSING");
    wish.as = AS(OPERATOR_DEMO);
    assert_ends(f, &wish, DUES_PERMISSION_DENIED, "CALLER_NOT_ALLOWED");
}

static void ends_at_the_clients_deadline(void **state)
{
    struct rpc_fixture *f = *state;
    struct rpc_as as = AS(SERVICE_BILLING);

    as.deadline_ms = 500;
    const struct watch_wish wish = {
        .as = as, .method = "WatchEvents", .parent = given_customer(f, ""), .once = true};
    struct dues_stream *stream = watch(f, &wish);
    const struct dues_answer *end = await_end(stream);

    assert_non_null(end);
    assert_int_equal(end->status, DUES_DEADLINE_EXCEEDED);
    dues_stream_close(stream);
}

/* The setup allows four a caller. */
static void lets_no_caller_have_more_than_its_streams(void **state)
{
    struct rpc_fixture *f = *state;
    const char *customer = given_customer(f, "");
    struct dues_stream *streams[4];
    struct reading reading = {0};
    int opened = 0;

    for (int i = 0; i < 4; i++) {
        streams[i] = watch_events_of(f, customer, NULL);
        struct reading own = {0};
        opened += read_until(streams[i], &own, 1);
    }
    const struct watch_wish wish = {
        .as = AS(SERVICE_BILLING), .method = "WatchEvents", .parent = customer, .once = true};
    assert_ends(f, &wish, DUES_RESOURCE_EXHAUSTED, "OVERLOADED");
    for (int i = 0; i < 4; i++)
        dues_stream_close(streams[i]);
    /* The library comes back until there is room. */
    const struct watch_wish patient = {
        .as = AS(SERVICE_BILLING), .method = "WatchEvents", .parent = customer};
    struct dues_stream *stream = watch(f, &patient);
    bool came = read_until(stream, &reading, 1);
    dues_stream_close(stream);

    assert_int_equal(opened, 4);
    assert_true(came);
}

static void has_one_log_line_that_counts_its_messages(void **state)
{
    struct rpc_fixture *f = *state;
    const char *customer = given_customer(f, "");
    struct reading reading = {0};
    struct dues_stream *stream = watch_events_of(f, customer, NULL);

    bool came = read_until(stream, &reading, 1);
    dues_stream_close(stream);
    AWAIT(rpc_log_has(f, "\"sent\":\"1\""));

    assert_true(came);
    assert_true(rpc_log_has(f, "\"sent\":\"1\""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tells_what_happened_and_then_what_happens),
        cmocka_unit_test(hears_of_what_other_servers_write),
        cmocka_unit_test(has_no_gap_while_many_write),
        cmocka_unit_test(goes_on_after_a_cursor_when_the_server_has_restarted),
        cmocka_unit_test(is_followed_over_restarts_by_the_library),
        cmocka_unit_test(ends_with_its_cursor_when_the_server_stops),
        cmocka_unit_test(sends_a_reader_away_that_does_not_read),
        cmocka_unit_test(cuts_a_reader_that_never_reads_again),
        cmocka_unit_test(does_not_let_a_reader_that_does_not_read_hold_up_a_stop),
        cmocka_unit_test(says_at_once_where_it_stands),
        cmocka_unit_test(refuses_what_it_cannot_follow),
        cmocka_unit_test(ends_at_the_clients_deadline),
        cmocka_unit_test(lets_no_caller_have_more_than_its_streams),
        cmocka_unit_test(has_one_log_line_that_counts_its_messages),
    };
    return cmocka_run_group_tests_name("WatchEvents", tests, setup, rpc_teardown);
}
