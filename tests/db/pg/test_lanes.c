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
    "   IF p_what = 'slow' THEN PERFORM pg_sleep(1); END IF;"                                      \
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

/* Customers of one write lane: with two lanes, the last four bytes decide. */
static struct uuid customer_of_lane(struct db_fixture *f, uint32_t lane)
{
    struct uuid id = db_uuid(f);

    id.bytes[12] = (uint8_t)((id.bytes[12] & 0xfe) | (uint8_t)lane);
    return id;
}

static const struct error *add_only(struct call *call, void *arg)
{
    struct addition *addition = arg;
    struct pg_rows rows;

    TRY(pg_write(call, addition->customer, &counter_add,
                 PG_PARAMS(pg_uuid(addition->customer), pg_int64(1), pg_text(addition->what)),
                 &rows));
    addition->value = pg_get_int64(&rows, 0, "value");
    return NULL;
}

#define MANY 300

static void commits_many_calls_together(void **state)
{
    struct db_fixture *f = *state;
    struct addition additions[MANY];
    const struct error *errors[MANY];

    /* The slow first one of each lane makes the others gather behind it. */
    for (size_t i = 0; i < MANY; i++)
        additions[i] = (struct addition){.customer = customer_of_lane(f, i % 2),
                                         .what = i < 2 ? "slow" : NULL};
    int64_t rows_before = db_count(f, "counter");

    db_run_all(f, add_only, additions, sizeof(additions[0]), MANY, errors);

    for (size_t i = 0; i < MANY; i++)
        assert_null(errors[i]);
    assert_int_equal(db_count(f, "counter"), rows_before + MANY);
    /* Rows written by one transaction carry its xid. */
    int64_t transactions = db_number(
        f, db_printf(f,
                     "SELECT count(DISTINCT xmin::text) FROM"
                     " (SELECT xmin FROM counter ORDER BY xmin::text::bigint DESC LIMIT %d) AS r",
                     MANY));
    assert_in_range(transactions, 1, MANY / 20);
}

static void spoils_only_the_call_that_raises(void **state)
{
    struct db_fixture *f = *state;
    struct addition additions[40];
    const struct error *errors[40];

    /* The slow first one of each lane makes the others gather into one batch behind it. */
    for (size_t i = 0; i < 40; i++)
        additions[i] = (struct addition){.customer = customer_of_lane(f, i % 2),
                                         .what = i < 2     ? "slow"
                                                 : i == 20 ? "raise"
                                                           : NULL};

    db_run_all(f, add_only, additions, sizeof(additions[0]), 40, errors);

    for (size_t i = 0; i < 40; i++) {
        if (i == 20)
            continue;
        assert_null(errors[i]);
        assert_int_equal(additions[i].value, 1);
    }
    assert_int_equal(errors[20]->status, STATUS_INTERNAL);
    assert_string_equal(errors[20]->reason, "INTERNAL");
    assert_string_equal(errors[20]->message, "internal error");
    assert_string_equal(errors[20]->cause, "counter_add: SQLSTATE P0001: as told");
    assert_int_equal(db_count(f, db_printf(f, "counter WHERE customer_id = '%s'",
                                           db_uuid_text(f, additions[20].customer))),
                     0);
}

static void runs_the_calls_of_a_customer_one_after_the_other(void **state)
{
    struct db_fixture *f = *state;
    struct uuid customer = db_uuid(f);
    struct addition additions[MANY];
    bool seen[MANY + 1] = {false};
    const struct error *errors[MANY];

    for (size_t i = 0; i < MANY; i++)
        additions[i] = (struct addition){.customer = customer};

    db_run_all(f, add_only, additions, sizeof(additions[0]), MANY, errors);

    /* In the order of submission, each exactly once. */
    for (size_t i = 0; i < MANY; i++) {
        assert_null(errors[i]);
        assert_in_range(additions[i].value, 1, MANY);
        assert_false(seen[additions[i].value]);
        seen[additions[i].value] = true;
    }
}

