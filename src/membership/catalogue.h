/*
 * The catalogue: tiers, what they grant, and plans.
 */
#pragma once

#include "base/money.h"
#include "pg/pg.h"

struct tier {
    const char *id;
    const char *display_name;
    int32_t rank;
    const char **entitlements; /* sorted */
    size_t entitlement_count;
};

struct plan {
    const char *id;
    const char *tier;
    const char *display_name;
    struct money price;
    bool is_yearly; /* the unit of the period */
    int32_t period_count;
    int32_t trial_days;
};

/* Months of one period. */
int32_t plan_period_months(const struct plan *plan);

/* Fails with NOT_FOUND / PLAN_NOT_FOUND. */
const struct error *plan_load(struct call *call, const char *id, struct plan *plan) MUST_CHECK;

/* At most `limit` plans after `after` ("": from the first), by id. */
const struct error *plan_list(struct call *call, const char *after, int64_t limit,
                              struct plan **plans, size_t *count) MUST_CHECK;

/* Fails with NOT_FOUND / TIER_NOT_FOUND. */
const struct error *tier_load(struct call *call, const char *id, struct tier *tier) MUST_CHECK;

/* Ranks are not unique: a page goes on after (rank, id).  From the first: rank -1. */
const struct error *tier_list(struct call *call, int32_t after_rank, const char *after_id,
                              int64_t limit, struct tier **tiers, size_t *count) MUST_CHECK;
