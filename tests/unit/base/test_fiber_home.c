/*
 * Fibers that come back to their thread, whoever resumes them; and bursts, in which a thread puts
 * off what would wake others.
 */
#include "base/fiber.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/burst.h"
#include "base/measure.h"
#include "base/time.h"
#include "unit/base/fiber_fixture.h"

/* A home that sleeps on a condition, as the poller does in gRPC. */
struct sleeper {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool woken;
    int32_t wakes;
    struct fiber_home *home;
};

#define SLEEPER                                                                                    \
    ((struct sleeper){.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER})

static void wake(void *arg)
{
    struct sleeper *sleeper = arg;

    pthread_mutex_lock(&sleeper->lock);
    sleeper->wakes++;
    sleeper->woken = true;
    pthread_cond_signal(&sleeper->changed);
    pthread_mutex_unlock(&sleeper->lock);
}

static void sleep_until_woken(struct sleeper *sleeper)
{
    pthread_mutex_lock(&sleeper->lock);
    while (!sleeper->woken)
        pthread_cond_wait(&sleeper->changed, &sleeper->lock);
    sleeper->woken = false;
    pthread_mutex_unlock(&sleeper->lock);
}

/* Lives at home until no fiber does. */
static void live_at_home(struct sleeper *sleeper, struct fiber_pool *pool)
{
    while (fiber_pool_live(pool) > 0) {
        if (fiber_home_may_sleep(sleeper->home))
            sleep_until_woken(sleeper);
        fiber_home_run(sleeper->home);
    }
}

#define TRAVELLERS 40
#define JOURNEYS   500

struct traveller {
    pid_t started_on; /* not pthread_self(): to the compiler that is a constant */
    int32_t journeys;
    int32_t strayed; /* times it went on elsewhere */
};

/* The timer's thread resumes it. */
static void travel(void *arg)
{
    struct traveller *traveller = arg;

    traveller->started_on = gettid();
    for (int32_t i = 0; i < JOURNEYS; i++) {
        fiber_sleep(i % 7 * 10);
        traveller->journeys++;
        traveller->strayed += gettid() != traveller->started_on;
    }
}

static void comes_back_to_the_thread_that_started_it(void **state)
{
    struct fiber_pool *pool = *state;
    struct traveller travellers[TRAVELLERS] = {0};
    struct sleeper sleeper = SLEEPER;

    sleeper.home = fiber_home_open(wake, &sleeper);
    for (size_t i = 0; i < TRAVELLERS; i++)
        assert_true(fiber_start(pool, travel, &travellers[i]));
    live_at_home(&sleeper, pool);
    fiber_home_close(sleeper.home);

    for (size_t i = 0; i < TRAVELLERS; i++) {
        assert_int_equal(travellers[i].journeys, JOURNEYS);
        assert_int_equal(travellers[i].strayed, 0);
    }
}

static void goes_on_elsewhere_when_it_has_no_home(void **state)
{
    struct traveller traveller = {0};

    fiber_run(*state, travel, &traveller);

    assert_int_equal(traveller.strayed, JOURNEYS);
}

struct parent {
    struct fiber_pool *pool;
    struct traveller child;
};

static void start_a_child(void *arg)
{
    struct parent *parent = arg;

    if (!fiber_start(parent->pool, travel, &parent->child))
        parent->child.strayed = -1;
}

static void does_not_share_its_home_with_what_it_starts(void **state)
{
    struct parent parent = {.pool = *state};
    struct sleeper sleeper = SLEEPER;

    sleeper.home = fiber_home_open(wake, &sleeper);
    assert_true(fiber_start(*state, start_a_child, &parent));
    while (fiber_pool_live(*state) > 0)
        usleep(1000);
    fiber_home_close(sleeper.home);

    assert_int_equal(parent.child.strayed, JOURNEYS);
}

struct parked {
    struct fiber *fiber;
    int32_t *clock;
    int32_t went_on_at;
};

static void park_once(void *arg)
{
    struct parked *parked = arg;

    fiber_park(keep, &parked->fiber);
    parked->went_on_at = ++*parked->clock;
}

static void *resume_three(void *arg)
{
    struct parked *parked = arg;

    for (size_t i = 0; i < 3; i++)
        fiber_resume(parked[2 - i].fiber);
    return NULL;
}

static void resume_elsewhere(struct parked parked[3])
{
    pthread_t thread;

    assert_int_equal(pthread_create(&thread, NULL, resume_three, parked), 0);
    pthread_join(thread, NULL);
}

static void given_three_parked(struct fiber_pool *pool, struct parked parked[3], int32_t *clock)
{
    for (size_t i = 0; i < 3; i++) {
        parked[i] = (struct parked){.clock = clock};
        assert_true(fiber_start(pool, park_once, &parked[i]));
    }
}

static void continues_them_in_the_order_of_resuming(void **state)
{
    struct sleeper sleeper = SLEEPER;
    struct parked parked[3];
    int32_t clock = 0;

    sleeper.home = fiber_home_open(wake, &sleeper);
    given_three_parked(*state, parked, &clock);
    resume_elsewhere(parked);
    assert_int_equal(clock, 0);
    fiber_home_run(sleeper.home);
    fiber_home_close(sleeper.home);

    for (size_t i = 0; i < 3; i++)
        assert_int_equal(parked[2 - i].went_on_at, i + 1);
}

