/*
 * Amounts at Stripe: its decimals, and what it does not take.
 */

#include "gateway/stripe/amount.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void amounts_are_told_in_stripes_units_and_back(void **state)
{
    (void)state;
    static const struct {
        const char *ours;
        const char *theirs;
        int64_t minor_units;
        int64_t units;
    } rows[] = {
        {"USD", "usd", 1999, 1999},
        {"EUR", "eur", 1, 1},
        {"JPY", "jpy", 500, 500},
        {"KRW", "krw", 1, 1},
        {"HUF", "huf", 12345, 12345},
        {"TWD", "twd", 99, 99},
        {"ISK", "isk", 500, 50000},
        {"UGX", "ugx", 7, 700},
        {"MGA", "mga", 500, 5},
        {"BHD", "bhd", 1230, 1230},
        {"KWD", "kwd", 10, 10},
        {"XAF", "xaf", 3, 3},
        {"USD", "usd", 1000000000000, 1000000000000},
    };

    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct money money;
        int64_t units = 0;
        assert_true(stripe_amount(money_make(rows[i].ours, rows[i].minor_units), &units));
        assert_int_equal(units, rows[i].units);
        assert_true(stripe_money(rows[i].theirs, rows[i].units, &money));
        assert_string_equal(money.currency, rows[i].ours);
        assert_int_equal(money.minor_units, rows[i].minor_units);
    }
}

static void what_stripe_computes_is_rounded(void **state)
{
    (void)state;
    struct money money;

    assert_true(stripe_money_rounded("isk", 4567, &money));
    assert_int_equal(money.minor_units, 46);
    assert_true(stripe_money_rounded("isk", -4550, &money));
    assert_int_equal(money.minor_units, -46);
    assert_true(stripe_money_rounded("ugx", 49, &money));
    assert_int_equal(money.minor_units, 0);
    assert_true(stripe_money_rounded("kwd", 1234, &money));
    assert_int_equal(money.minor_units, 1234);
    assert_true(stripe_money_rounded("mga", 5, &money));
    assert_int_equal(money.minor_units, 500);
    assert_false(stripe_money_rounded("usd", INT64_MIN, &money));
    assert_false(stripe_money("isk", 4567, &money));
}

static void what_stripe_cannot_take_is_refused(void **state)
{
    (void)state;
    int64_t units;

    assert_false(stripe_amount(money_make("BHD", 1234), &units));
    assert_false(stripe_amount(money_make("KWD", 1), &units));
    assert_false(stripe_amount(money_make("MGA", 50), &units));
    assert_false(stripe_amount(money_make("CLF", 10000), &units));
    assert_false(stripe_amount(money_make("UYW", 10000), &units));
    assert_false(stripe_amount(money_make("LYD", 1000), &units));
    assert_false(stripe_amount(money_make("IQD", 1000), &units));
}

static void what_cannot_be_an_amount_is_not_believed(void **state)
{
    (void)state;
    struct money money;

    assert_false(stripe_money("usd", INT64_MAX, &money));
    assert_false(stripe_money("usd", INT64_MIN, &money));
    assert_false(stripe_money("mga", 1000000000000, &money));
    assert_false(stripe_money("isk", 1, &money));
    assert_false(stripe_money("USD", 1, &money));
    assert_false(stripe_money("zzz", 1, &money));
    assert_false(stripe_money("", 1, &money));
    assert_false(stripe_money("usdd", 1, &money));
    assert_false(stripe_money("clf", 1, &money));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(amounts_are_told_in_stripes_units_and_back),
        cmocka_unit_test(what_stripe_computes_is_rounded),
        cmocka_unit_test(what_stripe_cannot_take_is_refused),
        cmocka_unit_test(what_cannot_be_an_amount_is_not_believed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
