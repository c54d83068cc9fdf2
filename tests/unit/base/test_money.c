/*
 * Money: the table of currencies, checked sums, and shares that add up to the price.
 */

#include "base/money.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/attributes.h"
#include "base/time.h"

#define MAY_S 2678400 /* seconds of May 2026 */

static int64_t share_s(int64_t price, int64_t elapsed_s, int64_t period_s)
{
    return money_share(price, elapsed_s * US_PER_SECOND, period_s * US_PER_SECOND);
}

/* What the part from t0 to t1 costs. */
static int64_t part_s(int64_t price, int64_t from_s, int64_t to_s, int64_t period_s)
{
    return share_s(price, to_s, period_s) - share_s(price, from_s, period_s);
}

static void assert_exponent(const char *codes, int expected)
{
    for (; *codes != '\0'; codes += 4) {
        char code[4] = {codes[0], codes[1], codes[2], '\0'};
        int exponent = -1;
        if (!currency_known(code, &exponent))
            fail_msg("%s is unknown", code);
        if (exponent != expected)
            fail_msg("%s has exponent %d", code, exponent);
    }
}

/* Where Stripe and ISO differ (MGA, ISK, UGX), ISO. */
static void knows_the_exponents_of_iso_4217(void **state)
{
    (void)state;
    assert_exponent("BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF ", 0);
    assert_exponent("USD EUR GBP CHF MGA HUF TWD MRU CNY INR BRL MXN ZAR SLE XCG ZWG ", 2);
    assert_exponent("BHD IQD JOD KWD LYD OMR TND ", 3);
    assert_exponent("CLF UYW ", 4);
}

static void knows_no_other_codes(void **state)
{
    static const char *const wrong[] = {
        "",    "U",   "US",  "USDX", "usd", "Usd",          "XBA", "XTS", "XAU",     "HRK",
        "DEM", "ABC", " US", "US ",  "U D", "\xe2\x82\xac", "SD ", "D E", "USD EUR", "000",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(wrong); i++) {
        if (currency_known(wrong[i], NULL))
            fail_msg("'%s' is known", wrong[i]);
    }
    assert_false(currency_known(NULL, NULL));
}

static void adds_and_subtracts_one_currency(void **state)
{
    struct money result = money_make("EUR", 7);

    (void)state;
    assert_true(money_add(money_make("USD", 999), money_make("USD", 1), &result));
    assert_string_equal(result.currency, "USD");
    assert_int_equal(result.minor_units, 1000);

    assert_true(money_subtract(money_make("USD", 1), money_make("USD", 1000), &result));
    assert_int_equal(result.minor_units, -999);
}

static void refuses_mixed_currencies_and_overflow(void **state)
{
    struct money untouched = money_make("EUR", 7);

    (void)state;
    assert_false(money_add(money_make("USD", 1), money_make("CAD", 1), &untouched));
    assert_false(money_subtract(money_make("USD", 1), money_make("CAD", 1), &untouched));
    assert_false(money_add(money_make("USD", INT64_MAX), money_make("USD", 1), &untouched));
    assert_false(money_add(money_make("USD", INT64_MIN), money_make("USD", -1), &untouched));
    assert_false(money_subtract(money_make("USD", INT64_MIN), money_make("USD", 1), &untouched));

    assert_string_equal(untouched.currency, "EUR");
    assert_int_equal(untouched.minor_units, 7);
}

static void assert_text(const char *currency, int64_t minor_units, const char *expected)
{
    char text[MONEY_TEXT_SIZE];

    money_format(money_make(currency, minor_units), text);
    assert_string_equal(text, expected);
}

static void writes_amounts_for_people(void **state)
{
    (void)state;
    assert_text("USD", 999, "9.99 USD");
    assert_text("USD", 5, "0.05 USD");
    assert_text("USD", 0, "0.00 USD");
    assert_text("USD", -5, "-0.05 USD");
    assert_text("JPY", 1200, "1200 JPY");
    assert_text("BHD", -12345, "-12.345 BHD");
    assert_text("CLF", 12345, "1.2345 CLF");
    assert_text("USD", INT64_MAX, "92233720368547758.07 USD");
    assert_text("CLF", INT64_MIN, "-922337203685477.5808 CLF");
}

