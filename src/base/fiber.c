/*
 * Fibers: who runs where, and the pool of their stacks.
 *
 * A mapping is   | guard page | stack … | struct fiber |   with the lowest address at the left; the
 * stack grows towards the guard.  Mappings are made when needed, never given back before the pool
 * closes, and the one used last is used first: its pages are in the cache and in memory.
 *
 * fiber_resume is a nested call on the resumer's stack: a fiber that is left goes back to the
 * resume that continued it, whichever thread or fiber that was.
 */

#include "base/fiber.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/bug.h"
#include "base/fiber_switch.h"
#include "base/measure.h"
#include "base/sanitizer.h"
#include "base/timer.h"

/* Instrumented frames are several times as large. */
#define STACK_SIZE ((size_t)FIBER_STACK_SIZE * (DUES_ASAN || DUES_TSAN ? 4 : 1))

struct fiber {
    struct fiber_side self;
    struct fiber_side resumer;
    struct fiber *outer; /* the fiber that resumed this one, while it runs */
    atomic_bool running; /* true from its end on, too: it must not be resumed */
    bool ended;

    void (*run)(void *arg);
    void *run_arg;
    void (*after_switch)(struct fiber *self, void *arg);
    void *after_arg;
    /* Called where the fiber was resumed last, when its stack is back in the pool; may be NULL. */
    void (*after_end)(void *arg);
    void *after_end_arg;

    struct fiber_home *home; /* NULL: goes on wherever it is resumed */
    struct fiber *next_at_home;
    struct fiber_pool *pool;
    struct fiber *next_free;
    void *mapping;
    size_t mapping_size;
};

struct fiber_pool {
    size_t count_max;
    struct timer *timer;
    pthread_mutex_t lock; /* guards all below */
    size_t live;
    size_t mapped;
    struct fiber *free;
};

struct fiber_home {
    _Atomic(struct fiber *) queued; /* last in, first out */
    atomic_bool sleeps;             /* and wants to be woken */
    atomic_uint guests;             /* threads that are queuing a fiber, or waking us */
    void (*wake)(void *arg);
    void *arg;
};

static _Thread_local struct fiber *current_fiber;
static _Thread_local struct fiber_home *current_home;

/*
 * A fiber may continue on another thread, but a compiler may keep the address of a thread-local
 * over a call.  So it is touched only in functions that are never inlined.
 */
static __attribute__((noinline)) struct fiber *current_get(void)
{
    __asm__ volatile("" ::: "memory");
    return current_fiber;
}

static __attribute__((noinline)) void current_set(struct fiber *fiber)
{
    current_fiber = fiber;
    __asm__ volatile("" ::: "memory");
}

__attribute__((noinline)) struct fiber *fiber_current(void)
{
    return current_get();
}

static __attribute__((noinline)) struct fiber_home *home_get(void)
{
    __asm__ volatile("" ::: "memory");
    return current_home;
}

static __attribute__((noinline)) void home_set(struct fiber_home *home)
{
    current_home = home;
    __asm__ volatile("" ::: "memory");
}

static size_t round_to_pages(size_t size, size_t page_size)
{
    return (size + page_size - 1) / page_size * page_size;
}

static struct fiber *fiber_map(struct fiber_pool *pool)
{
    size_t page_size = (size_t)sysconf(_SC_PAGESIZE);
    size_t size = page_size + STACK_SIZE + round_to_pages(sizeof(struct fiber), page_size);
    char *mapping = mmap(NULL, size, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK | MAP_NORESERVE, -1, 0);

    if (mapping == MAP_FAILED || mprotect(mapping, page_size, PROT_NONE) != 0)
        bug("fiber: cannot map a stack");

    struct fiber *fiber = (struct fiber *)(void *)(mapping + page_size + STACK_SIZE);
    fiber->pool = pool;
    fiber->mapping = mapping;
    fiber->mapping_size = size;
    fiber_side_open(&fiber->self, mapping + page_size, STACK_SIZE);
    return fiber;
}

static void fiber_unmap(struct fiber *fiber)
{
    fiber_side_close(&fiber->self);
    munmap(fiber->mapping, fiber->mapping_size);
}

/* NULL when the pool is full. */
static struct fiber *take(struct fiber_pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    bool full = pool->live == pool->count_max;
    struct fiber *fiber = full ? NULL : pool->free;
    if (!full)
        pool->live++;
    if (fiber != NULL)
        pool->free = fiber->next_free;
    else if (!full)
        pool->mapped++;
    pthread_mutex_unlock(&pool->lock);

    if (fiber == NULL && !full)
        fiber = fiber_map(pool);
    return fiber;
}

