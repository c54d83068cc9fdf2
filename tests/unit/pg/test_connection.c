/*
 * Which host is tried first, and the set of prepared statements.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "pg/connection.h"

static void tries_another_host_each_time(void **state)
{
    char rotated[16];

    (void)state;
    assert_true(connection_rotate("a,bb,c", 0, rotated, sizeof(rotated)));
    assert_string_equal(rotated, "a,bb,c");
    assert_true(connection_rotate("a,bb,c", 1, rotated, sizeof(rotated)));
    assert_string_equal(rotated, "bb,c,a");
    assert_true(connection_rotate("a,bb,c", 2, rotated, sizeof(rotated)));
    assert_string_equal(rotated, "c,a,bb");
    assert_true(connection_rotate("a,bb,c", 3, rotated, sizeof(rotated)));
    assert_string_equal(rotated, "a,bb,c");
}

static void leaves_a_single_host_alone(void **state)
{
    char rotated[16];

    (void)state;
    assert_true(connection_rotate("5432", 7, rotated, sizeof(rotated)));
    assert_string_equal(rotated, "5432");
    assert_true(connection_rotate("", 7, rotated, sizeof(rotated)));
    assert_string_equal(rotated, "");
}

static void refuses_what_does_not_fit(void **state)
{
    char rotated[6];

    (void)state;
    assert_true(connection_rotate("ab,cd", 1, rotated, sizeof(rotated)));
    assert_false(connection_rotate("ab,cde", 1, rotated, sizeof(rotated)));
}

static void remembers_what_is_prepared_until_it_is_forgotten(void **state)
{
    static struct pg_statement statements[STATEMENTS_MAX / 2];
    static struct connection connection;

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(statements); i++)
        connection_set_prepared(&connection, &statements[i]);
    for (size_t i = 0; i < ARRAY_LENGTH(statements); i += 2)
        connection_forget_prepared(&connection, &statements[i]);

    for (size_t i = 0; i < ARRAY_LENGTH(statements); i++)
        assert_int_equal(connection_is_prepared(&connection, &statements[i]), i % 2 == 1);

    for (size_t i = 0; i < ARRAY_LENGTH(statements); i += 2)
        connection_set_prepared(&connection, &statements[i]);
    for (size_t i = 0; i < ARRAY_LENGTH(statements); i++)
        assert_true(connection_is_prepared(&connection, &statements[i]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tries_another_host_each_time),
        cmocka_unit_test(leaves_a_single_host_alone),
        cmocka_unit_test(refuses_what_does_not_fit),
        cmocka_unit_test(remembers_what_is_prepared_until_it_is_forgotten),
    };
    return cmocka_run_group_tests_name("connection", tests, NULL, NULL);
}
