/*
 * How many calls may wait for the database at the same time, so that none waits longer than the
 * target.
 *
 * Little's law says it: what leaves in a second, times how long each stays, is how many are inside.
 *
 *   limit = ops answered a second / ops of a call × target
 *
 * The limit comes down when more are inside than that, and goes up again while it refuses although
 * fewer are.  Who waits for a gateway or for a password's hash is not inside.  Obligations are not
 * limited; that they take their part of the database makes calls slower, not fewer.
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
    atomic_int_least64_t ops; /* of the calls that ended: how many ops, and their squares */
    atomic_int_least64_t ops_squared;

    /* Of admission_tick alone: */
    int64_t ticked_us; /* 0: never */
    int64_t answered;  /* ops, at the last tick */
    int64_t rate;      /* ops a second, smoothed */
    int64_t ops_kept;  /* smoothed, as the sums above */
    int64_t ops_squared_kept;
};

void admission_init(struct admission *admission, int64_t target_us, int64_t calls_max);

/* With `waiting` calls inside now, may one more go in?  Any thread. */
bool admission_admits(struct admission *admission, int64_t waiting);

/* A call has ended that asked the database so often.  Any thread. */
void admission_ended(struct admission *admission, int64_t ops);

/*
 * Sets the limit, when ADMISSION_TICK_US have passed since the last time.  `answered` are all ops
 * since the start.  One thread.
 */
void admission_tick(struct admission *admission, int64_t waiting, int64_t answered, int64_t now_us);
