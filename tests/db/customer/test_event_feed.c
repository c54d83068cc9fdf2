/*
 * The feed of events: one statement for all watchers, none without a watcher, own writes at once.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <unistd.h>

#include "base/measure.h"
#include "base/text.h"
#include "customer/event.h"
#include "customer/event_feed.h"
#include "support/db_fixture.h"
#include "support/patience.h"

#define WATCHERS 1000

/* A stream that only counts how often it is woken. */
struct sleeper {
    struct stream stream; /* first */
    struct event_watcher watcher;
    struct uuid customer;
    atomic_int woken;
};

static void wake(struct stream *stream)
{
    struct sleeper *sleeper = (struct sleeper *)(void *)stream;

    atomic_fetch_add(&sleeper->woken, 1);
}

static const struct stream_ways ways = {.wake = wake};

static void sleep_on(struct event_feed *feed, struct sleeper *sleeper, struct uuid customer)
{
    sleeper->stream.ways = &ways;
    sleeper->customer = customer;
    atomic_init(&sleeper->woken, 0);
    event_watch_begin(feed, &sleeper->watcher, customer, &sleeper->stream);
}

static bool becomes_woken(struct sleeper *sleeper, int times)
{
    AWAIT(atomic_load(&sleeper->woken) >= times);
    return atomic_load(&sleeper->woken) >= times;
}

static int64_t polls_of(struct event_feed *feed)
{
    static const char name[] = "\ndues_event_polls_total ";
    struct measures *measures = measures_new();
    size_t size;

    event_feed_measure(feed, measures);
    const char *line = strstr(measures_text(measures, &size), name);
    int64_t polls = line == NULL ? -1 : strtoll(line + strlen(name), NULL, 10);
    measures_free(measures);
    return polls;
}

/* As another server does it: the feed of this one hears nothing. */
static void write_elsewhere(struct db_fixture *f, const char *customers)
{
    db_execute(f, db_printf(f, "UPDATE dues.customer SET event_count = event_count + 1 WHERE %s",
                            customers));
}

static const char *only(struct db_fixture *f, struct uuid customer)
{
    return db_printf(f, "customer_id = '%s'", db_uuid_text(f, customer));
}

static void wakes_for_what_another_server_writes(void **state)
{
    struct db_fixture *f = *state;
    struct event_feed *feed = event_feed_open(&f->house);
    struct sleeper sleeper;
    struct sleeper other;

    sleep_on(feed, &sleeper, db_given_customer(f, UUID_NIL));
    sleep_on(feed, &other, db_given_customer(f, UUID_NIL));
    write_elsewhere(f, only(f, sleeper.customer));
    bool woken = becomes_woken(&sleeper, 1);
    int others = atomic_load(&other.woken);
    event_watch_end(feed, &sleeper.watcher);
    event_watch_end(feed, &other.watcher);
    event_feed_close(feed);

    assert_true(woken);
    assert_int_equal(others, 0);
}

static void lets_those_sleep_who_have_seen_it(void **state)
{
    struct db_fixture *f = *state;
    struct event_feed *feed = event_feed_open(&f->house);
    struct uuid customer = db_given_customer(f, UUID_NIL);
    struct sleeper current;
    struct sleeper late;

    sleep_on(feed, &current, customer);
    event_watch_seen(feed, &current.watcher, 2);
    sleep_on(feed, &late, customer);
    event_watch_seen(feed, &late.watcher, 1);
    write_elsewhere(f, only(f, customer));
    write_elsewhere(f, only(f, customer));
    bool woken = becomes_woken(&late, 3);
    int times = atomic_load(&current.woken);
    event_watch_end(feed, &current.watcher);
    event_watch_end(feed, &late.watcher);
    event_feed_close(feed);

    assert_true(woken); /* again and again, until it says that it has seen it */
    assert_int_equal(times, 0);
}

static const struct pg_statement touch = {
    .name = "test_request_forget",
    .sql = "SELECT entitlement_change_forget($1)",
};

