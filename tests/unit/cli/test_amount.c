/*
 * Amounts that people write: nothing is guessed.
 */
#include "cli/amount.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/text.h"

static int make_arena(void **state)
{
    *state = arena_new(1U << 20);
    return 0;
}

static int free_arena(void **state)
{
    arena_free(*state);
    return 0;
}

static void an_amount_has_the_decimals_of_its_currency(void **state)
{
    static const struct {
        const char *text;
        const char *currency;
        int64_t minor_units;
    } cases[] = {
        {"3.00", "USD", 300},
        {"0.01", "EUR", 1},
        {"500", "JPY", 500},
        {"1.234", "KWD", 1234},
        {"10000000000.00 USD", "USD", 1000000000000LL},
        {"9.99USD", "USD", 999},
    };

    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        int64_t minor_units = 0;
        assert_null(amount_read(*state, cases[i].text, cases[i].currency, &minor_units));
        assert_int_equal(minor_units, cases[i].minor_units);
    }
}

static void an_amount_that_could_mean_two_things_is_refused(void **state)
{
    static const struct {
        const char *text;
        const char *currency;
    } cases[] = {
        {"3", "USD"},
        {"3.0", "USD"},
        {"3.000", "USD"},
        {"3.", "USD"},
        {".50", "USD"},
        {"3.00", "JPY"},
        {"3.", "JPY"},
        {"1.2.3", "USD"},
        {"1,000.00", "USD"},
        {"", "USD"},
        {"USD", "USD"},
        {"-3.00", "USD"},
        {"0.00", "USD"},
        {"0", "JPY"},
        {"3.00", "usd"},
        {"3.00", "QQQ"},
        {"99999999999999.00", "USD"},
    };

    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        int64_t minor_units = -1;
        assert_non_null(amount_read(*state, cases[i].text, cases[i].currency, &minor_units));
        assert_int_equal(minor_units, -1);
    }
}

static void the_refusal_shows_how_it_is_written(void **state)
{
    int64_t minor_units;

    assert_string_equal(amount_read(*state, "3", "USD", &minor_units),
                        "\"3\" is no amount of USD; write it like 3.00");
    assert_string_equal(amount_read(*state, "-3", "-3", &minor_units),
                        "\"-3\" is no amount; write 3.00 or 3.00 USD, above 0");
    assert_string_equal(amount_read(*state, "3.00", "JPY", &minor_units),
                        "\"3.00\" is no amount of JPY; write it like 3");
}

static void the_currency_may_stand_behind_the_amount(void **state)
{
    assert_string_equal(amount_currency(*state, "3.00"), "");
    assert_string_equal(amount_currency(*state, "3.00 USD"), "USD");
    assert_string_equal(amount_currency(*state, "3.00USD"), "USD");
    assert_string_equal(amount_currency(*state, "-3"), "-3");
}

static void an_amount_of_a_currency_from_the_future_is_shown_as_it_is(void **state)
{
    Dues__Type__V1__Money money = DUES__TYPE__V1__MONEY__INIT;
    char known[] = "USD";
    char unknown[] = "QQQ";

    money.minor_units = 300;
    money.currency_code = known;
    assert_string_equal(amount_text(*state, &money), "3.00 USD");
    money.currency_code = unknown;
    assert_string_equal(amount_text(*state, &money), "300 QQQ");
    assert_string_equal(amount_text(*state, NULL), "-");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_amount_has_the_decimals_of_its_currency),
        cmocka_unit_test(an_amount_that_could_mean_two_things_is_refused),
        cmocka_unit_test(the_refusal_shows_how_it_is_written),
        cmocka_unit_test(the_currency_may_stand_behind_the_amount),
        cmocka_unit_test(an_amount_of_a_currency_from_the_future_is_shown_as_it_is),
    };

    return cmocka_run_group_tests(tests, make_arena, free_arena);
}
