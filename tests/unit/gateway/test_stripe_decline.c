/*
 * Stripe's words for a "no", as the contract has them.
 */

#include "gateway/stripe/decline.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/attributes.h"

static void a_refund_that_failed_says_why_in_stripes_own_word(void **state)
{
    static const char *const words[] = {
        "charge_for_pending_refund_disputed",
        "declined",
        "expired_or_canceled_card",
        "insufficient_funds",
        "lost_or_stolen_card",
        "merchant_request",
        "unknown",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(words); i++)
        assert_string_equal(stripe_refund_decline(words[i]), words[i]);
}

static void what_is_no_word_of_stripes_about_a_refund_is_unknown(void **state)
{
    (void)state;
    assert_string_equal(stripe_refund_decline(""), "unknown");
    assert_string_equal(stripe_refund_decline("of_tomorrow"), "unknown");
    assert_string_equal(stripe_refund_decline("lost_card"), "unknown");
}

static void a_refund_that_stripe_does_not_take_says_why(void **state)
{
    (void)state;
    assert_string_equal(stripe_refund_refusal("charge_disputed"), "charge_disputed");
    assert_string_equal(stripe_refund_refusal("balance_insufficient"), "balance_insufficient");
    assert_string_equal(stripe_refund_refusal("amount_too_large"), "invalid_amount");
    assert_string_equal(stripe_refund_refusal("of_tomorrow"), "invalid_request");
    assert_string_equal(stripe_refund_refusal(""), "invalid_request");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_refund_that_failed_says_why_in_stripes_own_word),
        cmocka_unit_test(what_is_no_word_of_stripes_about_a_refund_is_unknown),
        cmocka_unit_test(a_refund_that_stripe_does_not_take_says_why),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