static const struct error *write_something(struct call *call, void *arg)
{
    const struct uuid *customer = arg;
    struct pg_rows rows;

    return pg_write(call, *customer, &touch, PG_PARAMS(pg_text("1")), &rows);
}

static void wakes_at_once_for_what_this_server_writes(void **state)
{
    struct db_fixture *f = *state;
    struct event_feed *feed = event_feed_open(&f->house);
    struct sleeper sleeper;
    struct sleeper other;

    sleep_on(feed, &sleeper, db_given_customer(f, UUID_NIL));
    sleep_on(feed, &other, db_given_customer(f, UUID_NIL));
    const struct error *error = db_run(f, write_something, &sleeper.customer);
    int woken = atomic_load(&sleeper.woken);
    int others = atomic_load(&other.woken);
    event_watch_end(feed, &sleeper.watcher);
    event_watch_end(feed, &other.watcher);
    event_feed_close(feed);

    assert_null(error);
    assert_int_equal(woken, 1);
    assert_int_equal(others, 0);
}

static void asks_nothing_when_nobody_watches(void **state)
{
    struct db_fixture *f = *state;
    struct event_feed *feed = event_feed_open(&f->house);
    struct sleeper sleeper;

    sleep_on(feed, &sleeper, db_given_customer(f, UUID_NIL));
    event_watch_end(feed, &sleeper.watcher);
    int64_t before = polls_of(feed);
    usleep(3 * EVENT_POLL_US);
    int64_t after = polls_of(feed);
    event_feed_close(feed);

    assert_in_range(after - before, 0, 1); /* one may have been under way */
}

static void asks_once_for_a_thousand_watchers(void **state)
{
    struct db_fixture *f = *state;
    struct event_feed *feed = event_feed_open(&f->house);
    struct sleeper *sleepers = calloc(WATCHERS, sizeof(*sleepers));
    int woken = 0;

    for (size_t i = 0; i < WATCHERS; i++)
        sleep_on(feed, &sleepers[i], db_given_customer(f, UUID_NIL));
    int64_t before = polls_of(feed);
    write_elsewhere(f, "event_count = 0");
    for (size_t i = 0; i < WATCHERS; i++)
        woken += becomes_woken(&sleepers[i], 1);
    int64_t polls = polls_of(feed) - before;
    for (size_t i = 0; i < WATCHERS; i++)
        event_watch_end(feed, &sleepers[i].watcher);
    event_feed_close(feed);
    free(sleepers);

    assert_int_equal(woken, WATCHERS);
    assert_in_range(polls, 1, WATCHERS / 10);
}

static void cursors_are_of_one_customer_and_hold_the_number(void **state)
{
    struct db_fixture *f = *state;
    struct call *call = db_call(f);
    struct uuid customer = db_uuid(f);
    const char *cursor = event_cursor_make(f->arena, customer, 123456789);
    int64_t after = 0;

    assert_null(event_cursor_read(call, customer, cursor, 123456789, &after));
    assert_int_equal(after, 123456789);
    assert_string_equal(event_cursor_read(call, db_uuid(f), cursor, 200000000, &after)->reason,
                        "CURSOR_INVALID");
    assert_string_equal(event_cursor_read(call, customer, cursor, 123456788, &after)->reason,
                        "CURSOR_AHEAD");
    for (size_t i = 0; i < strlen(cursor); i++) {
        char *damaged = arena_strdup(f->arena, cursor);
        damaged[i] = damaged[i] == 'A' ? 'B' : 'A';
        const struct error *error = event_cursor_read(call, customer, damaged, INT64_MAX, &after);
        assert_non_null(error);
        assert_string_equal(error->reason, "CURSOR_INVALID");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wakes_for_what_another_server_writes),
        cmocka_unit_test(lets_those_sleep_who_have_seen_it),
        cmocka_unit_test(wakes_at_once_for_what_this_server_writes),
        cmocka_unit_test(asks_nothing_when_nobody_watches),
        cmocka_unit_test(asks_once_for_a_thousand_watchers),
        cmocka_unit_test(cursors_are_of_one_customer_and_hold_the_number),
    };
    return cmocka_run_group_tests_name("event feed", tests, db_setup, db_teardown);
}