static const struct pg_statement fail_at_random = {
    .name = "fail_at_random",
    .sql = "SELECT lose_race($1) AS tries",
};

static const struct error *lose_race(struct call *call, void *arg)
{
    struct addition *addition = arg;
    struct pg_rows rows;

    TRY(pg_write(call, addition->customer, &fail_at_random, PG_PARAMS(pg_int64(addition->value)),
                 &rows));
    addition->read = pg_get_int64(&rows, 0, "tries");
    return NULL;
}

/* A sequence survives the rollback, so it counts the tries. */
#define CREATE_LOSE_RACE                                                                           \
    "CREATE SEQUENCE dues.race;"                                                                   \
    "CREATE FUNCTION dues.lose_race(p_times bigint) RETURNS bigint"                                \
    " LANGUAGE plpgsql SECURITY DEFINER SET search_path = dues, pg_temp AS $$"                     \
    " DECLARE v_try bigint := nextval('race');"                                                    \
    " BEGIN"                                                                                       \
    "   IF v_try <= p_times THEN"                                                                  \
    "     RAISE EXCEPTION USING ERRCODE = CASE v_try % 2 WHEN 0 THEN '40001' ELSE '40P01' END;"    \
    "   END IF;"                                                                                   \
    "   RETURN v_try;"                                                                             \
    " END $$;"                                                                                     \
    "GRANT EXECUTE ON FUNCTION dues.lose_race(bigint) TO dues_service"

static void tries_three_times_after_lost_races(void **state)
{
    struct db_fixture *f = *state;
    struct addition addition = {.customer = db_uuid(f), .value = 2};

    const struct error *error = db_run(f, lose_race, &addition);

    assert_null(error);
    assert_int_equal(addition.read, 3);
}

static void gives_up_after_three_lost_races(void **state)
{
    struct db_fixture *f = *state;
    struct addition addition = {.customer = db_uuid(f), .value = 1000};
    int64_t before = db_number(f, "SELECT last_value FROM race");

    const struct error *error = db_run(f, lose_race, &addition);

    assert_int_equal(error->status, STATUS_ABORTED);
    assert_string_equal(error->reason, "CONCURRENT_CHANGE");
    assert_true(error->retry_after_ms > 0);
    assert_int_equal(db_number(f, "SELECT last_value FROM race"), before + 3);
}

/* Two transactions that lock the same two rows crosswise. */
static const struct pg_statement add_twice = {
    .name = "add_twice",
    .sql = "SELECT counter_add($1, 1, NULL), pg_sleep(0.2), counter_add($2, 1, NULL)",
};

struct crossing {
    struct uuid lane;
    struct uuid first;
    struct uuid second;
};

static const struct error *cross(struct call *call, void *arg)
{
    const struct crossing *crossing = arg;
    struct pg_rows rows;

    return pg_write(call, crossing->lane, &add_twice,
                    PG_PARAMS(pg_uuid(crossing->first), pg_uuid(crossing->second)), &rows);
}

static void gets_out_of_a_real_deadlock(void **state)
{
    struct db_fixture *f = *state;
    struct uuid a = customer_of_lane(f, 0);
    struct uuid b = customer_of_lane(f, 1);
    struct crossing crossings[] = {{.lane = a, .first = a, .second = b},
                                   {.lane = b, .first = b, .second = a}};
    const struct error *errors[2];

    db_run_all(f, cross, crossings, sizeof(crossings[0]), 2, errors);

    assert_null(errors[0]);
    assert_null(errors[1]);
    assert_int_equal(
        db_number(f,
                  db_printf(f, "SELECT sum(value) FROM counter WHERE customer_id IN ('%s', '%s')",
                            db_uuid_text(f, a), db_uuid_text(f, b))),
        4);
}

