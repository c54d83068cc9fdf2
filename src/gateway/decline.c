/*
 * The table of decline codes: what each calls for, who must act, and what the customer may read.
 * Suspected fraud and lost or stolen cards get the general sentence, so that a thief learns
 * nothing.
 */

#include "gateway/decline.h"

#include "base/attributes.h"
#include "base/text.h"
#include "gateway/decline_texts.h"

#define GENERAL  decline_says_general
#define BANK     decline_says_bank
#define PASSING  decline_says_passing
#define SUPPORT  decline_says_support
#define NUMBER   decline_says_number
#define CVC      decline_says_cvc
#define EXPIRY   decline_says_expiry
#define EXPIRED  decline_says_expired
#define POSTCODE decline_says_postcode
#define PIN      decline_says_pin
#define FUNDS    decline_says_funds
#define LIMIT    decline_says_limit
#define KIND     decline_says_kind
#define CURRENCY decline_says_currency
#define CONFIRM  decline_says_confirm
#define RENEWED  decline_says_renewed

#define CUSTOMER DECLINE_BY_CUSTOMER
#define MERCHANT DECLINE_BY_MERCHANT
#define NOBODY   DECLINE_BY_NOBODY
#define ISSUER   DECLINE_BY_ISSUER

/* Sorted by code. */
const struct decline decline_table[] = {
    {"approve_with_id", DECLINE_RETRY_NOW, NOBODY, PASSING, false},
    {"authentication_not_handled", DECLINE_STEP_UP, CUSTOMER, CONFIRM, false},
    {"authentication_required", DECLINE_STEP_UP, CUSTOMER, CONFIRM, false},
    {"call_issuer", DECLINE_RETRY_LATER, CUSTOMER, BANK, false},
    {"card_not_supported", DECLINE_NEW_METHOD, CUSTOMER, KIND, false},
    {"card_velocity_exceeded", DECLINE_RETRY_LATER, CUSTOMER, LIMIT, false},
    {"currency_not_supported", DECLINE_NEW_METHOD, CUSTOMER, CURRENCY, false},
    {"do_not_honor", DECLINE_RETRY_LATER, CUSTOMER, BANK, false},
    {"do_not_try_again", DECLINE_STOP, MERCHANT, BANK, false},
    {"duplicate_transaction", DECLINE_RETRY_LATER, MERCHANT, SUPPORT, false},
    {"expired_card", DECLINE_FIX_DATA, CUSTOMER, EXPIRED, false},
    {"fraudulent", DECLINE_STOP, MERCHANT, GENERAL, false},
    {"generic_decline", DECLINE_RETRY_LATER, CUSTOMER, GENERAL, false},
    {"highest_risk_level", DECLINE_STOP, MERCHANT, GENERAL, false},
    {"incorrect_cvc", DECLINE_FIX_DATA, CUSTOMER, CVC, false},
    {"incorrect_number", DECLINE_FIX_DATA, CUSTOMER, NUMBER, false},
    {"incorrect_pin", DECLINE_FIX_DATA, CUSTOMER, PIN, false},
    {"incorrect_zip", DECLINE_FIX_DATA, CUSTOMER, POSTCODE, false},
    {"insufficient_funds", DECLINE_RETRY_LATER, CUSTOMER, FUNDS, false},
    {"invalid_account", DECLINE_FIX_DATA, CUSTOMER, BANK, false},
    {"invalid_amount", DECLINE_FIX_DATA, MERCHANT, SUPPORT, false},
    {"invalid_cvc", DECLINE_FIX_DATA, CUSTOMER, CVC, false},
    {"invalid_expiry_month", DECLINE_FIX_DATA, CUSTOMER, EXPIRY, false},
    {"invalid_expiry_year", DECLINE_FIX_DATA, CUSTOMER, EXPIRY, false},
    {"invalid_number", DECLINE_FIX_DATA, CUSTOMER, NUMBER, false},
    {"invalid_pin", DECLINE_FIX_DATA, CUSTOMER, PIN, false},
    {"invalid_request", DECLINE_FIX_DATA, MERCHANT, SUPPORT, false},
    {"issuer_not_available", DECLINE_RETRY_NOW, ISSUER, PASSING, false},
    {"lost_card", DECLINE_NEW_METHOD, CUSTOMER, GENERAL, true},
    {"merchant_blacklist", DECLINE_STOP, MERCHANT, GENERAL, false},
    {"new_account_information_available", DECLINE_FIX_DATA, CUSTOMER, RENEWED, false},
    {"no_action_taken", DECLINE_RETRY_LATER, ISSUER, BANK, false},
    {"not_permitted", DECLINE_NEW_METHOD, CUSTOMER, KIND, false},
    {"offline_pin_required", DECLINE_NEW_METHOD, CUSTOMER, KIND, false},
    {"online_or_offline_pin_required", DECLINE_NEW_METHOD, CUSTOMER, KIND, false},
    {"pickup_card", DECLINE_NEW_METHOD, CUSTOMER, GENERAL, true},
    {"pin_try_exceeded", DECLINE_NEW_METHOD, CUSTOMER, KIND, false},
    {"previously_declined_do_not_retry", DECLINE_STOP, MERCHANT, BANK, false},
    {"processing_error", DECLINE_RETRY_NOW, NOBODY, PASSING, false},
    {"reenter_transaction", DECLINE_RETRY_NOW, NOBODY, PASSING, false},
    {"restricted_card", DECLINE_NEW_METHOD, CUSTOMER, GENERAL, false},
    {"revocation_of_all_authorizations", DECLINE_STOP, MERCHANT, BANK, false},
    {"revocation_of_authorization", DECLINE_STOP, MERCHANT, BANK, false},
    {"security_violation", DECLINE_STOP, MERCHANT, GENERAL, false},
    {"service_not_allowed", DECLINE_NEW_METHOD, CUSTOMER, KIND, false},
    {"stolen_card", DECLINE_NEW_METHOD, CUSTOMER, GENERAL, true},
    {"stop_payment_order", DECLINE_STOP, MERCHANT, BANK, false},
    {"testmode_decline", DECLINE_NEW_METHOD, MERCHANT, KIND, false},
    {"transaction_not_allowed", DECLINE_NEW_METHOD, CUSTOMER, KIND, false},
    {"try_again_later", DECLINE_RETRY_NOW, NOBODY, PASSING, false},
    {"withdrawal_count_limit_exceeded", DECLINE_RETRY_LATER, CUSTOMER, LIMIT, false},
};

