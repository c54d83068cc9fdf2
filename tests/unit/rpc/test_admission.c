/*
 * The limit of calls inside the database, against a database that is a number: so many ops a
 * second, however many wait.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/attributes.h"
#include "base/time.h"
#include "rpc/admission.h"

#define CALLS_MAX 1024
#define TARGET_US 50000
#define STEP_US   1000

/* One op a call, so that what is inside is what waits. */
struct database {
    struct admission admission;
    int64_t now_us;
    int64_t inside;
    int64_t answered;
    int64_t refused;
    int64_t most_inside;
    int64_t credit_us; /* of work, not done yet */
};

static void open_database(struct database *database)
{
    *database = (struct database){.now_us = 1000 * US_PER_SECOND};
    admission_init(&database->admission, TARGET_US, CALLS_MAX);
}

/* `offered` calls a second for `ms`, of which it can do `can`. */
static void run(struct database *database, int64_t ms, int64_t offered, int64_t can)
{
    int64_t due_us = 0;

    database->refused = 0;
    database->most_inside = 0;
    for (int64_t end_us = database->now_us + ms * US_PER_MS; database->now_us < end_us;
         database->now_us += STEP_US) {
        for (due_us += offered * STEP_US; due_us >= US_PER_SECOND; due_us -= US_PER_SECOND) {
            if (admission_admits(&database->admission, database->inside))
                database->inside++;
            else
                database->refused++;
        }
        if (database->inside > database->most_inside)
            database->most_inside = database->inside;
        database->credit_us += can * STEP_US;
        for (; database->credit_us >= US_PER_SECOND; database->credit_us -= US_PER_SECOND) {
            if (database->inside == 0)
                continue;
            database->inside--;
            database->answered++;
        }
        admission_tick(&database->admission, database->inside, database->answered,
                       database->now_us);
    }
}

static int64_t limit(struct database *database)
{
    return atomic_load(&database->admission.limit);
}

static void refuses_nothing_that_can_be_done(void **state)
{
    (void)state;
    struct database database;
    open_database(&database);

    run(&database, 10000, 3900, 4000);

    assert_int_equal(database.refused, 0);
    assert_int_equal(limit(&database), CALLS_MAX);
}

static void lets_nobody_wait_much_longer_than_the_target(void **state)
{
    (void)state;
    struct database database;
    open_database(&database);
    run(&database, 2000, 20000, 4000); /* until it has noticed */

    run(&database, 10000, 20000, 4000);

    /* 4000 a second for 50 ms are 200. */
    assert_in_range(database.most_inside, 150, 300);
    assert_in_range(database.refused, 155000, 165000); /* the database is never idle */
}

static void follows_a_database_that_becomes_slower_and_faster(void **state)
{
    (void)state;
    struct database database;
    open_database(&database);
    run(&database, 5000, 20000, 4000);

    run(&database, 5000, 20000, 1000);
    int64_t slow = limit(&database);
    run(&database, 5000, 20000, 8000);
    int64_t fast = limit(&database);

    assert_in_range(slow, 40, 75);
    assert_in_range(fast, 350, 600);
}

static void lets_a_short_pause_of_the_database_pass(void **state)
{
    (void)state;
    struct database database;
    open_database(&database);
    run(&database, 5000, 500, 4000);

    run(&database, 300, 500, 0);
    int64_t during = database.refused;
    run(&database, 3000, 500, 4000);

    assert_int_equal(during, 0);
    assert_int_equal(database.refused, 0);
}

static void refuses_when_nothing_is_answered_any_more(void **state)
{
    (void)state;
    struct database database;
    open_database(&database);
    run(&database, 5000, 500, 4000);

    run(&database, 10000, 500, 0);

    assert_int_equal(limit(&database), ADMISSION_LEAST);
    assert_in_range(database.most_inside, ADMISSION_LEAST, CALLS_MAX);
}

static void always_lets_some_in_and_never_more_than_may_run(void **state)
{
    (void)state;
    struct database database;
    open_database(&database);

    run(&database, 5000, 1000, 10);
    int64_t least = limit(&database);
    run(&database, 30000, 100, 100000);
    int64_t most = limit(&database);

    assert_int_equal(least, ADMISSION_LEAST);
    assert_int_equal(most, CALLS_MAX);
}

static void recovers_within_seconds_of_an_overload(void **state)
{
    (void)state;
    struct database database;
    open_database(&database);
    run(&database, 5000, 20000, 4000);
    run(&database, 2000, 500, 4000);

    run(&database, 5000, 3500, 4000);

    assert_int_equal(database.refused, 0);
}

static void obligations_make_calls_slower_and_not_fewer(void **state)
{
    (void)state;
    struct database database;
    open_database(&database);
    run(&database, 5000, 20000, 4000);
    int64_t alone = limit(&database);

    /* Half of what is answered is not of calls. */
    for (int i = 0; i < 5000; i++) {
        run(&database, 1, 20000, 2000);
        database.answered += 2;
    }

    assert_in_range(limit(&database), alone / 2, alone * 3 / 2);
}

static void limits_nothing_without_a_target(void **state)
{
    (void)state;
    struct database database;
    open_database(&database);
    admission_init(&database.admission, 0, CALLS_MAX);

    run(&database, 3000, 20000, 10);

    assert_int_equal(database.refused, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_nothing_that_can_be_done),
        cmocka_unit_test(lets_nobody_wait_much_longer_than_the_target),
        cmocka_unit_test(follows_a_database_that_becomes_slower_and_faster),
        cmocka_unit_test(lets_a_short_pause_of_the_database_pass),
        cmocka_unit_test(refuses_when_nothing_is_answered_any_more),
        cmocka_unit_test(always_lets_some_in_and_never_more_than_may_run),
        cmocka_unit_test(recovers_within_seconds_of_an_overload),
        cmocka_unit_test(obligations_make_calls_slower_and_not_fewer),
        cmocka_unit_test(limits_nothing_without_a_target),
    };

    return cmocka_run_group_tests_name("admission", tests, NULL, NULL);
}
