/*
 * May this customer use X now?  The rule behind CheckEntitlement.  What a tier open to everybody
 * grants is allowed whatever became of the membership.
 */
#include "base/bug.h"
#include "base/time.h"
#include "membership/membership_rules.h"

/*
 * When the membership stops to grant access; TIME_US_MAX: no end known.  A renewal that is late on
 * our side (its payment in flight, the server away) does not lock a payer out before the grace.
 */
static int64_t access_limit(const struct entitlement_facts *facts, const struct settings *settings)
{
    switch (facts->state) {
    case MEMBERSHIP_TRIALING:
    case MEMBERSHIP_ACTIVE:
        if (facts->period_end_us == 0)
            return TIME_US_MAX;
        if (facts->cancel_at_period_end)
            return facts->period_end_us;
        return facts->period_end_us + settings->grace_days * US_PER_DAY;
    case MEMBERSHIP_PAST_DUE:
        return facts->access_end_us;
    case MEMBERSHIP_INCOMPLETE:
    case MEMBERSHIP_CANCELED:
    case MEMBERSHIP_EXPIRED:
    case MEMBERSHIP_STATE_COUNT:
        break;
    }
    return TIME_US_MIN;
}

static struct access allow(const struct entitlement_facts *facts, int64_t limit_us)
{
    struct access access = {.allowed = true, .by_membership = true, .until_us = limit_us};

    switch (facts->state) {
    case MEMBERSHIP_TRIALING:
        access.cause = ACCESS_TRIAL;
        break;
    case MEMBERSHIP_PAST_DUE:
        access.cause = ACCESS_IN_GRACE;
        break;
    case MEMBERSHIP_ACTIVE:
        access.cause = ACCESS_GRANTED_BY_TIER;
        break;
    case MEMBERSHIP_INCOMPLETE:
    case MEMBERSHIP_CANCELED:
    case MEMBERSHIP_EXPIRED:
    case MEMBERSHIP_STATE_COUNT:
        bug("a membership in state %s grants nothing", membership_state_name(facts->state));
    }
    if (limit_us == TIME_US_MAX)
        access.until_us = 0;
    else if (facts->state != MEMBERSHIP_PAST_DUE && facts->now_us < facts->period_end_us)
        access.until_us = facts->period_end_us;
    return access;
}

static enum access_cause denial(const struct entitlement_facts *facts)
{
    if (!facts->has_membership || facts->state == MEMBERSHIP_EXPIRED)
        return ACCESS_NO_MEMBERSHIP;
    if (!facts->granted)
        return ACCESS_NOT_IN_TIER;
    if (facts->state == MEMBERSHIP_INCOMPLETE)
        return ACCESS_INCOMPLETE;
    if (facts->state == MEMBERSHIP_CANCELED || facts->cancel_at_period_end)
        return ACCESS_CANCELED;
    return ACCESS_PAST_DUE;
}

struct access membership_access(const struct entitlement_facts *facts,
                                const struct settings *settings)
{
    if (facts->has_membership && facts->granted) {
        int64_t limit_us = access_limit(facts, settings);
        if (facts->now_us < limit_us)
            return allow(facts, limit_us);
    }
    if (facts->open_tier[0] != '\0')
        return (struct access){.allowed = true, .cause = ACCESS_GRANTED_BY_TIER};
    return (struct access){.cause = denial(facts), .by_membership = facts->has_membership};
}
