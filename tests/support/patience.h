/*
 * Waiting for what another thread or process does: as long as a busy machine may need for it, and
 * not for ever.  What should be so is asserted afterwards.
 */
#pragma once

#include <stdbool.h>
#include <unistd.h>

#include "base/time.h"

#define PATIENCE_LIMIT_US (60 * US_PER_SECOND)

struct patience {
    int64_t until_us; /* 0: nobody has waited yet */
};

/* Sleeps for 10 ms; false when the time is over. */
static inline bool patience_lasts(struct patience *patience)
{
    int64_t now_us = clock_monotonic_us(clock_system());

    if (patience->until_us == 0)
        patience->until_us = now_us + PATIENCE_LIMIT_US;
    usleep(10 * 1000);
    return now_us < patience->until_us;
}

#define AWAIT(condition)                                                                           \
    do {                                                                                           \
        struct patience patience_left = {0};                                                       \
        while (!(condition) && patience_lasts(&patience_left)) {                                   \
        }                                                                                          \
    } while (0)
