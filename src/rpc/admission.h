/*
 * How many calls may wait for the database at the same time, so that none waits longer than the
 * target each time it needs it.
 *
 * Little's law says it: what is answered in a second, times how long each may wait, is how many may
 * be inside.
 *
 *   limit = ops answered a second × target
 *
 * The limit comes down when more than that are inside for longer than a moment, and goes up again
 * while it refuses although fewer are.  Who waits for a gateway or for a password's hash is not
 * inside.  Obligations are not limited; what is answered to them counts, so they make calls slower,
 * not fewer.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define ADMISSION_LEAST   16
#define ADMISSION_TICK_US 50000

struct admission {
    int64_t target_us; /* 0: no limit */
    int64_t most;
    atomic_int_least64_t limit;

    /* Since the last tick: */
    atomic_int_least64_t asked; /* how often admission was asked for, */
    atomic_int_least64_t found; /* how many were found inside, summed, */
    atomic_int_least64_t refused;

    /* Of admission_tick alone: */
    int64_t ticked_us; /* 0: never */
    int64_t answered;  /* ops, at the last tick */
    int64_t rate;      /* ops a second, smoothed */
    int32_t crowded;   /* ticks in a row */
};

void admission_init(struct admission *admission, int64_t target_us, int64_t calls_max);

/* With `waiting` calls inside now, may one more go in?  Any thread. */
bool admission_admits(struct admission *admission, int64_t waiting);

/*
 * Sets the limit, when ADMISSION_TICK_US have passed since the last time.  `answered` are all ops
 * since the start.  One thread.
 */
void admission_tick(struct admission *admission, int64_t waiting, int64_t answered, int64_t now_us);
