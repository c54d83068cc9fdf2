/*
 * A clock that is set by hand and randomness that repeats itself.
 */
#include "support/db_fakes.h"

static int64_t wall_us(const struct clock *clock)
{
    return atomic_load(&((const struct fake_clock *)clock)->wall_us);
}

static int64_t monotonic_us(const struct clock *clock)
{
    (void)clock;
    return clock_monotonic_us(clock_system());
}

void fake_clock_init(struct fake_clock *clock, int64_t time_us)
{
    clock->clock = (struct clock){.wall_us = wall_us, .monotonic_us = monotonic_us};
    atomic_store(&clock->wall_us, time_us);
}

void fake_clock_set(struct fake_clock *clock, int64_t time_us)
{
    atomic_store(&clock->wall_us, time_us);
}

void fake_clock_advance(struct fake_clock *clock, int64_t by_us)
{
    atomic_fetch_add(&clock->wall_us, by_us);
}

/* splitmix64: the state is a counter, so threads may share it. */
static uint64_t next(struct fake_random *random)
{
    uint64_t z = atomic_fetch_add(&random->state, 0x9e3779b97f4a7c15U) + 0x9e3779b97f4a7c15U;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
    return z ^ (z >> 31);
}

static void fill(const struct random *random, void *bytes, size_t size)
{
    /* The interface is const because the real source has no state. */
    struct fake_random *self = (struct fake_random *)(uintptr_t)random;
    uint8_t *out = bytes;

    while (size > 0) {
        uint64_t value = next(self);
        size_t part = size < sizeof(value) ? size : sizeof(value);

        memcpy(out, &value, part);
        out += part;
        size -= part;
    }
}

void fake_random_init(struct fake_random *random, uint64_t seed)
{
    random->random = (struct random){.fill = fill};
    atomic_store(&random->state, seed);
}
