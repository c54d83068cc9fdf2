/*
 * One thread that runs small pieces of work when they are due.
 */
#pragma once

#include <stdint.h>

struct timer;

struct timer *timer_open(void);

/* Waits for the work that is running; what is not due yet is dropped. */
void timer_close(struct timer *timer);

/*
 * Runs `work(arg)` on the timer's thread at least `delay_us` from now; equal times run in the order
 * in which they were added.  Safe from any thread, the timer's own too.
 */
void timer_add(struct timer *timer, int64_t delay_us, void (*work)(void *arg), void *arg);
