/*
 * Waiting until a server has seen all that was committed so far by its feed of entitlements: what
 * it learns afterwards it keeps.
 */
#pragma once

#include <unistd.h>

#include "membership/entitlement_cache.h"

/* False: not within twenty seconds. */
static inline bool entitlements_followed(struct entitlement_cache *cache, const struct clock *clock)
{
    static const struct entitlement_facts facts = {.open_tier = "", .tier = ""};
    const struct uuid probe = {{0x77, 0x61, 0x69, 0x74}};
    int64_t begin_us = clock_monotonic_us(clock);
    struct arena *arena = arena_new(4 * 1024 * 1024);
    bool followed = false;

    for (int64_t now_us = begin_us; !followed && now_us - begin_us < 20 * US_PER_SECOND;
         now_us = clock_monotonic_us(clock)) {
        /* Too old by itself: only the feed can make it good. */
        struct entitlement_ticket ticket = entitlement_cache_ticket(cache, probe);
        struct entitlement_facts found;
        ticket.asked_us = 1;
        entitlement_cache_put(cache, ticket, probe, "probe", &facts);
        followed = entitlement_cache_find(cache, probe, "probe", now_us - begin_us, arena, &found);
        usleep(followed ? 0 : 5000);
    }
    arena_free(arena);
    return followed;
}
