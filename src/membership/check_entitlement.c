/*
 * CheckEntitlement: may this customer use X now, why, and until when?  The hot path: one read, or
 * none when the caller takes an answer that is a little old, then a pure rule.  A denial is an
 * answer, not an error; so is an entitlement that no tier grants, because services ask for what a
 * later catalogue may grant.
 */
#include "base/time.h"
#include "membership/entitlement_cache.h"
#include "membership/handlers.h"

#define STALENESS_MAX_SECONDS 60
#define NANOS_PER_SECOND      1000000000

static bool is_of_an_entitlement(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
}

static void check_entitlement_name(struct field_errors *errors, const char *value)
{
    size_t length = 0;

    while (is_of_an_entitlement(value[length]))
        length++;
    if (length == 0 || length > ENTITLEMENT_LENGTH_MAX || value[length] != '\0')
        field_error_add(errors, "entitlement", "must be 1 to %d characters of [a-z0-9._-]",
                        ENTITLEMENT_LENGTH_MAX);
}

/* Microseconds, rounded up: what is not 0 does not become 0. */
static int64_t check_staleness(struct field_errors *errors,
                               const Google__Protobuf__Duration *max_staleness)
{
    if (max_staleness == NULL)
        return 0;
    if (max_staleness->seconds < 0 || max_staleness->seconds > STALENESS_MAX_SECONDS ||
        max_staleness->nanos < 0 || max_staleness->nanos >= NANOS_PER_SECOND ||
        (max_staleness->seconds == STALENESS_MAX_SECONDS && max_staleness->nanos > 0)) {
        field_error_add(errors, "max_staleness", "must be 0 to %d seconds", STALENESS_MAX_SECONDS);
        return 0;
    }
    return max_staleness->seconds * US_PER_SECOND + (max_staleness->nanos + 999) / 1000;
}

/* From memory, or from the database and then remembered. */
static const struct error *facts_recall(struct call *call, struct uuid customer,
                                        const char *entitlement, int64_t staleness_us,
                                        struct entitlement_facts *facts)
{
    struct entitlement_cache *cache = call->house->entitlements;
    bool is_on_clock;

    if (entitlement_cache_find(cache, customer, entitlement, staleness_us, call->arena, facts)) {
        facts->now_us = call->now_us;
        return NULL;
    }
    struct entitlement_ticket ticket = entitlement_cache_ticket(cache, customer);
    TRY(entitlement_facts_clocked_load(call, customer, entitlement, facts, &is_on_clock));
    if (!is_on_clock)
        entitlement_cache_put(cache, ticket, customer, entitlement, facts);
    return NULL;
}

static Dues__Membership__V1__CheckEntitlementResponse__Cause cause_to_proto(enum access_cause cause)
{
    switch (cause) {
    case ACCESS_GRANTED_BY_TIER:
        return DUES__MEMBERSHIP__V1__CHECK_ENTITLEMENT_RESPONSE__CAUSE__CAUSE_GRANTED_BY_TIER;
    case ACCESS_TRIAL:
        return DUES__MEMBERSHIP__V1__CHECK_ENTITLEMENT_RESPONSE__CAUSE__CAUSE_TRIAL;
    case ACCESS_IN_GRACE:
        return DUES__MEMBERSHIP__V1__CHECK_ENTITLEMENT_RESPONSE__CAUSE__CAUSE_IN_GRACE;
    case ACCESS_NO_MEMBERSHIP:
        return DUES__MEMBERSHIP__V1__CHECK_ENTITLEMENT_RESPONSE__CAUSE__CAUSE_NO_MEMBERSHIP;
    case ACCESS_NOT_IN_TIER:
        return DUES__MEMBERSHIP__V1__CHECK_ENTITLEMENT_RESPONSE__CAUSE__CAUSE_NOT_IN_TIER;
    case ACCESS_INCOMPLETE:
        return DUES__MEMBERSHIP__V1__CHECK_ENTITLEMENT_RESPONSE__CAUSE__CAUSE_INCOMPLETE;
    case ACCESS_PAST_DUE:
        return DUES__MEMBERSHIP__V1__CHECK_ENTITLEMENT_RESPONSE__CAUSE__CAUSE_PAST_DUE;
    case ACCESS_CANCELED:
        return DUES__MEMBERSHIP__V1__CHECK_ENTITLEMENT_RESPONSE__CAUSE__CAUSE_CANCELED;
    }
    return DUES__MEMBERSHIP__V1__CHECK_ENTITLEMENT_RESPONSE__CAUSE__CAUSE_UNSPECIFIED;
}

/* Not by printf: this is the path where it would be seen. */
static char *tier_name(struct arena *arena, const char *tier)
{
    static const char collection[] = "tiers/";
    size_t length = strlen(tier);
    char *name = arena_alloc(arena, sizeof(collection) + length);

    memcpy(name, collection, sizeof(collection) - 1);
    memcpy(name + sizeof(collection) - 1, tier, length);
    return name; /* ends in a NUL: the arena gives zeros */
}

static void access_to_proto(struct arena *arena, struct uuid customer,
                            const struct entitlement_facts *facts, const struct access *access,
                            CheckEntitlementResponse *res)
{
    res->allowed = access->allowed;
    res->cause = cause_to_proto(access->cause);
    res->until_time = time_to_proto(arena, access->until_us);
    if (access->by_membership) {
        const struct uuid ids[] = {customer, facts->membership};
        res->membership = name_make(arena, "customers/{}/memberships/{}", ids);
        res->tier = tier_name(arena, facts->tier);
    } else if (access->allowed) {
        res->tier = tier_name(arena, facts->open_tier);
    }
}

const struct error *check_entitlement(struct call *call, const void *request, void *reply)
{
    const CheckEntitlementRequest *req = request;
    struct field_errors errors = {.call = call};
    struct entitlement_facts facts;
    struct uuid customer;

    check_owned_name(&errors, "customer", req->customer, "customers/{}", &customer, 1);
    check_entitlement_name(&errors, req->entitlement);
    int64_t staleness_us = check_staleness(&errors, req->max_staleness);
    TRY(field_errors_result(&errors));
    TRY(owner_check(call, customer, "CUSTOMER_NOT_FOUND", req->customer));
    if (staleness_us > 0 && call->house->entitlements != NULL)
        TRY(facts_recall(call, customer, req->entitlement, staleness_us, &facts));
    else
        TRY(entitlement_facts_load(call, customer, req->entitlement, &facts));

    struct access access = membership_access(&facts, call->house->settings);
    access_to_proto(call->arena, customer, &facts, &access, reply);
    return NULL;
}
