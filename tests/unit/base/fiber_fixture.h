/*
 * A pool of fibers for tests, and the smallest things that a fiber can do.
 */
#pragma once

#include <stdbool.h>

#include "base/fiber.h"

#define POOL_SIZE 64

static inline int given_pool(void **state)
{
    *state = fiber_pool_open(POOL_SIZE);
    return 0;
}

static inline int close_pool(void **state)
{
    fiber_pool_close(*state);
    return 0;
}

/* After the switch: says which fiber was left, to whom it will wake it. */
static inline void keep(struct fiber *self, void *arg)
{
    *(struct fiber **)arg = self;
}

static inline void set_flag(void *arg)
{
    *(bool *)arg = true;
}
