/*
 * What tests pass in for time and randomness.
 */
#pragma once

#include <stdatomic.h>

#include "base/random.h"
#include "base/time.h"

/* Wall time stands still until moved; monotonic time is the machine's, so that deadlines work. */
struct fake_clock {
    struct clock clock; /* first */
    _Atomic int64_t wall_us;
};

/* 2026-01-15T10:00:00Z */
#define FAKE_CLOCK_START_US 1768471200000000LL

void fake_clock_init(struct fake_clock *clock, int64_t time_us);
void fake_clock_set(struct fake_clock *clock, int64_t time_us);
void fake_clock_advance(struct fake_clock *clock, int64_t by_us);

/* The same seed gives the same bytes.  Safe from any thread. */
struct fake_random {
    struct random random; /* first */
    _Atomic uint64_t state;
};

void fake_random_init(struct fake_random *random, uint64_t seed);
