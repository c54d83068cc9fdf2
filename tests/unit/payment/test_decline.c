/*
 * The decline table: complete, safe to show, and never empty-handed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/attributes.h"
#include "base/text.h"
#include "payment/decline.h"

/* All of them. */
static const char *const codes[] = {
    "approve_with_id",
    "authentication_required",
    "authentication_not_handled",
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

static void knows_every_code(void **state)
{
    (void)state;
    assert_int_equal(decline_count, ARRAY_LENGTH(codes));
    for (size_t i = 0; i < ARRAY_LENGTH(codes); i++) {
        const struct decline *decline = decline_find(codes[i]);

        assert_string_equal(decline->code, codes[i]);
        assert_in_range(text_length(decline->customer_message), 20, 255);
    }
}

static void is_sorted_and_free_of_repeats(void **state)
{
    (void)state;
    for (size_t i = 1; i < decline_count; i++)
        assert_true(strcmp(decline_table[i - 1].code, decline_table[i].code) < 0);
}

static void takes_an_unknown_code_for_a_generic_decline(void **state)
{
    (void)state;
    assert_string_equal(decline_find("made_up")->code, "generic_decline");
    assert_string_equal(decline_find("")->code, "generic_decline");
}

static void classifies_as_written(void **state)
{
    static const struct {
        const char *code;
        enum decline_class class;
        enum decline_actor actor;
    } expected[] = {
        {"processing_error", DECLINE_RETRY_NOW, DECLINE_BY_NOBODY},
        {"insufficient_funds", DECLINE_RETRY_LATER, DECLINE_BY_CUSTOMER},
        {"do_not_honor", DECLINE_RETRY_LATER, DECLINE_BY_CUSTOMER},
        {"expired_card", DECLINE_FIX_DATA, DECLINE_BY_CUSTOMER},
        {"incorrect_cvc", DECLINE_FIX_DATA, DECLINE_BY_CUSTOMER},
        {"lost_card", DECLINE_NEW_METHOD, DECLINE_BY_CUSTOMER},
        {"card_not_supported", DECLINE_NEW_METHOD, DECLINE_BY_CUSTOMER},
        {"authentication_required", DECLINE_STEP_UP, DECLINE_BY_CUSTOMER},
        {"fraudulent", DECLINE_STOP, DECLINE_BY_MERCHANT},
        {"stop_payment_order", DECLINE_STOP, DECLINE_BY_MERCHANT},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(expected); i++) {
        assert_int_equal(decline_find(expected[i].code)->class, expected[i].class);
        assert_int_equal(decline_find(expected[i].code)->actor, expected[i].actor);
    }
}

static void tells_a_thief_nothing(void **state)
{
    static const char *const quiet[] = {
        "fraudulent",  "highest_risk_level", "lost_card",          "merchant_blacklist",
        "pickup_card", "restricted_card",    "security_violation", "stolen_card"};
    const char *general = decline_find("generic_decline")->customer_message;

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(quiet); i++)
        assert_string_equal(decline_find(quiet[i])->customer_message, general);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(knows_every_code),
        cmocka_unit_test(is_sorted_and_free_of_repeats),
        cmocka_unit_test(takes_an_unknown_code_for_a_generic_decline),
        cmocka_unit_test(classifies_as_written),
        cmocka_unit_test(tells_a_thief_nothing),
    };
    return cmocka_run_group_tests_name("declines", tests, NULL, NULL);
}
