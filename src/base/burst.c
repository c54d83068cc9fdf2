/*
 * The list of what a thread has put off.  Nothing here waits, and a fiber never holds a pointer to
 * it, so it may be thread-local although fibers move.
 */
#include "base/burst.h"

#include <stddef.h>

/* A connection for each event of a burst, and the lanes. */
#define DEFERRED_MAX 64

struct deferred {
    void (*work)(void *arg);
    void *arg;
};

struct burst {
    bool is_open;
    size_t count;
    struct deferred list[DEFERRED_MAX];
};

static _Thread_local struct burst burst;

__attribute__((noinline)) void burst_begin(void)
{
    burst.is_open = true;
}

__attribute__((noinline)) bool burst_defer(void (*work)(void *arg), void *arg)
{
    if (!burst.is_open)
        return false;
    for (size_t i = 0; i < burst.count; i++) {
        if (burst.list[i].work == work && burst.list[i].arg == arg)
            return true;
    }
    if (burst.count == DEFERRED_MAX)
        return false;
    burst.list[burst.count++] = (struct deferred){work, arg};
    return true;
}

__attribute__((noinline)) void burst_end(void)
{
    burst.is_open = false;
    for (size_t i = 0; i < burst.count; i++)
        burst.list[i].work(burst.list[i].arg);
    burst.count = 0;
}
