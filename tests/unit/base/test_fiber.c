/*
 * Fibers: parking and going on, nesting, sleeping.
 */

#include "base/fiber.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/time.h"
#include "unit/base/fiber_fixture.h"

static void runs_at_once_and_gives_its_place_back(void **state)
{
    struct fiber_pool *pool = *state;
    bool ran = false;

    assert_true(fiber_start(pool, set_flag, &ran));

    assert_true(ran);
    assert_int_equal(fiber_pool_live(pool), 0);
}

struct steps {
    struct fiber *parked;
    struct fiber *self;
    int count;
};

static void step_and_park(void *arg)
{
    struct steps *steps = arg;

    steps->self = fiber_current();
    for (int i = 0; i < 3; i++) {
        steps->count++;
        fiber_park(keep, &steps->parked);
        assert_ptr_equal(fiber_current(), steps->self);
    }
    steps->count = 100;
}

static void parks_and_goes_on_where_it_was(void **state)
{
    struct fiber_pool *pool = *state;
    struct steps steps = {0};

    assert_null(fiber_current());
    assert_true(fiber_start(pool, step_and_park, &steps));
    assert_int_equal(steps.count, 1);
    assert_int_equal(fiber_pool_live(pool), 1);
    assert_null(fiber_current());

    fiber_resume(steps.parked);
    assert_int_equal(steps.count, 2);
    fiber_resume(steps.parked);
    assert_int_equal(steps.count, 3);
    fiber_resume(steps.parked);

    assert_int_equal(steps.count, 100);
    assert_int_equal(fiber_pool_live(pool), 0);
}

struct observation {
    struct fiber *during;
    struct fiber *self;
    struct fiber *after;
};

static void observe(struct fiber *self, void *arg)
{
    struct observation *seen = arg;

    seen->self = self;
    seen->after = fiber_current();
}

static void park_observed(void *arg)
{
    struct observation *seen = arg;

    seen->during = fiber_current();
    fiber_park(observe, seen);
}

static void after_switch_runs_when_the_stack_has_been_left(void **state)
{
    struct observation seen = {.after = (struct fiber *)&seen};

    assert_true(fiber_start(*state, park_observed, &seen));

    assert_non_null(seen.during);
    assert_ptr_equal(seen.self, seen.during);
    assert_null(seen.after);
    fiber_resume(seen.self);
}

struct nest {
    struct fiber_pool *pool;
    struct fiber *outer;
    struct fiber *inner_parked;
    struct fiber *outer_parked;
    int order[8];
    int count;
};

static void nested_inner(void *arg)
{
    struct nest *nest = arg;

    nest->order[nest->count++] = 2;
    assert_ptr_not_equal(fiber_current(), nest->outer);
    fiber_park(keep, &nest->inner_parked);
    nest->order[nest->count++] = 5;
}

static void nested_outer(void *arg)
{
    struct nest *nest = arg;

    nest->outer = fiber_current();
    nest->order[nest->count++] = 1;
    assert_true(fiber_start(nest->pool, nested_inner, nest));
    nest->order[nest->count++] = 3;
    assert_ptr_equal(fiber_current(), nest->outer);
    fiber_park(keep, &nest->outer_parked);
    nest->order[nest->count++] = 4;
    fiber_resume(nest->inner_parked);
    assert_ptr_equal(fiber_current(), nest->outer);
    nest->order[nest->count++] = 6;
}

static void a_fiber_may_start_and_resume_others(void **state)
{
    struct nest nest = {.pool = *state};

    assert_true(fiber_start(*state, nested_outer, &nest));
    assert_int_equal(fiber_pool_live(*state), 2);
    fiber_resume(nest.outer_parked);

    assert_int_equal(nest.count, 6);
    for (int i = 0; i < 6; i++)
        assert_int_equal(nest.order[i], i + 1);
    assert_int_equal(fiber_pool_live(*state), 0);
}

struct sleeper {
    atomic_int *turn;
    int64_t duration_us;
    int64_t due_us; /* at the earliest and at the latest: the alarm was set between these two */
    int64_t due_latest_us;
    int64_t woke_us;
    int woke_as;
};

static void sleep_and_take_a_turn(void *arg)
{
    struct sleeper *sleeper = arg;

    sleeper->due_us = clock_monotonic_us(clock_system()) + sleeper->duration_us;
    fiber_sleep(sleeper->duration_us);
    sleeper->woke_us = clock_monotonic_us(clock_system());
    sleeper->woke_as = atomic_fetch_add(sleeper->turn, 1);
}

static void wait_until_none_lives(struct fiber_pool *pool)
{
    while (fiber_pool_live(pool) > 0)
        usleep(1000);
}

static void sleepers_wake_in_the_order_of_their_time(void **state)
{
    static const int64_t durations_ms[] = {60, 20, 80, 0, 40, 21, 22, 79};
    struct sleeper sleepers[ARRAY_LENGTH(durations_ms)];
    atomic_int turn = 0;

    for (size_t i = 0; i < ARRAY_LENGTH(durations_ms); i++) {
        struct sleeper *sleeper = &sleepers[i];
        *sleeper = (struct sleeper){.turn = &turn, .duration_us = durations_ms[i] * US_PER_MS};
        assert_true(fiber_start(*state, sleep_and_take_a_turn, sleeper));
        sleeper->due_latest_us = clock_monotonic_us(clock_system()) + sleeper->duration_us;
    }
    wait_until_none_lives(*state);

    for (size_t i = 0; i < ARRAY_LENGTH(durations_ms); i++) {
        assert_true(sleepers[i].woke_us >= sleepers[i].due_us);
        for (size_t j = 0; j < ARRAY_LENGTH(durations_ms); j++) {
            if (sleepers[i].due_latest_us < sleepers[j].due_us)
                assert_true(sleepers[i].woke_as < sleepers[j].woke_as);
        }
    }
}

static void fiber_run_waits_for_the_end(void **state)
{
    atomic_int turn = 0;
    struct sleeper sleeper = {.turn = &turn, .duration_us = 10 * US_PER_MS};

    fiber_run(*state, sleep_and_take_a_turn, &sleeper);

    assert_int_equal(turn, 1);
    assert_int_equal(fiber_pool_live(*state), 0);
}

static void park_many_times(void *arg)
{
    for (int i = 0; i < 100000; i++)
        fiber_park(keep, arg);
}

static void a_hundred_thousand_switches_lose_nothing(void **state)
{
    struct fiber *parked = NULL;
    int resumed = 0;

    assert_true(fiber_start(*state, park_many_times, &parked));
    while (fiber_pool_live(*state) > 0) {
        fiber_resume(parked);
        resumed++;
    }

    assert_int_equal(resumed, 100000);
}

int main(void)
{
#define FIBER_TEST(name) cmocka_unit_test_setup_teardown(name, given_pool, close_pool)
    const struct CMUnitTest tests[] = {
        FIBER_TEST(runs_at_once_and_gives_its_place_back),
        FIBER_TEST(parks_and_goes_on_where_it_was),
        FIBER_TEST(after_switch_runs_when_the_stack_has_been_left),
        FIBER_TEST(a_fiber_may_start_and_resume_others),
        FIBER_TEST(sleepers_wake_in_the_order_of_their_time),
        FIBER_TEST(fiber_run_waits_for_the_end),
        FIBER_TEST(a_hundred_thousand_switches_lose_nothing),
    };
    return cmocka_run_group_tests_name("fiber", tests, NULL, NULL);
}
