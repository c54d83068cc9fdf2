/*
 * Values there and back, and answers that are too large.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "pg/pg.h"
#include "support/db_fixture.h"

static const struct pg_statement echo = {
    .name = "echo",
    .sql =
        "SELECT $1::text AS text, $2::char(3) AS currency, $3::bigint AS big, $4::integer AS small,"
        " $4::smallint AS smaller, $5::boolean AS yes, $6::uuid AS id, $7::bytea AS bytes,"
        " $8::timestamptz AS time, $9::jsonb AS json, $10::text[] @> ARRAY['b'] AS in_array",
};

struct values {
    struct pg_params params;
    struct pg_rows rows;
};

static const struct error *run_echo(struct call *call, void *arg)
{
    struct values *values = arg;

    return pg_read(call, UUID_NIL, &echo, values->params, &values->rows);
}

static void brings_every_type_there_and_back(void **state)
{
    struct db_fixture *f = *state;
    struct uuid id = db_uuid(f);
    size_t size = 0;
    struct values values = {.params = PG_PARAMS(pg_text("grün"), pg_text("USD"),
                                                pg_int64(INT64_MIN), pg_int32(-7), pg_bool(true),
                                                pg_uuid(id), pg_bytes("\0\xff", 2),
                                                pg_time(FAKE_CLOCK_START_US + 123456),
                                                pg_text("{\"a\": 1}"), pg_text("{a,b}"))};

    const struct error *error = db_run(f, run_echo, &values);

    const struct pg_rows *rows = &values.rows;
    assert_null(error);
    assert_int_equal(rows->count, 1);
    assert_string_equal(pg_get_text(rows, 0, "text"), "grün");
    assert_string_equal(pg_get_text(rows, 0, "currency"), "USD");
    assert_true(pg_get_int64(rows, 0, "big") == INT64_MIN);
    assert_int_equal(pg_get_int64(rows, 0, "small"), -7);
    assert_int_equal(pg_get_int64(rows, 0, "smaller"), -7);
    assert_true(pg_get_bool(rows, 0, "yes"));
    assert_true(uuid_equal(pg_get_uuid(rows, 0, "id"), id));
    assert_memory_equal(pg_get_bytes(rows, 0, "bytes", &size), "\0\xff", 2);
    assert_int_equal(size, 2);
    assert_int_equal(pg_get_time(rows, 0, "time"), FAKE_CLOCK_START_US + 123456);
    assert_string_equal(pg_get_text(rows, 0, "json"), "{\"a\": 1}");
    assert_true(pg_get_bool(rows, 0, "in_array"));
    assert_false(pg_is_null(rows, 0, "text"));
}

static void reads_null_as_the_empty_value(void **state)
{
    struct db_fixture *f = *state;
    size_t size = 7;
    struct values values = {
        .params = PG_PARAMS(pg_text(NULL), pg_text(NULL), pg_null(PG_INT64), pg_null(PG_INT32),
                            pg_null(PG_BOOL), pg_uuid_or_null(UUID_NIL), pg_bytes(NULL, 0),
                            pg_time_or_null(0), pg_null(PG_TEXT), pg_null(PG_TEXT))};

    const struct error *error = db_run(f, run_echo, &values);

    const struct pg_rows *rows = &values.rows;
    assert_null(error);
    assert_true(pg_is_null(rows, 0, "text"));
    assert_string_equal(pg_get_text(rows, 0, "text"), "");
    assert_string_equal(pg_get_text(rows, 0, "json"), "");
    assert_int_equal(pg_get_int64(rows, 0, "big"), 0);
    assert_false(pg_get_bool(rows, 0, "yes"));
    assert_true(uuid_is_nil(pg_get_uuid(rows, 0, "id")));
    assert_null(pg_get_bytes(rows, 0, "bytes", &size));
    assert_int_equal(size, 0);
    assert_int_equal(pg_get_time(rows, 0, "time"), 0);
}

static const struct pg_statement empty_values = {
    .name = "empty_values",
    .sql = "SELECT $1::bytea AS bytes, $2::text AS text",
};

static const struct error *run_empty(struct call *call, void *arg)
{
    return pg_read(call, UUID_NIL, &empty_values, PG_PARAMS(pg_bytes("", 0), pg_text("")), arg);
}

static void tells_empty_from_null(void **state)
{
    struct db_fixture *f = *state;
    struct pg_rows rows;
    size_t size = 7;

    const struct error *error = db_run(f, run_empty, &rows);

    assert_null(error);
    assert_false(pg_is_null(&rows, 0, "bytes"));
    assert_false(pg_is_null(&rows, 0, "text"));
    assert_non_null(pg_get_bytes(&rows, 0, "bytes", &size));
    assert_int_equal(size, 0);
}

static const struct pg_statement edge_of_time = {
    .name = "edge_of_time",
    .sql = "SELECT 'infinity'::timestamptz AS never, '-infinity'::timestamptz AS always,"
           " '1969-12-31T23:59:59.999999Z'::timestamptz AS before",
};

static const struct error *run_edge_of_time(struct call *call, void *arg)
{
    return pg_read(call, UUID_NIL, &edge_of_time, (struct pg_params){0}, arg);
}

static void keeps_time_within_its_range(void **state)
{
    struct db_fixture *f = *state;
    struct pg_rows rows;

    const struct error *error = db_run(f, run_edge_of_time, &rows);

    assert_null(error);
    assert_true(pg_get_time(&rows, 0, "never") == TIME_US_MAX);
    assert_true(pg_get_time(&rows, 0, "always") == TIME_US_MIN);
    assert_int_equal(pg_get_time(&rows, 0, "before"), -1);
}

static const struct pg_statement many_rows = {
    .name = "many_rows",
    .sql = "SELECT n, repeat('x', $2) AS filler FROM generate_series(1, $1) AS n",
};

struct amount {
    int32_t rows;
    int32_t size;
    struct pg_rows got;
};

static const struct error *run_many_rows(struct call *call, void *arg)
{
    struct amount *amount = arg;

    return pg_read(call, UUID_NIL, &many_rows,
                   PG_PARAMS(pg_int32(amount->rows), pg_int32(amount->size)), &amount->got);
}

static void gives_at_most_a_page_and_one_row(void **state)
{
    struct db_fixture *f = *state;
    struct amount page = {.rows = PG_ROWS_MAX};
    struct amount more = {.rows = PG_ROWS_MAX + 1};

    const struct error *page_error = db_run(f, run_many_rows, &page);
    const struct error *more_error = db_run(f, run_many_rows, &more);

    assert_null(page_error);
    assert_int_equal(page.got.count, PG_ROWS_MAX);
    assert_int_equal(pg_get_int64(&page.got, PG_ROWS_MAX - 1, "n"), PG_ROWS_MAX);
    assert_int_equal(more_error->status, STATUS_INTERNAL);
    assert_string_equal(more_error->cause, "many_rows: 1002 rows are too much for one answer");
}

static void refuses_an_answer_larger_than_the_arena(void **state)
{
    struct db_fixture *f = *state;
    struct amount amount = {.rows = 1000, .size = 10000};

    const struct error *error = db_run(f, run_many_rows, &amount);

    assert_int_equal(error->status, STATUS_INTERNAL);
    assert_string_equal(error->reason, "INTERNAL");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(brings_every_type_there_and_back),
        cmocka_unit_test(reads_null_as_the_empty_value),
        cmocka_unit_test(tells_empty_from_null),
        cmocka_unit_test(keeps_time_within_its_range),
        cmocka_unit_test(gives_at_most_a_page_and_one_row),
        cmocka_unit_test(refuses_an_answer_larger_than_the_arena),
    };
    return cmocka_run_group_tests_name("rows", tests, db_setup, db_teardown);
}
