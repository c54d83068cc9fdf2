/*
 * Fibers that wake on other threads, and threads that share a pool.
 */

#include "base/fiber.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/time.h"
#include "unit/base/fiber_fixture.h"

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
    pid_t threads_seen[3]; /* not pthread_self(): to the compiler that is a constant */
    size_t thread_count;
};

static void remember_thread(struct traveller *traveller)
{
    for (size_t i = 0; i < traveller->thread_count; i++) {
        if (traveller->threads_seen[i] == gettid())
            return;
    }
    traveller->threads_seen[traveller->thread_count++] = gettid();
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

static void wait_until_none_lives(struct fiber_pool *pool)
{
    while (fiber_pool_live(pool) > 0)
        usleep(1000);
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

int main(void)
{
#define FIBER_TEST(name) cmocka_unit_test_setup_teardown(name, given_pool, close_pool)
    const struct CMUnitTest tests[] = {
        FIBER_TEST(wakes_on_whichever_thread_resumes_it),
        FIBER_TEST(work_may_be_put_off),
        FIBER_TEST(threads_share_a_pool),
    };
    return cmocka_run_group_tests_name("fiber threads", tests, NULL, NULL);
}
