/*
 * The house's names are Stripe's where Stripe has one.  What the house does not know, today's or
 * tomorrow's, is a generic decline.
 */

#include "gateway/stripe/decline.h"

#include <stddef.h>

#include "base/attributes.h"
#include "base/text.h"
#include "gateway/decline.h"

#define GENERIC "generic_decline"

struct renamed {
    const char *theirs;
    const char *ours;
};

static const struct renamed renamed[] = {
    {"card_decline_rate_limit_exceeded", "card_velocity_exceeded"},
    {"invalid_card_type", "card_not_supported"},
    {"live_mode_test_card", "testmode_decline"},
    {"payment_intent_authentication_failure", "authentication_not_handled"},
    {"payment_intent_payment_attempt_expired", "authentication_not_handled"},
    {"payment_intent_payment_attempt_failed", GENERIC},
    {"setup_intent_authentication_failure", "authentication_not_handled"},
    {"testmode_charges_only", "testmode_decline"},
};

static const char *const refunds[] = {
    "charge_for_pending_refund_disputed",
    "declined",
    "expired_or_canceled_card",
    "insufficient_funds",
    "lost_or_stolen_card",
    "merchant_request",
};

static const char *rename_by(const struct renamed *table, size_t count, const char *theirs)
{
    for (size_t i = 0; i < count; i++) {
        if (text_equal(table[i].theirs, theirs))
            return table[i].ours;
    }
    return NULL;
}

/* NULL: no such name. */
static const char *name_of(const char *theirs)
{
    if (decline_is_known(theirs))
        return decline_find(theirs)->code;
    return rename_by(renamed, ARRAY_LENGTH(renamed), theirs);
}

const char *stripe_decline(const char *decline_code, const char *code)
{
    const char *name = name_of(decline_code);

    if (name == NULL)
        name = name_of(code);
    return name != NULL ? name : GENERIC;
}

const char *stripe_refund_decline(const char *failure_reason)
{
    for (size_t i = 0; i < ARRAY_LENGTH(refunds); i++) {
        if (text_equal(refunds[i], failure_reason))
            return refunds[i];
    }
    return "unknown";
}

const char *stripe_refund_refusal(const char *code)
{
    static const char *const codes[] = {
        "balance_insufficient",  "charge_already_refunded", "charge_disputed",
        "charge_not_refundable", "refund_disputed_payment",
    };

    for (size_t i = 0; i < ARRAY_LENGTH(codes); i++) {
        if (text_equal(codes[i], code))
            return codes[i];
    }
    return stripe_request_decline(code);
}

const char *stripe_request_decline(const char *code)
{
    static const char *const of_amount[] = {"amount_too_large", "amount_too_small",
                                            "invalid_charge_amount"};

    for (size_t i = 0; i < ARRAY_LENGTH(of_amount); i++) {
        if (text_equal(of_amount[i], code))
            return "invalid_amount";
    }
    return "invalid_request";
}
