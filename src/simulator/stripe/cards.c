/*
 * The table of test cards, after docs.stripe.com/testing, and the table of declines.
 */

#include "simulator/stripe/cards.h"

#include "base/attributes.h"
#include "base/text.h"

#define VISA(n, a)  .number = (n), .alias = (a), .brand = "visa", .funding = "credit"
#define MC(n, a, f) .number = (n), .alias = (a), .brand = "mastercard", .funding = (f)

static const struct stripe_card cards[] = {
    {VISA("4242424242424242", "visa")},
    {VISA("4111111111111111", "us")},
    {.number = "4000056655665556", .alias = "visa_debit", .brand = "visa", .funding = "debit"},
    {MC("5555555555554444", "mastercard", "credit")},
    {MC("2223003122003222", "mastercard_2series", "credit")},
    {MC("5200828282828210", "mastercard_debit", "debit")},
    {MC("5105105105105100", "mastercard_prepaid", "prepaid")},
    {.number = "378282246310005", .alias = "amex", .brand = "amex", .funding = "credit"},
    {.number = "371449635398431", .alias = "amex_second", .brand = "amex", .funding = "credit"},
    {.number = "6011111111111117", .alias = "discover", .brand = "discover", .funding = "credit"},
    {.number = "6011000990139424", .alias = "discover2", .brand = "discover", .funding = "credit"},
    {.number = "6011981111111113",
     .alias = "discover_debit",
     .brand = "discover",
     .funding = "debit"},
    {.number = "3056930009020004", .alias = "diners", .brand = "diners", .funding = "credit"},
    {.number = "36227206271667",
     .alias = "diners_14digits",
     .brand = "diners",
     .funding = "credit"},
    {.number = "36259600000004", .alias = "diners_other", .brand = "diners", .funding = "credit"},
    {.number = "3566002020360505", .alias = "jcb", .brand = "jcb", .funding = "credit"},
    {.number = "3530111333300000", .alias = "jcb_other", .brand = "jcb", .funding = "credit"},
    {.number = "6200000000000005", .alias = "unionpay", .brand = "unionpay", .funding = "credit"},
    /* Declined. */
    {VISA("4000000000000002", "chargeDeclined"), .decline_code = "generic_decline"},
    {VISA("4000000000009995", "chargeDeclinedInsufficientFunds"),
     .decline_code = "insufficient_funds"},
    {VISA("4000000000009987", "chargeDeclinedLostCard"), .decline_code = "lost_card"},
    {VISA("4000000000009979", "chargeDeclinedStolenCard"), .decline_code = "stolen_card"},
    {VISA("4000000000000069", "chargeDeclinedExpiredCard"), .decline_code = "expired_card"},
    {VISA("4000000000000127", "chargeDeclinedIncorrectCvc"), .decline_code = "incorrect_cvc",
     .cvc_check = "fail"},
    {VISA("4000000000000119", "chargeDeclinedProcessingError"), .decline_code = "processing_error"},
    {VISA("4000000000006975", "chargeDeclinedVelocityLimitExceeded"),
     .decline_code = "card_velocity_exceeded"},
    {VISA("4000000000000341", "chargeCustomerFail"), .decline_code = "generic_decline",
     .attaches = true},
    /* Radar. */
    {VISA("4100000000000019", "radarBlock"), .decline_code = "fraudulent", .is_blocked = true,
     .risk_level = "highest", .attaches = true},
    {VISA("4100000000000019", "chargeDeclinedFraudulent"), .decline_code = "fraudulent",
     .is_blocked = true, .risk_level = "highest", .attaches = true},
    {VISA("4000000000004954", "riskLevelHighest"), .decline_code = "highest_risk_level",
     .is_blocked = true, .risk_level = "highest", .attaches = true},
    {VISA("4000000000009235", "riskLevelElevated"), .risk_level = "elevated"},
    {VISA("4000000000000101", "cvcCheckFail"), .cvc_check = "fail"},
    {VISA("4000000000000036", "avsZipFail"), .zip_check = "fail"},
    {VISA("4000000000000028", "avsLine1Fail"), .line1_check = "fail"},
    {VISA("4000000000000010", "avsFail"), .zip_check = "fail", .line1_check = "fail"},
    {VISA("4000000000000044", "avsUnchecked"), .zip_check = "unavailable",
     .line1_check = "unavailable"},
    /* Disputes. */
    {VISA("4000000000000259", "createDispute"), .dispute = DISPUTE_FRAUDULENT},
    {VISA("4000000000002685", "createDisputeProductNotReceived"), .dispute = DISPUTE_NOT_RECEIVED},
    {VISA("4000000000001976", "createDisputeInquiry"), .dispute = DISPUTE_INQUIRY},
    {VISA("4000000000005423", "createIssuerFraudRecord"), .dispute = DISPUTE_WARNING},
    {VISA("4000000404000079", "createMultipleDisputes"), .dispute = DISPUTE_TWICE},
    /* Refunds and the balance. */
    {VISA("4000000000007726", "pendingRefund"), .refund = REFUND_PENDING},
    {VISA("4000000000005126", "refundFail"), .refund = REFUND_FAILS},
    {VISA("4000000000000077", "bypassPending"), .is_available = true},
    {VISA("4000003720000278", "bypassPendingInternational"), .is_available = true},
    /* 3-D Secure. */
    {VISA("4000002500003155", "authenticationRequiredOnSetup"),
     .challenge = CHALLENGE_UNLESS_SET_UP},
    {VISA("4000002760003184", "authenticationRequired"), .challenge = CHALLENGE_ALWAYS},
    {VISA("4000003800000446", "authenticationRequiredSetupForOffSession"),
     .challenge = CHALLENGE_ON_SESSION},
    {VISA("4000008260003178", "authenticationRequiredChargeDeclinedInsufficientFunds"),
     .challenge = CHALLENGE_ALWAYS, .decline_code = "insufficient_funds", .attaches = true},
    {VISA("4000000000003220", "threeDSecure2Required"), .challenge = CHALLENGE_ALWAYS},
    {VISA("4000008400000027", "threeDSecureRequired"), .challenge = CHALLENGE_ALWAYS},
    {VISA("4000008400001629", "threeDSecureRequiredChargeDeclined"), .challenge = CHALLENGE_ALWAYS,
     .decline_code = "generic_decline", .attaches = true},
    {VISA("4000008400001280", "threeDSecureRequiredProcessingError"), .challenge = CHALLENGE_BROKEN,
     .attaches = true},
    {VISA("4000000000003055", "threeDSecureOptional"), .challenge = CHALLENGE_ON_WISH},
    {VISA("4000000000003097", "threeDSecureOptionalProcessingError"),
     .challenge = CHALLENGE_WISH_BROKEN},
    {VISA("4000000032200000", "threeDSecure2Frictionless"), .challenge = CHALLENGE_FRICTIONLESS},
    {VISA("4000582600000094", "threeDSecure2OutOfBand"), .challenge = CHALLENGE_ALWAYS},
    {VISA("4000582600000045", "threeDSecure2OneTimePasscode"), .challenge = CHALLENGE_ALWAYS},
    {VISA("4000582600000102", "threeDSecure2SingleSelect"), .challenge = CHALLENGE_ALWAYS},
    {VISA("4000582600000110", "threeDSecure2MultiSelect"), .challenge = CHALLENGE_ALWAYS},
};

