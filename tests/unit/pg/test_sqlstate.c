/*
 * What PostgreSQL's error codes mean for the caller.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "pg/sqlstate.h"

static const struct pg_statement statement = {"payment_open", "SELECT 1"};

struct expectation {
    const char *sqlstate;
    enum status status;
    const char *reason;
    bool with_retry;
};

static void gives_each_code_its_meaning(void **state)
{
    const struct expectation expectations[] = {
        {"40001", STATUS_ABORTED, "CONCURRENT_CHANGE", true},
        {"40P01", STATUS_ABORTED, "CONCURRENT_CHANGE", true},
        {"55P03", STATUS_ABORTED, "CONCURRENT_CHANGE", true},
        {"57014", STATUS_DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED", false},
        {"08006", STATUS_UNAVAILABLE, "DATABASE_UNAVAILABLE", true},
        {"57P01", STATUS_UNAVAILABLE, "DATABASE_UNAVAILABLE", true},
        {"25006", STATUS_UNAVAILABLE, "DATABASE_UNAVAILABLE", true},
        {"57P03", STATUS_UNAVAILABLE, "DATABASE_UNAVAILABLE", true},
        {NULL, STATUS_UNAVAILABLE, "DATABASE_UNAVAILABLE", true},
        {"23505", STATUS_INTERNAL, "INTERNAL", false},
        {"42703", STATUS_INTERNAL, "INTERNAL", false},
        {"0A000", STATUS_INTERNAL, "INTERNAL", false},
        {"P0001", STATUS_INTERNAL, "INTERNAL", false},
    };
    struct call call = {.arena = arena_new(1024 * 1024)};

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(expectations); i++) {
        const struct expectation *expected = &expectations[i];
        const struct error *error =
            sqlstate_error(&call, &statement, expected->sqlstate, "the truth");

        assert_int_equal(error->status, expected->status);
        assert_string_equal(error->reason, expected->reason);
        assert_int_equal(error->retry_after_ms > 0, expected->with_retry);
    }
    arena_free(call.arena);
}

static void tells_the_truth_only_to_the_log(void **state)
{
    struct call call = {.arena = arena_new(1024 * 1024)};

    (void)state;
    const struct error *error =
        sqlstate_error(&call, &statement, "23505", "duplicate key value violates …");

    assert_string_equal(error->cause,
                        "payment_open: SQLSTATE 23505: duplicate key value violates …");
    assert_null(strstr(error->message, "duplicate"));
    assert_int_equal(error->metadata_count, 0);
    arena_free(call.arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_each_code_its_meaning),
        cmocka_unit_test(tells_the_truth_only_to_the_log),
    };
    return cmocka_run_group_tests_name("sqlstate", tests, NULL, NULL);
}
