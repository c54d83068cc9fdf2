/*
 * Forms take the memory of what is in them.
 */

#include "gateway/stripe/form.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static int setup(void **state)
{
    *state = arena_new((size_t)256 * 1024);
    return 0;
}

static int teardown(void **state)
{
    arena_free(*state);
    return 0;
}

static void a_small_form_takes_little(void **state)
{
    struct arena *arena = *state;
    struct stripe_form form = {.arena = arena};

    form_add(&form, "expand[0]", "latest_charge");
    form_add_number(&form, "limit", -1);

    assert_string_equal(form.text, "expand%5B0%5D=latest_charge&limit=-1");
    assert_int_equal(form.size, strlen(form.text));
    assert_true(arena_used(arena) <= 512);
}

static void a_form_grows_to_its_limit(void **state)
{
    struct stripe_form form = {.arena = *state, .size_max = 5000};
    char expected[5000] = "";

    for (size_t i = 0; i < 1250; i++) {
        form_add(&form, i % 2 == 0 ? "a" : "b", "c");
        memcpy(expected + 4 * i, i % 2 == 0 ? "a=c&" : "b=c&", 4);
    }
    expected[sizeof expected - 1] = '\0'; /* instead of the last "&" */

    assert_string_equal(form.text, expected);
    assert_int_equal(form.size, sizeof expected - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_small_form_takes_little, setup, teardown),
        cmocka_unit_test_setup_teardown(a_form_grows_to_its_limit, setup, teardown),
    };
    return cmocka_run_group_tests_name("forms", tests, NULL, NULL);
}