static const struct stripe_decline declines[] = {
    {"generic_decline", "card_declined", "Your card was declined.", "try_again_later", "05"},
    {"insufficient_funds", "card_declined", "Your card has insufficient funds.", "try_again_later",
     "51"},
    {"lost_card", "card_declined", "Your card was declined.", "do_not_try_again", "41"},
    {"stolen_card", "card_declined", "Your card was declined.", "do_not_try_again", "43"},
    {"expired_card", "expired_card", "Your card has expired.", "confirm_card_data", "54"},
    {"incorrect_cvc", "incorrect_cvc", "Your card's security code is incorrect.",
     "confirm_card_data", "82"},
    {"processing_error", "processing_error",
     "An error occurred while processing your card. Try again in a little bit.", "try_again_later",
     "96"},
    {"card_velocity_exceeded", "card_declined",
     "Your card was declined for making repeated attempts too frequently or exceeding its amount "
     "limit.",
     "try_again_later", "65"},
    {"fraudulent", "card_declined", "Your card was declined.", NULL, NULL},
    {"highest_risk_level", "card_declined", "Your card was declined.", NULL, NULL},
    {"authentication_required", "authentication_required",
     "Your card was declined. This transaction requires authentication.", NULL, "1A"},
    {"incorrect_number", "incorrect_number", "Your card number is incorrect.", NULL, NULL},
    {"test_mode_live_card", "card_declined",
     "Your card was declined. Your request was in test mode, but used a non test card. For a list "
     "of valid test cards, visit: https://stripe.com/docs/testing.",
     NULL, NULL},
};

const struct stripe_card *stripe_card_by_number(const char *number)
{
    for (size_t i = 0; i < ARRAY_LENGTH(cards); i++) {
        if (text_equal(cards[i].number, number))
            return &cards[i];
    }
    return NULL;
}

static const char *without_brand(const char *alias)
{
    return text_starts_with(alias, "visa_") && !text_equal(alias, "visa_debit")
               ? alias + strlen("visa_")
               : alias;
}

const struct stripe_card *stripe_card_by_alias(const char *alias)
{
    for (size_t i = 0; i < ARRAY_LENGTH(cards); i++) {
        if (text_equal(cards[i].alias, without_brand(alias)))
            return &cards[i];
    }
    return NULL;
}

bool stripe_luhn(const char *number)
{
    size_t length = strlen(number);
    int sum = 0;

    if (length < 12 || length > 19 || strspn(number, "0123456789") != length)
        return false;
    for (size_t i = 0; i < length; i++) {
        int digit = number[length - 1 - i] - '0';
        if (i % 2 == 1)
            digit = digit < 5 ? 2 * digit : 2 * digit - 9;
        sum += digit;
    }
    return sum % 10 == 0;
}

struct stripe_decline stripe_decline_of(const char *decline_code)
{
    for (size_t i = 0; i < ARRAY_LENGTH(declines); i++) {
        if (text_equal(declines[i].decline_code, decline_code))
            return declines[i];
    }
    return (struct stripe_decline){decline_code, "card_declined", "Your card was declined.",
                                   "try_again_later", "05"};
}
