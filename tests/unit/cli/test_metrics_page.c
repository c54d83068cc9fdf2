/*
 * What `dues top` reads of /metrics, without floating-point numbers.
 */
#include "cli/metrics_page.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static int open_arena(void **state)
{
    *state = arena_new(16 << 20);
    return 0;
}

static int close_arena(void **state)
{
    arena_free(*state);
    return 0;
}

static void reads_numbers_as_whole_millionths(void **state)
{
    static const struct {
        const char *text;
        int64_t millionths;
    } cases[] = {
        {"0", 0},           {"17", 17000000},       {"0.000250", 250},
        {"-1.5", -1500000}, {"3.1234567", 3123456}, {"1763868000.123456", 1763868000123456},
    };
    (void)state;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int64_t millionths = -7;
        assert_true(metrics_millionths(cases[i].text, strlen(cases[i].text), &millionths));
        assert_int_equal(millionths, cases[i].millionths);
    }
}

static void refuses_what_is_no_number(void **state)
{
    static const char *const texts[] = {
        "", "-", "NaN", "+Inf", "1e5", "1.2.3", "9223372036854775807"};
    (void)state;

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        int64_t millionths;
        assert_false(metrics_millionths(texts[i], strlen(texts[i]), &millionths));
    }
}

static void finds_samples_by_name_and_label(void **state)
{
    struct metrics_page page;

    metrics_read(*state,
                 "# HELP calls Calls.\n# TYPE calls counter\n"
                 "calls{method=\"Get{x}\",code=\"OK\"} 5\n"
                 "calls{method=\"List\",code=\"OK\"} 7.000000\n"
                 "up 1\nbroken line\n{nameless} 3\n",
                 &page);

    assert_int_equal(page.count, 3);
    assert_int_equal(metrics_value(&page, "calls", "method=\"List\""), 7);
    assert_int_equal(metrics_value(&page, "up", ""), 1);
    assert_int_equal(metrics_value(&page, "absent", ""), 0);
    assert_string_equal(metrics_label(*state, &page.samples[0], "method"), "Get{x}");
    assert_string_equal(metrics_label(*state, &page.samples[0], "code"), "OK");
    assert_string_equal(metrics_label(*state, &page.samples[0], "other"), "");
}

static void reads_a_page_that_was_cut_off(void **state)
{
    static const char text[] = "calls{method=\"List\",code=\"OK\"} 7\n";

    for (size_t length = 0; length < sizeof(text) - 1; length++) {
        struct metrics_page page;
        metrics_read(*state, arena_strndup(*state, text, length), &page);
        assert_in_range(page.count, 0, 1);
        arena_reset(*state);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(reads_numbers_as_whole_millionths, open_arena, close_arena),
        cmocka_unit_test_setup_teardown(refuses_what_is_no_number, open_arena, close_arena),
        cmocka_unit_test_setup_teardown(finds_samples_by_name_and_label, open_arena, close_arena),
        cmocka_unit_test_setup_teardown(reads_a_page_that_was_cut_off, open_arena, close_arena),
    };

    return cmocka_run_group_tests_name("metrics page", tests, NULL, NULL);
}
