/*
 * The lanes against a real PostgreSQL: group commit, and who sees which error.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "pg/pg.h"
#include "support/db_fixture.h"

/* A function that adds to a counter, and raises, or is slow, when it is told to. */
#define CREATE_COUNTER                                                                             \
    "CREATE TABLE dues.counter (customer_id uuid PRIMARY KEY, value bigint NOT NULL);"             \
    "GRANT SELECT ON dues.counter TO dues_service;"                                                \
    "CREATE FUNCTION dues.counter_add(p_customer uuid, p_by bigint, p_what text) RETURNS bigint"   \
    " LANGUAGE plpgsql SECURITY DEFINER SET search_path = dues, pg_temp AS $$"                     \
    " DECLARE v_value bigint;"                                                                     \
    " BEGIN"                                                                                       \
    "   IF p_what = 'raise' THEN RAISE EXCEPTION 'as told'; END IF;"                               \
    "   IF p_what = 'slow' THEN PERFORM pg_sleep(0.3); END IF;"                                    \
    "   IF p_what = 'endless' THEN PERFORM pg_sleep(60); END IF;"                                  \
    "   INSERT INTO counter AS c VALUES (p_customer, p_by)"                                        \
    "   ON CONFLICT (customer_id) DO UPDATE SET value = c.value + p_by"                            \
    "   RETURNING value INTO v_value;"                                                             \
    "   RETURN v_value;"                                                                           \
    " END $$;"                                                                                     \
    "GRANT EXECUTE ON FUNCTION dues.counter_add(uuid, bigint, text) TO dues_service"

static const struct pg_statement counter_add = {
    .name = "counter_add",
    .sql = "SELECT counter_add($1, $2, $3) AS value",
};

static const struct pg_statement counter_get = {
    .name = "counter_get",
    .sql = "SELECT value FROM counter WHERE customer_id = $1",
};

struct addition {
    struct uuid customer;
    const char *what;
    int64_t value; /* after it */
    int64_t read;  /* what a read directly behind it saw */
};

static const struct error *add(struct call *call, void *arg)
{
    struct addition *addition = arg;
    struct pg_rows rows;

    TRY(pg_write(call, addition->customer, &counter_add,
                 PG_PARAMS(pg_uuid(addition->customer), pg_int64(1), pg_text(addition->what)),
                 &rows));
    addition->value = pg_get_int64(&rows, 0, "value");
    TRY(pg_read(call, addition->customer, &counter_get, PG_PARAMS(pg_uuid(addition->customer)),
                &rows));
    addition->read = pg_get_int64(&rows, 0, "value");
    return NULL;
}

static void reads_what_was_acknowledged_before(void **state)
{
    struct db_fixture *f = *state;
    struct addition addition = {.customer = db_uuid(f)};

    for (int64_t i = 1; i <= 20; i++) {
        const struct error *error = db_run(f, add, &addition);

        assert_null(error);
        assert_int_equal(addition.value, i);
        assert_int_equal(addition.read, i);
    }
}

static int setup(void **state)
{
    db_setup(state);
    db_execute(*state, CREATE_COUNTER);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_what_was_acknowledged_before),
    };
    return cmocka_run_group_tests_name("lanes", tests, setup, db_teardown);
}