static void answers_a_statement_that_takes_too_long(void **state)
{
    struct db_fixture *f = *state;
    struct addition additions[] = {{.customer = customer_of_lane(f, 0), .what = "endless"},
                                   {.customer = customer_of_lane(f, 0)}};
    const struct error *errors[2];

    db_run_all(f, add_only, additions, sizeof(additions[0]), 2, errors);

    assert_int_equal(errors[0]->status, STATUS_DEADLINE_EXCEEDED);
    assert_string_equal(errors[0]->reason, "DEADLINE_EXCEEDED");
    assert_null(errors[1]);
    assert_int_equal(additions[1].value, 1);
}

static const struct pg_statement changing = {
    .name = "changing",
    .sql = "SELECT changing() AS value",
};

static const struct error *run_changing(struct call *call, void *arg)
{
    struct pg_rows rows;

    TRY(pg_write(call, UUID_NIL, &changing, (struct pg_params){0}, &rows));
    *(int64_t *)arg = pg_get_int64(&rows, 0, "value");
    return NULL;
}

/* "cached plan must not change result type": a migration went by while the server runs. */
static void prepares_anew_what_no_longer_fits_the_schema(void **state)
{
    struct db_fixture *f = *state;
    int64_t before = 0;
    int64_t after = 0;

    db_execute(f, "CREATE FUNCTION changing() RETURNS int LANGUAGE sql AS 'SELECT 1';"
                  "GRANT EXECUTE ON FUNCTION changing() TO PUBLIC");
    const struct error *first = db_run(f, run_changing, &before);
    db_execute(f, "DROP FUNCTION changing();"
                  "CREATE FUNCTION changing() RETURNS bigint LANGUAGE sql AS 'SELECT 2::bigint';"
                  "GRANT EXECUTE ON FUNCTION changing() TO PUBLIC");
    const struct error *second = db_run(f, run_changing, &after);

    assert_null(first);
    assert_int_equal(before, 1);
    assert_null(second);
    assert_int_equal(after, 2);
}

static void refuses_what_does_not_fit_into_the_queue(void **state)
{
    struct db_fixture *f = *state;
    struct addition additions[20];
    const struct error *errors[20];
    size_t refused = 0;

    db_reopen_lanes(f, &(struct db_options){.queue_max = 8});
    for (size_t i = 0; i < 20; i++)
        additions[i] =
            (struct addition){.customer = customer_of_lane(f, 0), .what = i == 0 ? "slow" : NULL};

    db_run_all(f, add_only, additions, sizeof(additions[0]), 20, errors);

    for (size_t i = 0; i < 20; i++) {
        if (errors[i] == NULL)
            continue;
        refused++;
        assert_int_equal(errors[i]->status, STATUS_RESOURCE_EXHAUSTED);
        assert_string_equal(errors[i]->reason, "OVERLOADED");
        assert_true(errors[i]->retry_after_ms > 0);
    }
    assert_int_equal(refused, 12);
    db_reopen_lanes(f, &(struct db_options){0});
}

static int setup(void **state)
{
    db_setup(state);
    db_execute(*state, CREATE_COUNTER);
    db_execute(*state, CREATE_LOSE_RACE);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_what_was_acknowledged_before),
        cmocka_unit_test(commits_many_calls_together),
        cmocka_unit_test(spoils_only_the_call_that_raises),
        cmocka_unit_test(runs_the_calls_of_a_customer_one_after_the_other),
        cmocka_unit_test(tries_three_times_after_lost_races),
        cmocka_unit_test(gives_up_after_three_lost_races),
        cmocka_unit_test(gets_out_of_a_real_deadlock),
        cmocka_unit_test(answers_a_statement_that_takes_too_long),
        cmocka_unit_test(prepares_anew_what_no_longer_fits_the_schema),
        cmocka_unit_test(refuses_what_does_not_fit_into_the_queue),
    };
    return cmocka_run_group_tests_name("lanes", tests, setup, db_teardown);
}
