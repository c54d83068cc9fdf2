/*
 * A burst: a thread that has a handful of fibers to run one after the other puts off waking others
 * (threads, and clients by what it sends) until all of them have run, so that what they ask for is
 * found together.
 *
 *   burst_begin();
 *   fiber_resume(one); fiber_resume(other); …     (each queues something: burst_defer)
 *   burst_end();                                  (now the threads that shall see to it are woken)
 *
 * A burst belongs to its thread and must be short; bursts do not nest.
 */
#pragma once

#include <stdbool.h>

#include "base/attributes.h"

void burst_begin(void);

/* Does what was put off.  Outside a burst it does nothing. */
void burst_end(void);

/*
 * Puts `work(arg)` off until the thread's burst ends; twice the same is done once.  False: there is
 * no burst, or it is full; the caller does it now.
 */
bool burst_defer(void (*work)(void *arg), void *arg) MUST_CHECK;
