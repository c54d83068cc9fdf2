/*
 * Fibers: parking, waking on other threads, nesting, sleeping, the pool and its guard pages.
 */

#include "base/fiber.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/time.h"

#define POOL_SIZE 64

static int given_pool(void **state)
{
    *state = fiber_pool_open(POOL_SIZE);
    return 0;
}

static int close_pool(void **state)
{
    fiber_pool_close(*state);
    return 0;
}

/* A place to which one fiber is given and from which another thread takes it. */
struct mailbox {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct fiber *fiber;
    bool closed;
};

#define MAILBOX_EMPTY                                                                              \
    ((struct mailbox){PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, NULL, false})

static void put_fiber(struct fiber *self, void *arg)
{
    struct mailbox *box = arg;

    pthread_mutex_lock(&box->lock);
    box->fiber = self;
    pthread_cond_signal(&box->changed);
    pthread_mutex_unlock(&box->lock);
}

static void *resume_until_closed(void *arg)
{
    struct mailbox *box = arg;

    pthread_mutex_lock(&box->lock);
    for (;;) {
        while (box->fiber == NULL && !box->closed)
            pthread_cond_wait(&box->changed, &box->lock);
        if (box->fiber == NULL)
            break;
        struct fiber *fiber = box->fiber;
        box->fiber = NULL;
        pthread_mutex_unlock(&box->lock);
        fiber_resume(fiber);
        pthread_mutex_lock(&box->lock);
    }
    pthread_mutex_unlock(&box->lock);
    return NULL;
}

static void close_box(struct mailbox *box)
{
    pthread_mutex_lock(&box->lock);
    box->closed = true;
    pthread_cond_signal(&box->changed);
    pthread_mutex_unlock(&box->lock);
}

static void keep(struct fiber *self, void *arg)
{
    *(struct fiber **)arg = self;
}

static void set_flag(void *arg)
{
    *(bool *)arg = true;
}

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

/* Eats stack and changes what registers hold, so that a bad switch cannot go unnoticed. */
static uint64_t mix(uint64_t value, int depth)
{
    volatile uint64_t room[16];

    for (size_t i = 0; i < 16; i++)
        room[i] = value * (i + 3);
    return depth == 0 ? room[7] : mix(room[7] ^ (value >> 5), depth - 1) + room[3];
}

struct traveller {
    struct mailbox *boxes;
    size_t box_count;
    int rounds;
    uint64_t result;
    pthread_t threads_seen[3];
    size_t thread_count;
};

static void remember_thread(struct traveller *traveller)
{
    for (size_t i = 0; i < traveller->thread_count; i++) {
        if (pthread_equal(traveller->threads_seen[i], pthread_self()))
            return;
    }
    traveller->threads_seen[traveller->thread_count++] = pthread_self();
}

static void travel(void *arg)
{
    struct traveller *traveller = arg;
    uint64_t value = 1;

    for (int i = 0; i < traveller->rounds; i++) {
        value = mix(value, 5);
        fiber_park(put_fiber, &traveller->boxes[(size_t)i % traveller->box_count]);
        remember_thread(traveller);
    }
    traveller->result = value;
}

static uint64_t travelled_at_home(int rounds)
{
    uint64_t value = 1;

    for (int i = 0; i < rounds; i++)
        value = mix(value, 5);
    return value;
}

static void wakes_on_whichever_thread_resumes_it(void **state)
{
    struct mailbox boxes[3] = {MAILBOX_EMPTY, MAILBOX_EMPTY, MAILBOX_EMPTY};
    struct traveller traveller = {.boxes = boxes, .box_count = 3, .rounds = 3000};
    pthread_t threads[3];

    for (size_t i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, resume_until_closed, &boxes[i]), 0);
    fiber_run(*state, travel, &traveller);
    for (size_t i = 0; i < 3; i++) {
        close_box(&boxes[i]);
        pthread_join(threads[i], NULL);
    }

    assert_int_equal(traveller.thread_count, 3);
    assert_int_equal(traveller.result, travelled_at_home(3000));
}