const size_t decline_count = ARRAY_LENGTH(decline_table);

static const struct decline *row_of(const char *code)
{
    for (size_t i = 0; i < decline_count; i++) {
        if (text_equal(decline_table[i].code, code))
            return &decline_table[i];
    }
    return NULL;
}

const struct decline *decline_find(const char *code)
{
    const struct decline *row = row_of(code);

    return row != NULL ? row : row_of("generic_decline");
}

bool decline_is_known(const char *code)
{
    return row_of(code) != NULL;
}

static const char *const advices[DECLINE_ADVICE_COUNT] = {
    [DECLINE_ADVICE_NONE] = "",
    [DECLINE_ADVICE_DO_NOT_TRY_AGAIN] = "do_not_try_again",
    [DECLINE_ADVICE_TRY_AGAIN_LATER] = "try_again_later",
    [DECLINE_ADVICE_CONFIRM_CARD_DATA] = "confirm_card_data",
};

static const char *const classes[DECLINE_CLASS_COUNT] = {
    [DECLINE_RETRY_NOW] = "RETRY_NOW", [DECLINE_RETRY_LATER] = "RETRY_LATER",
    [DECLINE_FIX_DATA] = "FIX_DATA",   [DECLINE_NEW_METHOD] = "NEW_METHOD",
    [DECLINE_STEP_UP] = "STEP_UP",     [DECLINE_STOP] = "STOP",
};

static const char *const actors[DECLINE_ACTOR_COUNT] = {
    [DECLINE_BY_CUSTOMER] = "CUSTOMER",
    [DECLINE_BY_MERCHANT] = "MERCHANT",
    [DECLINE_BY_NOBODY] = "NOBODY",
    [DECLINE_BY_ISSUER] = "ISSUER",
};

enum decline_advice decline_advice_of(const char *name)
{
    for (int i = 0; i < DECLINE_ADVICE_COUNT; i++) {
        if (text_equal(advices[i], name))
            return (enum decline_advice)i;
    }
    return DECLINE_ADVICE_NONE;
}

const char *decline_advice_name(enum decline_advice advice)
{
    return advices[advice];
}

enum decline_class decline_class_of(const char *code, enum decline_advice advice)
{
    enum decline_class class = decline_find(code)->class;

    switch (advice) {
    case DECLINE_ADVICE_DO_NOT_TRY_AGAIN:
        /* Another card may do, where the code says so; this one is over either way. */
        return class == DECLINE_NEW_METHOD ? class : DECLINE_STOP;
    case DECLINE_ADVICE_CONFIRM_CARD_DATA:
        return decline_may_retry(class) ? DECLINE_FIX_DATA : class;
    case DECLINE_ADVICE_NONE:
    case DECLINE_ADVICE_TRY_AGAIN_LATER: /* what the code says, too, or the gateway by habit */
    case DECLINE_ADVICE_COUNT:
        break;
    }
    return class;
}

bool decline_may_retry(enum decline_class class)
{
    return class == DECLINE_RETRY_NOW || class == DECLINE_RETRY_LATER;
}

const char *decline_class_name(enum decline_class class)
{
    return classes[class];
}

const char *decline_actor_name(enum decline_actor actor)
{
    return actors[actor];
}
