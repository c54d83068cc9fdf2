/*
 * Fibers: straight-line code that waits without holding a thread.
 *
 *   thread                     fiber
 *   fiber_start ───────────►   runs …
 *   ◄─────────── fiber_park    (after_switch(self, arg) now runs on the thread)
 *   goes on
 *   … any thread: fiber_resume(self) ───►   goes on here, until it parks or ends
 *
 * Rules that keep it safe:
 * - what would resume the fiber is started by `after_switch`, which runs after the stack was left,
 *   so nobody can resume a fiber that is still running;
 * - a fiber may wake on another thread: no thread-local across an await (no errno, no OpenSSL error
 *   queue) and no held mutex.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"

struct fiber;
struct fiber_pool;
struct measures;

/* Stack of one fiber, guard page not counted. */
#define FIBER_STACK_SIZE (128 * 1024)

/*
 * A pool of at most `count_max` fibers living at the same time, with its timer thread.
 * Stacks are mmap'd with a guard page below and are reused.
 */
struct fiber_pool *fiber_pool_open(size_t count_max);

/* All fibers must have ended. */
void fiber_pool_close(struct fiber_pool *pool);

/* Fibers that have started and not ended. */
size_t fiber_pool_live(const struct fiber_pool *pool);

void fiber_pool_measure(const struct fiber_pool *pool, struct measures *out);

/*
 * Starts a fiber and runs it on the calling thread until it first parks or ends.  False when
 * `count_max` fibers live already: nothing was started.  May be called from inside a fiber.
 */
bool fiber_start(struct fiber_pool *pool, void (*run)(void *arg), void *arg) MUST_CHECK;

/*
 * Starts a fiber from a plain thread and blocks that thread until the fiber has ended.
 * For start-up code and tests; aborts when the pool is full.
 */
void fiber_run(struct fiber_pool *pool, void (*run)(void *arg), void *arg);

/* The running fiber, or NULL on a plain thread. */
struct fiber *fiber_current(void);

/* Leaves the fiber; `after_switch(self, arg)` then runs on the thread that it was running on. */
void fiber_park(void (*after_switch)(struct fiber *self, void *arg), void *arg);

/*
 * Continues a parked fiber on the calling thread until it parks again or ends.  A fiber with a home
 * that is another thread is only queued there.
 */
void fiber_resume(struct fiber *fiber);

/*
 * The same, but never on top of what the calling thread is doing: a fiber with a home is queued
 * there, also from there.  For whoever wakes fibers while it holds a lock that they will want.
 */
void fiber_resume_soon(struct fiber *fiber);

/*
 * A home: a thread that its fibers come back to.  What the thread itself starts (not what one of
 * its fibers starts) is continued by nobody else: fiber_resume elsewhere queues the fiber, and the
 * thread continues it in fiber_home_run.  So all that a call does with gRPC happens on one thread,
 * and gRPC's locks are not fought over.
 *
 *   for (;;) {
 *       if (fiber_home_may_sleep(home)) sleep, until `wake` is called at the latest;
 *       fiber_home_run(home);
 *   }
 */
struct fiber_home;

/* Makes the calling thread a home.  `wake(arg)` is called by other threads, once a sleep. */
struct fiber_home *fiber_home_open(void (*wake)(void *arg), void *arg);

/*
 * When none of its fibers lives any more: returns when nobody is in `wake` any more, nor will be.
 * Any thread; before what `wake` uses goes away.
 */
void fiber_home_settle(struct fiber_home *home);

/* From its thread, when none of its fibers lives any more; settles.  NULL is allowed. */
void fiber_home_close(struct fiber_home *home);

/* The thread is about to sleep.  False: something is queued. */
bool fiber_home_may_sleep(struct fiber_home *home) MUST_CHECK;

/* Continues what is queued, first come, first served. */
void fiber_home_run(struct fiber_home *home);

/* Parks the running fiber for at least `duration_us`; it wakes on the timer thread. */
void fiber_sleep(int64_t duration_us);

/*
 * Runs `work(arg)` later on the timer thread, once, after `delay_us`; `work` must not block.
 * For deadlines.  The timer cannot be cancelled: make `work` look whether it still matters.
 */
void fiber_after(struct fiber_pool *pool, int64_t delay_us, void (*work)(void *arg), void *arg);
