/*
 * The table of decline codes: what each calls for, who must act, and what the customer may read.
 * Suspected fraud and lost or stolen cards get the general sentence, so that a thief learns
 * nothing.
 */

#include "payment/decline.h"

#include "base/attributes.h"
#include "base/text.h"

#define GENERAL "The card was declined. Please use another payment method or contact your bank."
#define BANK                                                                                       \
    "The bank declined the payment. Please contact your bank or use another payment method."
#define PASSING  "The payment could not be processed right now. Please try again in a moment."
#define SUPPORT  "The payment could not be made. Please contact support."
#define NUMBER   "The card number is not right. Please enter the card again."
#define CVC      "The card's security code is not right. Please enter the card again."
#define EXPIRY   "The card's expiry date is not right. Please enter the card again."
#define EXPIRED  "The card has expired. Please use another card or enter its new expiry date."
#define POSTCODE "The postal code is not right. Please enter the card again."
#define PIN      "The PIN is not right. Please enter the card again."
#define FUNDS    "There is not enough money on the account. Please use another payment method."
#define LIMIT    "The card's limit is reached. Please try again later or use another payment method."
#define KIND     "This card cannot be used for this payment. Please use another payment method."
#define CURRENCY "This card does not support the currency. Please use another payment method."
#define CONFIRM  "The bank asks you to confirm the payment. Please authenticate it."
#define RENEWED  "The card's data has changed. Please enter the card again."

#define CUSTOMER DECLINE_BY_CUSTOMER
#define MERCHANT DECLINE_BY_MERCHANT
#define NOBODY   DECLINE_BY_NOBODY

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
    {"duplicate_transaction", DECLINE_STOP, MERCHANT, SUPPORT, false},
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
    {"issuer_not_available", DECLINE_RETRY_NOW, NOBODY, PASSING, false},
    {"lost_card", DECLINE_NEW_METHOD, CUSTOMER, GENERAL, true},
    {"merchant_blacklist", DECLINE_STOP, MERCHANT, GENERAL, false},
    {"new_account_information_available", DECLINE_FIX_DATA, CUSTOMER, RENEWED, false},
    {"no_action_taken", DECLINE_RETRY_LATER, CUSTOMER, BANK, false},
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
