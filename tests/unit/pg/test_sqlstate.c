/*
 * What PostgreSQL's error codes mean for the caller.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "pg/sqlstate.h"

static const struct pg_statement statement = {.name = "payment_open", .sql = "SELECT 1"};

struct expectation {
    const char *sqlstate;
    const char *reason;
    enum status status;
    bool with_retry;
};

static void gives_each_code_its_meaning(void **state)
{
    const struct expectation expectations[] = {
        {"40001", "CONCURRENT_CHANGE", STATUS_ABORTED, true},
        {"40P01", "CONCURRENT_CHANGE", STATUS_ABORTED, true},
        {"55P03", "CONCURRENT_CHANGE", STATUS_ABORTED, true},
        {"57014", "DEADLINE_EXCEEDED", STATUS_DEADLINE_EXCEEDED, false},
        {"08006", "DATABASE_UNAVAILABLE", STATUS_UNAVAILABLE, true},
        {"57P01", "DATABASE_UNAVAILABLE", STATUS_UNAVAILABLE, true},
        {"25006", "DATABASE_UNAVAILABLE", STATUS_UNAVAILABLE, true},
        {"57P03", "DATABASE_UNAVAILABLE", STATUS_UNAVAILABLE, true},
        {NULL, "DATABASE_UNAVAILABLE", STATUS_UNAVAILABLE, true},
        {"23505", "INTERNAL", STATUS_INTERNAL, false},
        {"42703", "INTERNAL", STATUS_INTERNAL, false},
        {"0A000", "INTERNAL", STATUS_INTERNAL, false},
        {"P0001", "INTERNAL", STATUS_INTERNAL, false},
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
