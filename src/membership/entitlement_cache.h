/*
 * Facts behind answers of CheckEntitlement, remembered for callers who say how old an answer may
 * be.  Bounded; the clock decides nothing here but how old something is: periods and graces are
 * judged anew at each call.
 *
 *   own step ──────────────► forget ─┐
 *   feed: others' changes ─► forget ─┼─► the customer's version rises: what was asked before is
 * void feed: in doubt ────────► all   ──┘
 *
 * Two things make a remembered fact good enough: it was read from the database within the caller's
 * time, or it is older and the feed has been followed up to within that time without a change.  A
 * server that is cut off from the database follows nothing, so it soon remembers nothing either.
 * Customers on a test clock are never remembered: their time stands in the database.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/id.h"
#include "base/measure.h"
#include "base/time.h"
#include "membership/membership_rules.h"

#define ENTITLEMENT_LENGTH_MAX 63

struct entitlement_cache;

/* At most `entries_max` (1 or more) facts. */
struct entitlement_cache *entitlement_cache_open(const struct clock *clock, int32_t entries_max);
void entitlement_cache_close(struct entitlement_cache *cache); /* NULL is allowed */

/*
 * True: `*facts` (but now_us, which the caller sets; texts are in the arena) are no older than
 * `staleness_us`.
 */
bool entitlement_cache_find(struct entitlement_cache *cache, struct uuid customer,
                            const char *entitlement, int64_t staleness_us, struct arena *arena,
                            struct entitlement_facts *facts);

/* Taken before the database is asked, and given back with what it said. */
struct entitlement_ticket {
    uint64_t version;
    int64_t asked_us;
};
struct entitlement_ticket entitlement_cache_ticket(struct entitlement_cache *cache,
                                                   struct uuid customer);
void entitlement_cache_put(struct entitlement_cache *cache, struct entitlement_ticket ticket,
                           struct uuid customer, const char *entitlement,
                           const struct entitlement_facts *facts);

/* What is known about the customer no longer holds.  `cache` may be NULL. */
void entitlement_cache_forget(struct entitlement_cache *cache, struct uuid customer);
/* `cache` may be NULL in these two as well. */
void entitlement_cache_forget_all(struct entitlement_cache *cache);

/* Every change that was committed before `until_us` (monotonic) has been forgotten. */
void entitlement_cache_followed(struct entitlement_cache *cache, int64_t until_us);

/* `cache` may be NULL. */
void entitlement_cache_measure(struct entitlement_cache *cache, struct measures *out);
