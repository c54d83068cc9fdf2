/*
 * The table of the sandbox's cards.  A new behaviour is a new row here, and only then a case in
 * sandbox.c.
 */

#include "gateway/sandbox/tokens.h"

#include "base/attributes.h"
#include "base/text.h"

static const struct sandbox_token tokens[] = {
    {"tok_visa", "pm_card_visa", "visa", "4242", SANDBOX_APPROVES, ""},
    {"tok_visa_debit", "pm_card_visa_debit", "visa", "5556", SANDBOX_APPROVES, ""},
    {"tok_mastercard", "pm_card_mastercard", "mastercard", "4444", SANDBOX_APPROVES, ""},
    {"tok_mastercard_debit", "pm_card_mastercard_debit", "mastercard", "8210", SANDBOX_APPROVES,
     ""},
    {"tok_mastercard_prepaid", "pm_card_mastercard_prepaid", "mastercard", "5100", SANDBOX_APPROVES,
     ""},
    {"tok_amex", "pm_card_amex", "amex", "0005", SANDBOX_APPROVES, ""},
    {"tok_discover", "pm_card_discover", "discover", "1117", SANDBOX_APPROVES, ""},
    {"tok_diners", "pm_card_diners", "diners", "0004", SANDBOX_APPROVES, ""},
    {"tok_jcb", "pm_card_jcb", "jcb", "0000", SANDBOX_APPROVES, ""},

    {"tok_chargeDeclined", "pm_card_visa_chargeDeclined", "visa", "0002", SANDBOX_DECLINES,
     "generic_decline"},
    {"tok_chargeDeclinedInsufficientFunds", "pm_card_visa_chargeDeclinedInsufficientFunds", "visa",
     "9995", SANDBOX_DECLINES, "insufficient_funds"},
    {"tok_chargeDeclinedLostCard", "pm_card_visa_chargeDeclinedLostCard", "visa", "9987",
     SANDBOX_DECLINES, "lost_card"},
    {"tok_chargeDeclinedStolenCard", "pm_card_visa_chargeDeclinedStolenCard", "visa", "9979",
     SANDBOX_DECLINES, "stolen_card"},
    {"tok_chargeDeclinedFraudulentCard", "pm_card_chargeDeclinedFraudulent", "visa", "0019",
     SANDBOX_DECLINES, "fraudulent"},
    {"tok_chargeDeclinedExpiredCard", "pm_card_chargeDeclinedExpiredCard", "visa", "0069",
     SANDBOX_DECLINES, "expired_card"},
    {"tok_chargeDeclinedIncorrectCvc", "pm_card_chargeDeclinedIncorrectCvc", "visa", "0127",
     SANDBOX_DECLINES, "incorrect_cvc"},
    {"tok_chargeDeclinedProcessingError", "pm_card_chargeDeclinedProcessingError", "visa", "0119",
     SANDBOX_DECLINES, "processing_error"},
    {"tok_chargeDeclinedVelocityLimitExceeded", "pm_card_visa_chargeDeclinedVelocityLimitExceeded",
     "visa", "6975", SANDBOX_DECLINES, "card_velocity_exceeded"},
    {"tok_riskLevelHighest", "pm_card_riskLevelHighest", "visa", "4954", SANDBOX_DECLINES,
     "highest_risk_level"},
    {"tok_chargeCustomerFail", "pm_card_chargeCustomerFail", "visa", "0341", SANDBOX_DECLINES,
     "generic_decline"},

    {"tok_authenticationRequired", "pm_card_authenticationRequired", "visa", "3184",
     SANDBOX_AUTHENTICATES, "authentication_required"},
    {"tok_threeDSecureRequired", "pm_card_threeDSecureRequired", "visa", "3220",
     SANDBOX_AUTHENTICATED, "authentication_required"},
    {"tok_threeDSecureInApp", "", "visa", "0094", SANDBOX_AUTHENTICATED_APP,
     "authentication_required"},
    {"tok_threeDSecureRequiredChargeDeclined", "pm_card_threeDSecureRequiredChargeDeclined", "visa",
     "1629", SANDBOX_AUTHENTICATION_FAILS, "generic_decline"},
    {"tok_authenticationThenInsufficientFunds",
     "pm_card_authenticationRequiredChargeDeclinedInsufficientFunds", "visa", "3178",
     SANDBOX_AUTHENTICATION_FAILS, "insufficient_funds"},
    {"tok_timeoutAfterSuccess", "", "visa", "4242", SANDBOX_LOSES_ANSWER, ""},
    {"tok_timeoutBeforeSuccess", "", "visa", "4242", SANDBOX_LOSES_REQUEST, ""},
    {"tok_declinesFromSecondCharge", "", "visa", "4242", SANDBOX_DECLINES_FROM_SECOND,
     "insufficient_funds"},
    {"tok_pendingRefund", "pm_card_pendingRefund", "visa", "7726", SANDBOX_REFUND_PENDS, ""},
    {"tok_refundFail", "", "visa", "5126", SANDBOX_REFUND_FAILS, "expired_or_canceled_card"},
    {"tok_refundFailsLater", "pm_card_refundFail", "visa", "5126", SANDBOX_REFUND_FAILS_LATER,
     "lost_or_stolen_card"},
    {"tok_captureDeclined", "", "visa", "4242", SANDBOX_CAPTURE_FAILS, "do_not_honor"},
    {"tok_createDispute", "pm_card_createDispute", "visa", "0259", SANDBOX_DISPUTED_FRAUD, ""},
    {"tok_createDisputeProductNotReceived", "pm_card_createDisputeProductNotReceived", "visa",
     "2685", SANDBOX_DISPUTED_GOODS, ""},
    {"tok_createDisputeInquiry", "pm_card_createDisputeInquiry", "visa", "1976",
     SANDBOX_DISPUTED_INQUIRY, ""},
    {"tok_createMultipleDisputes", "pm_card_createMultipleDisputes", "visa", "0079",
     SANDBOX_DISPUTED_TWICE, ""},
};

