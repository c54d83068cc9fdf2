/*
 * Texts of others on a terminal: nothing is hidden, and nothing else is changed.
 */
#include "cli/shown.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/attributes.h"

static void assert_shown(const char *text, const char *expected, size_t cut_off)
{
    char shown[256 * SHOWN_GROWTH];
    size_t rest;
    size_t size = shown_text(text, strlen(text), shown, &rest);

    shown[size] = '\0';
    assert_string_equal(shown, expected);
    assert_int_equal(rest, cut_off);
}

static void what_orders_or_hides_is_shown_as_its_number(void **state)
{
    static const char *const rows[][2] = {
        {"\u202a\u202e", "\\u202a\\u202e"},
        {"\u2066x\u2069", "\\u2066x\\u2069"},
        {"\u200e\u200f\u061c", "\\u200e\\u200f\\u061c"},
        {"\u200b\ufeff\u2028", "\\u200b\\ufeff\\u2028"},
        {"\xc2\x9b 31m", "\\u009b 31m"},
        {"\x1b[31m\r\x7f", "\\u001b[31m\\u000d\\u007f"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++)
        assert_shown(rows[i][0], rows[i][1], 0);
}

static void every_other_text_stays_as_it_is(void **state)
{
    static const char *const rows[] = {
        "a line\n\tand another\n",
        "\u00e9t\u00e9 \u4e2d\u6587 \u0639\u0631\u0628\u064a \u05d0\u05d1",
        "\xf0\x9f\x98\x80 \u20ac",
        "\\u202e, written out",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++)
        assert_shown(rows[i], rows[i], 0);
}

static void what_is_no_text_is_shown_byte_by_byte(void **state)
{
    (void)state;
    assert_shown("\x9b"
                 "x\xff\xc0\x80",
                 "\\x9bx\\xff\\xc0\\x80", 0);
    assert_shown("\xe2\x28\xa1", "\\xe2(\\xa1", 0);
}

static void a_character_that_is_cut_off_waits_for_its_end(void **state)
{
    (void)state;
    assert_shown("x\xe2\x80", "x", 2);
    assert_shown("x\xf0\x9f\x98", "x", 3);
    assert_shown("x\xc3", "x", 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_orders_or_hides_is_shown_as_its_number),
        cmocka_unit_test(every_other_text_stays_as_it_is),
        cmocka_unit_test(what_is_no_text_is_shown_byte_by_byte),
        cmocka_unit_test(a_character_that_is_cut_off_waits_for_its_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
