/*
 * The pool: work runs off the poller's thread, and what does not fit is refused at once.
 */

#include "crypto/offload.h"

#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fiber.h"
#include "base/time.h"
#include "support/patience.h"

#define QUEUE_MAX 2
#define CALLS_MAX 64

struct fixture {
    struct house house;
    struct arena *arena;
    sem_t gate; /* what every piece of work waits for */
    _Atomic int started;
    _Atomic int refused;
    _Atomic int late;
    _Atomic int ended;
    int64_t deadline_us;
    pthread_t worked_on;
    int policy;
};

static int given_pool(void **state)
{
    static struct fixture f;
    f = (struct fixture){.house = {.clock = clock_system()}, .arena = arena_new(1 << 20)};
    f.deadline_us = clock_monotonic_us(f.house.clock) + 60 * US_PER_SECOND;
    f.house.fibers = fiber_pool_open(CALLS_MAX);
    f.house.offload = offload_open(1, QUEUE_MAX);
    *state = &f;
    return sem_init(&f.gate, 0, 0);
}

static int close_pool(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < CALLS_MAX; i++)
        sem_post(&f->gate);
    offload_close(f->house.offload);
    fiber_pool_close(f->house.fibers);
    sem_destroy(&f->gate);
    arena_free(f->arena);
    return 0;
}

static void wait_at_the_gate(void *arg)
{
    struct fixture *f = arg;
    f->started++;
    while (sem_wait(&f->gate) != 0)
        continue;
    f->worked_on = pthread_self();
    f->policy = sched_getscheduler(0);
}

static void run_call(void *arg)
{
    struct fixture *f = arg;
    struct call call = {
        .arena = arena_new(1 << 16), .house = &f->house, .deadline_us = f->deadline_us};
    const struct error *error = crypto_offload(&call, wait_at_the_gate, f);
    if (error != NULL && error->status == STATUS_RESOURCE_EXHAUSTED && error->retry_after_ms > 0 &&
        strcmp(error->reason, "OVERLOADED") == 0)
        f->refused++;
    if (error != NULL && error->status == STATUS_DEADLINE_EXCEEDED)
        f->late++;
    arena_free(call.arena);
    f->ended++;
}

static void start_calls(struct fixture *f, int count)
{
    for (int i = 0; i < count; i++)
        assert_true(fiber_start(f->house.fibers, run_call, f));
}

static void wait_until(const _Atomic int *counter, int value)
{
    AWAIT(*counter >= value);
    assert_int_equal(*counter, value);
}

static void runs_work_on_a_thread_of_its_own(void **state)
{
    struct fixture *f = *state;
    sem_post(&f->gate);

    fiber_run(f->house.fibers, run_call, f);

    assert_int_equal(f->ended, 1);
    assert_false(pthread_equal(f->worked_on, pthread_self()));
}

static void gives_way_to_other_threads(void **state)
{
    struct fixture *f = *state;
    sem_post(&f->gate);

    fiber_run(f->house.fibers, run_call, f);

    assert_int_equal(f->policy, SCHED_IDLE);
    assert_int_not_equal(sched_getscheduler(0), SCHED_IDLE);
}

static void refuses_at_once_what_does_not_fit(void **state)
{
    struct fixture *f = *state;
    start_calls(f, 1);
    wait_until(&f->started, 1); /* the thread is busy, the queue is empty */
    start_calls(f, QUEUE_MAX);
    assert_int_equal(f->refused, 0);

    start_calls(f, 5);

    assert_int_equal(f->refused, 5);
    assert_int_equal(f->ended, 5);
}

static void takes_work_again_when_the_queue_has_room(void **state)
{
    struct fixture *f = *state;
    start_calls(f, 1);
    wait_until(&f->started, 1);
    start_calls(f, QUEUE_MAX);

    sem_post(&f->gate);
    wait_until(&f->started, 2);
    start_calls(f, 1);

    assert_int_equal(f->refused, 0);
    for (int i = 0; i < QUEUE_MAX + 1; i++)
        sem_post(&f->gate);
    wait_until(&f->ended, QUEUE_MAX + 2);
}

static void does_no_work_for_who_has_stopped_waiting(void **state)
{
    struct fixture *f = *state;
    f->deadline_us = clock_monotonic_us(f->house.clock);

    fiber_run(f->house.fibers, run_call, f);

    assert_int_equal(f->late, 1);
    assert_int_equal(f->started, 0);
}

#define POOL_TEST(test) cmocka_unit_test_setup_teardown(test, given_pool, close_pool)

int main(void)
{
    const struct CMUnitTest tests[] = {
        POOL_TEST(runs_work_on_a_thread_of_its_own),
        POOL_TEST(gives_way_to_other_threads),
        POOL_TEST(refuses_at_once_what_does_not_fit),
        POOL_TEST(takes_work_again_when_the_queue_has_room),
        POOL_TEST(does_no_work_for_who_has_stopped_waiting),
    };
    return cmocka_run_group_tests_name("offload", tests, NULL, NULL);
}
