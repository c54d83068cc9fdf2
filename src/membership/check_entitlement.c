/*
 * CheckEntitlement: may this customer use X now, why, and until when?  The hot path: one read, then
 * a pure rule.  A denial is an answer, not an error; so is an entitlement that no tier grants,
 * because services ask for what a later catalogue may grant.
 */
#include "membership/handlers.h"

#define ENTITLEMENT_LENGTH_MAX 63

static void check_entitlement_name(struct field_errors *errors, const char *value)
{
    size_t length = strspn(value, "abcdefghijklmnopqrstuvwxyz0123456789._-");

    if (length == 0 || length > ENTITLEMENT_LENGTH_MAX || value[length] != '\0')
        field_error_add(errors, "entitlement", "must be 1 to %d characters of [a-z0-9._-]",
                        ENTITLEMENT_LENGTH_MAX);
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

static void access_to_proto(struct arena *arena, struct uuid customer,
                            const struct entitlement_facts *facts, const struct access *access,
                            CheckEntitlementResponse *res)
{
    res->allowed = access->allowed;
    res->cause = cause_to_proto(access->cause);
    res->until_time = time_to_proto(arena, access->until_us);
    if (access->by_membership) {
        res->membership =
            arena_printf(arena, "customers/%s/memberships/%s", uuid_text(arena, customer),
                         uuid_text(arena, facts->membership));
        res->tier = arena_printf(arena, "tiers/%s", facts->tier);
    } else if (access->allowed) {
        res->tier = arena_printf(arena, "tiers/%s", facts->open_tier);
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
    TRY(field_errors_result(&errors));
    TRY(owner_check(call, customer, "CUSTOMER_NOT_FOUND", req->customer));
    TRY(entitlement_facts_load(call, customer, req->entitlement, &facts));

    struct access access = membership_access(&facts, call->house->settings);
    access_to_proto(call->arena, customer, &facts, &access, reply);
    return NULL;
}