static void give_back(struct fiber *fiber)
{
    struct fiber_pool *pool = fiber->pool;
    void (*after_end)(void *arg) = fiber->after_end;
    void *arg = fiber->after_end_arg;

    fiber_side_end(&fiber->self);
    pthread_mutex_lock(&pool->lock);
    fiber->next_free = pool->free;
    pool->free = fiber;
    pool->live--;
    pthread_mutex_unlock(&pool->lock);
    if (after_end != NULL)
        after_end(arg);
}

static void fiber_main(void)
{
    struct fiber *self = current_get();

    fiber_switch_arrived(&self->resumer);
    self->run(self->run_arg);
    self->ended = true;
    fiber_switch(&self->self, &self->resumer, true);
    bug("fiber: resumed after its end");
}

static __attribute__((noinline)) void resume_here(struct fiber *fiber)
{
    if (atomic_exchange(&fiber->running, true))
        bug("fiber: resumed while it was not parked");

    fiber->outer = current_get();
    current_set(fiber);
    fiber_side_adopt_thread(&fiber->resumer);
    fiber_switch(&fiber->resumer, &fiber->self, false);
    current_set(fiber->outer);

    if (fiber->ended) {
        give_back(fiber);
        return;
    }
    /* From the moment that after_switch lets it go the fiber may run elsewhere, or be gone. */
    void (*after_switch)(struct fiber * self, void *arg) = fiber->after_switch;
    void *arg = fiber->after_arg;
    atomic_store(&fiber->running, false);
    if (after_switch != NULL)
        after_switch(fiber, arg);
}

/* Once queued, the fiber may end and its home may be closed: hence the guests. */
static void come_home(struct fiber *fiber)
{
    struct fiber_home *home = fiber->home;

    atomic_fetch_add(&home->guests, 1);
    fiber->next_at_home = atomic_load(&home->queued);
    while (!atomic_compare_exchange_weak(&home->queued, &fiber->next_at_home, fiber))
        continue;
    if (atomic_exchange(&home->sleeps, false))
        home->wake(home->arg);
    atomic_fetch_sub(&home->guests, 1);
}

void fiber_resume(struct fiber *fiber)
{
    if (fiber->home != NULL && fiber->home != home_get())
        come_home(fiber);
    else
        resume_here(fiber);
}

void fiber_resume_soon(struct fiber *fiber)
{
    if (fiber->home == NULL)
        bug("fiber: what has no home cannot be resumed later");
    come_home(fiber);
}

struct fiber_home *fiber_home_open(void (*wake)(void *arg), void *arg)
{
    struct fiber_home *home = calloc(1, sizeof *home);

    if (home == NULL || home_get() != NULL)
        bug("fiber: cannot make a home");
    home->wake = wake;
    home->arg = arg;
    home_set(home);
    return home;
}

void fiber_home_settle(struct fiber_home *home)
{
    while (atomic_load(&home->guests) != 0)
        sched_yield();
}

void fiber_home_close(struct fiber_home *home)
{
    if (home == NULL)
        return;
    fiber_home_settle(home);
    if (home != home_get() || atomic_load(&home->queued) != NULL)
        bug("fiber: a home is closed while its fibers live");
    home_set(NULL);
    free(home);
}

/* In this order: who queues something after the look finds that the home sleeps. */
bool fiber_home_may_sleep(struct fiber_home *home)
{
    atomic_store(&home->sleeps, true);
    return atomic_load(&home->queued) == NULL;
}

void fiber_home_run(struct fiber_home *home)
{
    struct fiber *first = NULL;

    atomic_store(&home->sleeps, false);
    if (atomic_load_explicit(&home->queued, memory_order_relaxed) == NULL)
        return;
    for (struct fiber *last = atomic_exchange(&home->queued, NULL); last != NULL;) {
        struct fiber *before = last->next_at_home;
        last->next_at_home = first;
        first = last;
        last = before;
    }
    while (first != NULL) {
        struct fiber *next = first->next_at_home;
        resume_here(first);
        first = next;
    }
}

__attribute__((noinline)) void fiber_park(void (*after_switch)(struct fiber *self, void *arg),
                                          void *arg)
{
    struct fiber *self = current_get();

    if (self == NULL)
        bug("fiber: a plain thread cannot park");
    self->after_switch = after_switch;
    self->after_arg = arg;
    fiber_switch(&self->self, &self->resumer, false);
}

