/*
 * The house's names are Stripe's where Stripe has one.  What is not in the list, today's or
 * tomorrow's, is a generic decline.
 */

#include "gateway/stripe/decline.h"

#include <stddef.h>

#include "base/attributes.h"
#include "base/text.h"

#define GENERIC "generic_decline"

static const char *const names[] = {
    "approve_with_id",
    "authentication_not_handled",
    "authentication_required",
    "call_issuer",
    "card_not_supported",
    "card_velocity_exceeded",
    "currency_not_supported",
    "do_not_honor",
    "do_not_try_again",
    "duplicate_transaction",
    "expired_card",
    "fraudulent",
    "generic_decline",
    "highest_risk_level",
    "incorrect_cvc",
    "incorrect_number",
    "incorrect_pin",
    "incorrect_zip",
    "insufficient_funds",
    "invalid_account",
    "invalid_amount",
    "invalid_cvc",
    "invalid_expiry_month",
    "invalid_expiry_year",
    "invalid_number",
    "invalid_pin",
    "issuer_not_available",
    "lost_card",
    "merchant_blacklist",
    "new_account_information_available",
    "no_action_taken",
    "not_permitted",
    "offline_pin_required",
    "online_or_offline_pin_required",
    "pickup_card",
    "pin_try_exceeded",
    "previously_declined_do_not_retry",
    "processing_error",
    "reenter_transaction",
    "restricted_card",
    "revocation_of_all_authorizations",
    "revocation_of_authorization",
    "security_violation",
    "service_not_allowed",
    "stolen_card",
    "stop_payment_order",
    "testmode_decline",
    "transaction_not_allowed",
    "try_again_later",
    "withdrawal_count_limit_exceeded",
};

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

static const struct renamed refunds[] = {
    {"charge_for_pending_refund_disputed", "transaction_not_allowed"},
    {"expired_or_canceled_card", "expired_card"},
    {"insufficient_funds", "insufficient_funds"},
    {"lost_or_stolen_card", "lost_card"},
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
    for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
        if (text_equal(names[i], theirs))
            return names[i];
    }
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
    const char *name = rename_by(refunds, ARRAY_LENGTH(refunds), failure_reason);

    return name != NULL ? name : GENERIC;
}

const char *stripe_advice(const char *advice_code)
{
    static const char *const advices[] = {"confirm_card_data", "do_not_try_again",
                                          "try_again_later"};

    for (size_t i = 0; i < ARRAY_LENGTH(advices); i++) {
        if (text_equal(advices[i], advice_code))
            return advices[i];
    }
    return "";
}
