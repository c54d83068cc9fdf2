/*
 * Test cards, declines and signatures: what is known elsewhere to be so.
 */

#include "simulator/stripe/cards.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/text.h"
#include "simulator/stripe/stripe.h"

static const char *const numbers[] = {
    "4242424242424242", "4000056655665556", "5555555555554444", "2223003122003222",
    "5200828282828210", "5105105105105100", "378282246310005",  "371449635398431",
    "6011111111111117", "6011000990139424", "6011981111111113", "36259600000004",
    "3530111333300000", "4000000000000002", "4000000000009995", "4000000000009987",
    "4000000000009979", "4000000000000069", "4000000000000127", "4000000000000119",
    "4000000000006975", "4000000000000341", "4100000000000019", "4000000000004954",
    "4000000000009235", "4000000000000101", "4000000000000036", "4000000000000028",
    "4000000000000010", "4000000000000044", "4000000000000259", "4000000000002685",
    "4000000000001976", "4000000000005423", "4000000404000079", "4000000000007726",
    "4000000000005126", "4000000000000077", "4000003720000278", "4000002500003155",
    "4000002760003184", "4000003800000446", "4000008260003178", "4000000000003220",
    "4000008400000027", "4000008400001629", "4000008400001280", "4000000000003055",
    "4000000000003097", "4000000032200000", "4000582600000094", "4000582600000045",
    "4000582600000102", "4000582600000110",
};

static void every_documented_number_is_known_and_passes_luhn(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        const struct stripe_card *card = stripe_card_by_number(numbers[i]);
        assert_true(stripe_luhn(numbers[i]));
        if (card == NULL) {
            fail_msg("%s", numbers[i]);
            return;
        }
        assert_ptr_equal(stripe_card_by_alias(card->alias), card);
    }
    assert_false(stripe_luhn("4242424242424241"));
    assert_false(stripe_luhn("42424242424242424242424242"));
    assert_false(stripe_luhn("4242x42424242424"));
    assert_null(stripe_card_by_number("4242424242424241"));
}

static void aliases_are_known_with_and_without_their_brand(void **state)
{
    static const char *const aliases[] = {
        "visa",           "visa_debit",         "visa_chargeDeclined",
        "chargeDeclined", "chargeCustomerFail", "authenticationRequired",
        "createDispute",  "pendingRefund",      "refundFail"};

    (void)state;
    for (size_t i = 0; i < sizeof aliases / sizeof aliases[0]; i++)
        assert_non_null(stripe_card_by_alias(aliases[i]));
    assert_null(stripe_card_by_alias("visa_nothing"));
    assert_null(stripe_card_by_alias(""));
}

static void every_decline_has_a_code_and_a_text(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        const struct stripe_card *card = stripe_card_by_number(numbers[i]);
        if (card == NULL || card->decline_code == NULL)
            continue;
        struct stripe_decline decline = stripe_decline_of(card->decline_code);
        assert_string_equal(decline.decline_code, card->decline_code);
        assert_true(decline.message[0] != '\0' && decline.code[0] != '\0');
    }
    assert_string_equal(stripe_decline_of("brand_new").decline_code, "brand_new");
}

/* A vector that does not come from us. */
static void webhooks_are_signed_as_everybody_checks_them(void **state)
{
    AUTO(arena_auto_free) struct arena *arena = arena_new(65536);

    (void)state;
    assert_string_equal(
        stripe_signature(arena, "whsec_test_secret", 1700000000,
                         "{\"id\":\"evt_1\",\"object\":\"event\"}"),
        "t=1700000000,v1=0c8670ed117751cc551a20e35839447075c42800ea3cf3e8a2fbda99cd1e6edd");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_documented_number_is_known_and_passes_luhn),
        cmocka_unit_test(aliases_are_known_with_and_without_their_brand),
        cmocka_unit_test(every_decline_has_a_code_and_a_text),
        cmocka_unit_test(webhooks_are_signed_as_everybody_checks_them),
    };
    return cmocka_run_group_tests_name("cards", tests, NULL, NULL);
}