static bool start(struct fiber_pool *pool, void (*run)(void *arg), void *arg,
                  void (*after_end)(void *arg), void *after_end_arg)
{
    struct fiber *fiber = take(pool);

    if (fiber == NULL)
        return false;
    fiber->run = run;
    fiber->run_arg = arg;
    fiber->after_end = after_end;
    fiber->after_end_arg = after_end_arg;
    fiber->ended = false;
    fiber->home = current_get() == NULL ? home_get() : NULL;
    fiber_side_begin(&fiber->self, fiber_main);
    atomic_store(&fiber->running, false);
    resume_here(fiber);
    return true;
}

bool fiber_start(struct fiber_pool *pool, void (*run)(void *arg), void *arg)
{
    return start(pool, run, arg, NULL, NULL);
}

struct completion {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool done;
};

static void complete(void *arg)
{
    struct completion *completion = arg;

    pthread_mutex_lock(&completion->lock);
    completion->done = true;
    pthread_cond_signal(&completion->changed);
    pthread_mutex_unlock(&completion->lock);
}

void fiber_run(struct fiber_pool *pool, void (*run)(void *arg), void *arg)
{
    struct completion completion = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false};

    if (current_get() != NULL)
        bug("fiber_run: would block a thread inside a fiber");
    if (!start(pool, run, arg, complete, &completion))
        bug("fiber_run: the pool is full");
    pthread_mutex_lock(&completion.lock);
    while (!completion.done)
        pthread_cond_wait(&completion.changed, &completion.lock);
    pthread_mutex_unlock(&completion.lock);
    pthread_cond_destroy(&completion.changed);
    pthread_mutex_destroy(&completion.lock);
}

struct fiber_pool *fiber_pool_open(size_t count_max)
{
    struct fiber_pool *pool = calloc(1, sizeof *pool);

    if (pool == NULL || pthread_mutex_init(&pool->lock, NULL) != 0)
        bug("fiber: cannot make a pool");
    pool->count_max = count_max;
    pool->timer = timer_open();
    return pool;
}

void fiber_pool_close(struct fiber_pool *pool)
{
    if (pool == NULL)
        return;
    /* First: the timer thread may be giving back the last fiber. */
    timer_close(pool->timer);
    if (fiber_pool_live(pool) != 0)
        bug("fiber: the pool is closed while %zu fibers live", fiber_pool_live(pool));
    while (pool->free != NULL) {
        struct fiber *fiber = pool->free;
        pool->free = fiber->next_free;
        fiber_unmap(fiber);
    }
    pthread_mutex_destroy(&pool->lock);
    free(pool);
}

size_t fiber_pool_live(const struct fiber_pool *pool)
{
    /* The lock is the one part of a pool that a reader changes. */
    pthread_mutex_t *lock = (pthread_mutex_t *)(uintptr_t)&pool->lock;

    pthread_mutex_lock(lock);
    size_t live = pool->live;
    pthread_mutex_unlock(lock);
    return live;
}

void fiber_pool_measure(const struct fiber_pool *pool, struct measures *out)
{
    static const struct measure fibers = {"dues_fibers", "Fibers that have started and not ended.",
                                          MEASURE_GAUGE, MEASURE_PLAIN};
    static const struct measure fibers_max = {"dues_fibers_max", "Fibers that may live at a time.",
                                              MEASURE_GAUGE, MEASURE_PLAIN};
    static const struct measure stacks = {"dues_fiber_stacks",
                                          "Stacks that are mapped, in use or kept for reuse.",
                                          MEASURE_GAUGE, MEASURE_PLAIN};
    pthread_mutex_t *lock = (pthread_mutex_t *)(uintptr_t)&pool->lock;

    pthread_mutex_lock(lock);
    size_t live = pool->live;
    size_t mapped = pool->mapped;
    pthread_mutex_unlock(lock);
    measure_number(out, &fibers, MEASURE_NO_LABELS, (int64_t)live);
    measure_number(out, &fibers_max, MEASURE_NO_LABELS, (int64_t)pool->count_max);
    measure_number(out, &stacks, MEASURE_NO_LABELS, (int64_t)mapped);
}

static void resume_sleeper(void *arg)
{
    fiber_resume(arg);
}

static void set_alarm(struct fiber *self, void *arg)
{
    const int64_t *duration_us = arg;

    timer_add(self->pool->timer, *duration_us, resume_sleeper, self);
}

void fiber_sleep(int64_t duration_us)
{
    fiber_park(set_alarm, &duration_us);
}

void fiber_after(struct fiber_pool *pool, int64_t delay_us, void (*work)(void *arg), void *arg)
{
    timer_add(pool->timer, delay_us, work, arg);
}
