/*
 * Forms: what a client of Stripe writes is read as it was meant, and everything else is refused.
 */

#include "simulator/form.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#define MEMORY_MAX (4 * 1024 * 1024)

static int make_arena(void **state)
{
    *state = arena_new(MEMORY_MAX);
    return 0;
}

static int free_arena(void **state)
{
    arena_free(*state);
    return 0;
}

static void assert_reads(void **state, const char *form, const char *wanted)
{
    char problem[FORM_PROBLEM_SIZE] = "";
    json_t *read = form_parse(*state, form, strlen(form), problem);
    json_t *json = json_loads(wanted, 0, NULL);

    assert_non_null(json);
    if (!json_equal(read, json))
        fail_msg("%s is read as %s (%s)", form, read == NULL ? "nothing" : json_dumps(read, 0),
                 problem);
    json_decref(json);
    json_decref(read);
}

static void assert_refuses(void **state, const char *form, size_t size)
{
    char problem[FORM_PROBLEM_SIZE] = "";
    json_t *read = form_parse(*state, form, size, problem);

    if (read != NULL)
        fail_msg("%s is read", form);
    assert_string_not_equal(problem, "");
}

static void reads_names_and_values(void **state)
{
    assert_reads(state, "", "{}");
    assert_reads(state, "a=1&b=&c", "{\"a\":\"1\",\"b\":\"\",\"c\":\"\"}");
    assert_reads(state, "&&a=1&", "{\"a\":\"1\"}");
    assert_reads(state, "a=1%2B1+%3D+2&%61b=%C3%A4", "{\"a\":\"1+1 = 2\",\"ab\":\"\\u00e4\"}");
    assert_reads(state, "a=b=c", "{\"a\":\"b=c\"}");
    assert_reads(state, "a=1&a=2", "{\"a\":\"2\"}");
}

static void reads_nested_names(void **state)
{
    assert_reads(state, "card[number]=4&card[exp][month]=12",
                 "{\"card\":{\"number\":\"4\",\"exp\":{\"month\":\"12\"}}}");
    assert_reads(state, "metadata%5Bdues.id%5D=7", "{\"metadata\":{\"dues.id\":\"7\"}}");
}

static void reads_lists_by_order_and_by_index(void **state)
{
    assert_reads(state, "expand[]=a&expand[]=b", "{\"expand\":[\"a\",\"b\"]}");
    assert_reads(state, "expand[0]=a&expand[1]=b", "{\"expand\":[\"a\",\"b\"]}");
    assert_reads(state, "items[0][id]=a&items[0][n]=2&items[1][id]=b",
                 "{\"items\":[{\"id\":\"a\",\"n\":\"2\"},{\"id\":\"b\"}]}");
}

static void refuses_what_is_no_form(void **state)
{
    static const char *const forms[] = {
        "a=%",
        "a=%4",
        "a=%zz",
        "%00=1",
        "a=%00",
        "a=%ff",
        "=1",
        "[a]=1",
        "a[=1",
        "a[b=1",
        "a[b]c=1",
        "a=1&a[b]=2",
        "a[b]=1&a=2",
        "a[]=1&a[b]=2",
        "a[0]=1&a[5]=2",
        "a[b][c][d][e][f][g]=1",
    };

    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++)
        assert_refuses(state, forms[i], strlen(forms[i]));
    assert_refuses(state, "a\0b=1", 5);
}

static void refuses_more_pairs_than_anybody_needs(void **state)
{
    char form[2 * FORM_PAIRS_MAX + 3];

    for (size_t i = 0; i <= FORM_PAIRS_MAX; i++)
        memcpy(form + 2 * i, "a&", 3);

    assert_reads(state, "a&a&a", "{\"a\":\"\"}");
    assert_refuses(state, form, 2 * (FORM_PAIRS_MAX + 1));
}

#define FORM_TEST(name) cmocka_unit_test_setup_teardown(name, make_arena, free_arena)

int main(void)
{
    const struct CMUnitTest tests[] = {
        FORM_TEST(reads_names_and_values),
        FORM_TEST(reads_nested_names),
        FORM_TEST(reads_lists_by_order_and_by_index),
        FORM_TEST(refuses_what_is_no_form),
        FORM_TEST(refuses_more_pairs_than_anybody_needs),
    };
    return cmocka_run_group_tests_name("form", tests, NULL, NULL);
}