static void is_woken_once_a_sleep(void **state)
{
    struct sleeper sleeper = SLEEPER;
    struct parked parked[3];
    int32_t clock = 0;

    sleeper.home = fiber_home_open(wake, &sleeper);
    given_three_parked(*state, parked, &clock);
    resume_elsewhere(parked);
    assert_int_equal(sleeper.wakes, 0); /* it does not sleep */
    assert_false(fiber_home_may_sleep(sleeper.home));
    fiber_home_run(sleeper.home);

    given_three_parked(*state, parked, &clock);
    assert_true(fiber_home_may_sleep(sleeper.home));
    resume_elsewhere(parked);
    assert_int_equal(sleeper.wakes, 1);
    fiber_home_run(sleeper.home);
    fiber_home_close(sleeper.home);
    assert_int_equal(clock, 6);
}

struct slow_bell {
    atomic_bool rung;
    atomic_bool let_go;
};

static void ring_slowly(void *arg)
{
    struct slow_bell *bell = arg;

    atomic_store(&bell->rung, true);
    usleep(100 * 1000);
    atomic_store(&bell->let_go, true);
}

static void *resume_one(void *arg)
{
    fiber_resume(arg);
    return NULL;
}

static void is_closed_when_nobody_wakes_it_any_more(void **state)
{
    struct slow_bell bell = {false, false};
    int32_t clock = 0;
    struct parked parked = {.clock = &clock};
    pthread_t thread;

    struct fiber_home *home = fiber_home_open(ring_slowly, &bell);
    assert_true(fiber_start(*state, park_once, &parked));
    assert_true(fiber_home_may_sleep(home));
    assert_int_equal(pthread_create(&thread, NULL, resume_one, parked.fiber), 0);
    while (!atomic_load(&bell.rung))
        usleep(1000);
    fiber_home_run(home); /* its last fiber ends while the other thread is still at the bell */
    assert_int_equal(clock, 1);
    fiber_home_close(home);
    bool let_go = atomic_load(&bell.let_go);
    pthread_join(thread, NULL);

    assert_true(let_go);
}

static void tells_of_its_fibers(void **state)
{
    struct fiber_pool *pool = *state;
    struct measures *measures = measures_new();
    struct parked parked[3];
    int32_t clock = 0;
    size_t size = 0;

    given_three_parked(pool, parked, &clock);
    fiber_resume(parked[0].fiber);
    fiber_pool_measure(pool, measures);
    const char *text = measures_text(measures, &size);

    assert_non_null(strstr(text, "\ndues_fibers 2\n"));
    assert_non_null(strstr(text, "\ndues_fibers_max 64\n"));
    assert_non_null(strstr(text, "\ndues_fiber_stacks 3\n"));
    measures_free(measures);
    fiber_resume(parked[1].fiber);
    fiber_resume(parked[2].fiber);
}

static void add_one(void *arg)
{
    ++*(int32_t *)arg;
}

static void puts_off_what_would_wake_others(void **state)
{
    int32_t done = 0;
    int32_t other = 0;

    (void)state;
    assert_false(burst_defer(add_one, &done)); /* there is no burst */
    burst_begin();
    assert_true(burst_defer(add_one, &done));
    assert_true(burst_defer(add_one, &other));
    assert_int_equal(done + other, 0);
    burst_end();
    assert_int_equal(done, 1);
    assert_int_equal(other, 1);
    burst_end();
    assert_int_equal(done, 1);
    assert_false(burst_defer(add_one, &done));
}

static void does_once_what_was_put_off_twice(void **state)
{
    int32_t done = 0;

    (void)state;
    burst_begin();
    assert_true(burst_defer(add_one, &done));
    assert_true(burst_defer(add_one, &done));
    burst_end();
    assert_int_equal(done, 1);
}

static void leaves_what_does_not_fit_to_the_caller(void **state)
{
    int32_t done[1000] = {0};
    int32_t put_off = 0;
    int32_t total = 0;

    (void)state;
    burst_begin();
    while (put_off < 1000 && burst_defer(add_one, &done[put_off]))
        put_off++;
    burst_end();

    for (int32_t i = 0; i < 1000; i++)
        total += done[i];
    assert_in_range(put_off, 1, 999);
    assert_int_equal(total, put_off);
}

int main(void)
{
#define FIBER_TEST(name) cmocka_unit_test_setup_teardown(name, given_pool, close_pool)
    const struct CMUnitTest tests[] = {
        FIBER_TEST(comes_back_to_the_thread_that_started_it),
        FIBER_TEST(goes_on_elsewhere_when_it_has_no_home),
        FIBER_TEST(does_not_share_its_home_with_what_it_starts),
        FIBER_TEST(continues_them_in_the_order_of_resuming),
        FIBER_TEST(is_woken_once_a_sleep),
        FIBER_TEST(is_closed_when_nobody_wakes_it_any_more),
        FIBER_TEST(tells_of_its_fibers),
        cmocka_unit_test(puts_off_what_would_wake_others),
        cmocka_unit_test(does_once_what_was_put_off_twice),
        cmocka_unit_test(leaves_what_does_not_fit_to_the_caller),
    };
    return cmocka_run_group_tests_name("homes of fibers", tests, NULL, NULL);
}