size_t sandbox_token_length(const char *token)
{
    return strcspn(token, ".");
}

static bool is_called(const struct sandbox_token *row, const char *token)
{
    size_t length = sandbox_token_length(token);

    if (row->behaviour == SANDBOX_DECLINES_FROM_SECOND)
        return strlen(row->name) == length && strncmp(row->name, token, length) == 0;
    return text_equal(row->name, token) || (row->alias[0] != '\0' && text_equal(row->alias, token));
}

const struct sandbox_token *sandbox_token_find(const char *token)
{
    for (size_t i = 0; i < ARRAY_LENGTH(tokens); i++) {
        if (is_called(&tokens[i], token))
            return &tokens[i];
    }
    return NULL;
}

static const struct {
    const char *decline_code;
    const char *network_code;
    const char *advice;
} network[] = {
    {"generic_decline", "05", "try_again_later"},
    {"do_not_honor", "05", "try_again_later"},
    {"insufficient_funds", "51", "try_again_later"},
    {"lost_card", "41", "do_not_try_again"},
    {"stolen_card", "43", "do_not_try_again"},
    {"fraudulent", "59", "do_not_try_again"},
    {"expired_card", "54", "confirm_card_data"},
    {"incorrect_cvc", "N7", "confirm_card_data"},
    {"processing_error", "06", "try_again_later"},
    {"card_velocity_exceeded", "61", "try_again_later"},
    {"authentication_required", "1A", ""},
};

const char *sandbox_network_code(const char *decline_code)
{
    for (size_t i = 0; i < ARRAY_LENGTH(network); i++) {
        if (text_equal(network[i].decline_code, decline_code))
            return network[i].network_code;
    }
    return "";
}

const char *sandbox_advice(const char *decline_code)
{
    for (size_t i = 0; i < ARRAY_LENGTH(network); i++) {
        if (text_equal(network[i].decline_code, decline_code))
            return network[i].advice;
    }
    return "";
}