struct nest {
    struct fiber_pool *pool;
    struct fiber *outer;
    struct fiber *inner_parked;
    struct fiber *outer_parked;
    int depth;
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

static void start_deeper(void *arg)
{
    struct nest *nest = arg;

    nest->depth++;
    if (!fiber_start(nest->pool, start_deeper, nest))
        nest->count++;
}

static void nesting_ends_at_the_size_of_the_pool(void **state)
{
    struct nest nest = {.pool = *state};

    assert_true(fiber_start(*state, start_deeper, &nest));

    assert_int_equal(nest.depth, POOL_SIZE);
    assert_int_equal(nest.count, 1);
    assert_int_equal(fiber_pool_live(*state), 0);
}

static void park_once(void *arg)
{
    fiber_park(keep, arg);
}

static void a_full_pool_starts_nothing(void **state)
{
    struct fiber *parked[POOL_SIZE];
    bool ran = false;

    for (size_t i = 0; i < POOL_SIZE; i++)
        assert_true(fiber_start(*state, park_once, &parked[i]));
    assert_false(fiber_start(*state, set_flag, &ran));
    assert_false(ran);
    assert_int_equal(fiber_pool_live(*state), POOL_SIZE);

    fiber_resume(parked[7]);
    assert_true(fiber_start(*state, set_flag, &ran));
    assert_true(ran);
    for (size_t i = 0; i < POOL_SIZE; i++) {
        if (i != 7)
            fiber_resume(parked[i]);
    }
    assert_int_equal(fiber_pool_live(*state), 0);
}

struct place {
    uintptr_t address;
};

static void note_place(void *arg)
{
    struct place *place = arg;
    volatile char here = 0;

    place->address = (uintptr_t)&here + (uintptr_t)here;
}

static void stacks_are_used_again(void **state)
{
    struct place first, second;

    assert_true(fiber_start(*state, note_place, &first));
    assert_true(fiber_start(*state, note_place, &second));

    /* Under AddressSanitizer locals may live elsewhere, but near. */
    uintptr_t apart = first.address > second.address ? first.address - second.address
                                                     : second.address - first.address;
    assert_true(apart < FIBER_STACK_SIZE);
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

static void post_flag(void *arg)
{
    struct mailbox *box = arg;

    close_box(box);
}

static void work_may_be_put_off(void **state)
{
    struct mailbox box = MAILBOX_EMPTY;
    int64_t begin_us = clock_monotonic_us(clock_system());

    fiber_after(*state, 20 * US_PER_MS, post_flag, &box);
    resume_until_closed(&box);

    assert_true(clock_monotonic_us(clock_system()) - begin_us >= 20 * US_PER_MS);
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

struct crowd {
    struct mailbox *boxes;
    atomic_int done;
    atomic_ullong sum;
};

static void wander(void *arg)
{
    struct crowd *crowd = arg;
    uint64_t value = 1;

    for (int i = 0; i < 50; i++) {
        value = mix(value, 3);
        if (i % 10 == 9)
            fiber_sleep(i * 10);
        else
            fiber_park(put_fiber, &crowd->boxes[0]);
    }
    crowd->sum += value;
    crowd->done++;
}

struct starter {
    struct fiber_pool *pool;
    struct crowd *crowd;
};

/* A box holds one fiber, so each starter has its own and resumes what it finds there itself. */
static void *start_many(void *arg)
{
    struct starter *starter = arg;

    for (int started = 0; started < 200; started++) {
        struct mailbox box = MAILBOX_EMPTY;
        struct crowd mine = {.boxes = &box};
        if (!fiber_start(starter->pool, wander, &mine))
            continue;
        while (mine.done == 0) {
            pthread_mutex_lock(&box.lock);
            struct fiber *fiber = box.fiber;
            box.fiber = NULL;
            pthread_mutex_unlock(&box.lock);
            if (fiber != NULL)
                fiber_resume(fiber);
            else
                usleep(100);
        }
        starter->crowd->sum += mine.sum;
        starter->crowd->done += mine.done;
    }
    return NULL;
}

static void threads_share_a_pool(void **state)
{
    struct crowd total = {0};
    struct starter starter = {*state, &total};
    pthread_t threads[4];
    uint64_t expected = 1;

    for (int i = 0; i < 50; i++)
        expected = mix(expected, 3);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, start_many, &starter), 0);
    for (size_t i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    wait_until_none_lives(*state);

    assert_int_equal(total.done, 800);
    assert_int_equal(total.sum, 800 * expected);
}

/* How a child process that does `work` ends. */
static int status_of_child(void (*work)(void))
{
    int status = 0;

    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        if (freopen("/dev/null", "w", stderr) == NULL)
            _exit(2);
        work();
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

static int fall(int depth)
{
    volatile char room[1024];

    room[0] = (char)depth;
    return depth == 0 ? room[0] : fall(depth - 1) + room[0];
}

static void fall_through_the_floor(void *arg)
{
    *(volatile int *)arg = fall(1 << 20);
}

static void overflow_a_stack(void)
{
    int result;
    struct fiber_pool *pool = fiber_pool_open(1);

    fiber_run(pool, fall_through_the_floor, &result);
}

static void a_stack_that_overflows_kills_the_process(void **state)
{
    int status = status_of_child(overflow_a_stack);

    (void)state;
    /* By the guard page; under a sanitizer, by its report of the same. */
    assert_true(WIFSIGNALED(status) || WEXITSTATUS(status) != 0);
}

static void use_most_of_a_stack(void *arg)
{
    *(int *)arg = fall(FIBER_STACK_SIZE / 1024 * 3 / 4) == 12345;
}

static void most_of_a_stack_may_be_used(void **state)
{
    int result = 1;

    fiber_run(*state, use_most_of_a_stack, &result);

    assert_int_equal(result, 0);
}

static struct fiber *twice;

static void resume_a_running_fiber(void)
{
    struct fiber_pool *pool = fiber_pool_open(1);

    if (!fiber_start(pool, park_once, &twice))
        _exit(0);
    fiber_resume(twice);
    fiber_resume(twice);
}

static void park_a_plain_thread(void)
{
    fiber_park(NULL, NULL);
}

static void close_a_living_pool(void)
{
    struct fiber_pool *pool = fiber_pool_open(1);

    if (fiber_start(pool, park_once, &twice))
        fiber_pool_close(pool);
}

static void misuse_ends_the_process(void **state)
{
    static void (*const mistakes[])(void) = {resume_a_running_fiber, park_a_plain_thread,
                                             close_a_living_pool};

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(mistakes); i++) {
        int status = status_of_child(mistakes[i]);
        assert_true(WIFSIGNALED(status));
        assert_int_equal(WTERMSIG(status), SIGABRT);
    }
}

int main(void)
{
#define FIBER_TEST(name) cmocka_unit_test_setup_teardown(name, given_pool, close_pool)
    const struct CMUnitTest tests[] = {
        /* First: these fork, and a child of a process with threads is fragile under TSan. */
        cmocka_unit_test(a_stack_that_overflows_kills_the_process),
        cmocka_unit_test(misuse_ends_the_process),
        FIBER_TEST(runs_at_once_and_gives_its_place_back),
        FIBER_TEST(parks_and_goes_on_where_it_was),
        FIBER_TEST(after_switch_runs_when_the_stack_has_been_left),
        FIBER_TEST(wakes_on_whichever_thread_resumes_it),
        FIBER_TEST(a_fiber_may_start_and_resume_others),
        FIBER_TEST(nesting_ends_at_the_size_of_the_pool),
        FIBER_TEST(a_full_pool_starts_nothing),
        FIBER_TEST(stacks_are_used_again),
        FIBER_TEST(sleepers_wake_in_the_order_of_their_time),
        FIBER_TEST(fiber_run_waits_for_the_end),
        FIBER_TEST(work_may_be_put_off),
        FIBER_TEST(a_hundred_thousand_switches_lose_nothing),
        FIBER_TEST(threads_share_a_pool),
        FIBER_TEST(most_of_a_stack_may_be_used),
    };
    return cmocka_run_group_tests_name("fiber", tests, NULL, NULL);
}