/* Parts of a price: nothing is lost and nothing is made by rounding. */
static void cuts_sum_to_the_price(void **state)
{
    static const int64_t cuts_s[] = {0, 432001, 1252800, 1728000, MAY_S};
    static const int64_t expected[] = {161, 306, 178, 354};
    int64_t sum = 0;

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(expected); i++) {
        int64_t part = part_s(999, cuts_s[i], cuts_s[i + 1], MAY_S);
        assert_int_equal(part, expected[i]);
        sum += part;
    }
    assert_int_equal(sum, 999);
}

static void assert_change(int64_t old_price, int64_t new_price, int64_t left_s, int64_t period_s,
                          int64_t credit, int64_t charge)
{
    assert_int_equal(part_s(old_price, period_s - left_s, period_s, period_s), credit);
    assert_int_equal(part_s(new_price, period_s - left_s, period_s, period_s), charge);
}

static void credits_and_charges_what_is_left(void **state)
{
    const int64_t day_s = 86400;
    const int64_t june_s = 30 * day_s;

    (void)state;
    assert_change(10000, 20000, 17 * day_s, MAY_S, 5484, 10968);
    assert_change(999, 1999, 16 * day_s + day_s / 2, MAY_S, 532, 1064);
    assert_change(999, 1999, 1, MAY_S, 0, 0);
    assert_change(999, 1999, MAY_S, MAY_S, 999, 1999);
    assert_change(999, 1999, MAY_S - 1, MAY_S, 999, 1999);
    assert_change(1000, 3000, 1296000, june_s, 500, 1500);
    assert_change(1299, 2599, 2073600, june_s, 1039, 2079);
    assert_change(500, 0, june_s / 2, june_s, 250, 0);
}

static void rounds_half_away_from_zero_on_both_sides(void **state)
{
    (void)state;
    assert_int_equal(money_share(1, 1, 2), 1);
    assert_int_equal(money_share(-1, 1, 2), -1);
    assert_int_equal(money_share(5, 1, 2), 3);
    assert_int_equal(money_share(-5, 1, 2), -3);
    assert_int_equal(money_share(1, 1, 3), 0);
    assert_int_equal(money_share(2, 1, 3), 1);
    for (int64_t elapsed = 0; elapsed <= 1000; elapsed++)
        assert_int_equal(money_share(-997, elapsed, 1000), -money_share(997, elapsed, 1000));
}

static void is_exact_at_the_largest_amounts(void **state)
{
    const int64_t year_us = 366 * US_PER_DAY;

    (void)state;
    assert_int_equal(money_share(INT64_MAX, year_us, year_us), INT64_MAX);
    assert_int_equal(money_share(INT64_MIN, year_us, year_us), INT64_MIN);
    assert_int_equal(money_share(INT64_MIN, INT64_MAX - 1, INT64_MAX), INT64_MIN + 1);
    assert_int_equal(money_share(INT64_MAX, INT64_MAX - 1, INT64_MAX), INT64_MAX - 1);
    assert_int_equal(money_share(MONEY_MINOR_UNITS_MAX, year_us / 2, year_us),
                     MONEY_MINOR_UNITS_MAX / 2);
}

static void is_nothing_before_and_all_after_the_period(void **state)
{
    (void)state;
    assert_int_equal(money_share(999, -1, 10), 0);
    assert_int_equal(money_share(999, 0, 10), 0);
    assert_int_equal(money_share(999, 10, 10), 999);
    assert_int_equal(money_share(999, 11, 10), 999);
}

static void never_falls_while_time_passes(void **state)
{
    int64_t before = 0;

    (void)state;
    for (int64_t elapsed_s = 0; elapsed_s <= MAY_S; elapsed_s += 97) {
        int64_t now = share_s(1999, elapsed_s, MAY_S);
        assert_true(now >= before);
        before = now;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(knows_the_exponents_of_iso_4217),
        cmocka_unit_test(knows_no_other_codes),
        cmocka_unit_test(adds_and_subtracts_one_currency),
        cmocka_unit_test(refuses_mixed_currencies_and_overflow),
        cmocka_unit_test(writes_amounts_for_people),
        cmocka_unit_test(cuts_sum_to_the_price),
        cmocka_unit_test(credits_and_charges_what_is_left),
        cmocka_unit_test(rounds_half_away_from_zero_on_both_sides),
        cmocka_unit_test(is_exact_at_the_largest_amounts),
        cmocka_unit_test(is_nothing_before_and_all_after_the_period),
        cmocka_unit_test(never_falls_while_time_passes),
    };
    return cmocka_run_group_tests_name("money", tests, NULL, NULL);
}
