/*
 * Look-ups that wait together are asked as one, and nobody notices: each has its own row, its own
 * error, and sees what was acknowledged before it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/measure.h"
#include "pg/lanes.h"
#include "pg/pg.h"
#include "support/db_fixture.h"

#define CREATE_SHELF                                                                               \
    "CREATE TABLE dues.shelf (customer_id uuid, place bigint, label text, weight bigint,"          \
    " PRIMARY KEY (customer_id, place));"                                                          \
    "GRANT SELECT ON dues.shelf TO dues_service"

/* Slow on purpose: what comes meanwhile gathers behind it. */
static const struct pg_statement wait_a_moment = {
    .name = "wait_a_moment",
    .sql = "SELECT pg_sleep(0.3) IS NULL AS waited",
};

/* Dividing by a weight of 0 is an error; `asked_at` is the same for all of a set. */
static const struct pg_statement look = {
    .name = "shelf_look",
    .sql = "SELECT place, label, 100 / weight AS share, statement_timestamp() AS asked_at"
           "  FROM shelf WHERE customer_id = $1 AND place = $2",
    .is_lookup = true,
};

struct looking {
    struct uuid customer;
    int64_t place;
    bool is_first; /* holds the lane up */
    bool is_sampled;
    /* what came of it */
    size_t rows;
    int64_t found;
    const char *label;
    int64_t share;
    int64_t asked_at_us;
};

static const struct error *look_up(struct call *call, void *arg)
{
    struct looking *looking = arg;
    struct pg_rows rows;

    call->sampled = looking->is_sampled;
    if (looking->is_first)
        TRY(pg_read(call, looking->customer, &wait_a_moment, (struct pg_params){0}, &rows));
    else
        fiber_sleep(100 * US_PER_MS);
    TRY(pg_read(call, looking->customer, &look,
                PG_PARAMS(pg_uuid(looking->customer), pg_int64(looking->place)), &rows));
    looking->rows = rows.count;
    if (rows.count == 0)
        return NULL;
    looking->found = pg_get_int64(&rows, 0, "place");
    looking->label = pg_get_text(&rows, 0, "label");
    looking->share = pg_get_int64(&rows, 0, "share");
    looking->asked_at_us = pg_get_time(&rows, 0, "asked_at");
    return NULL;
}

#define MANY 40

/* Forty look-ups, gathered behind a slow one on the only read lane. */
static void look_up_all(struct db_fixture *f, struct looking lookings[MANY],
                        const struct error *errors[MANY])
{
    for (size_t i = 0; i < MANY; i++)
        lookings[i].is_first = i == 0;
    db_run_all(f, look_up, lookings, sizeof(lookings[0]), MANY, errors);
}

static struct uuid given_shelf(struct db_fixture *f, const char *weight)
{
    struct uuid customer = db_uuid(f);

    db_execute(f, db_printf(f,
                            "INSERT INTO dues.shelf SELECT '%s', p, CASE WHEN p %% 3 = 0 THEN NULL"
                            " ELSE 'label ' || p END, %s FROM generate_series(1, %d) AS p",
                            db_uuid_text(f, customer), weight, MANY));
    return customer;
}

static void gives_each_its_own_row(void **state)
{
    struct db_fixture *f = *state;
    struct uuid customer = given_shelf(f, "p");
    struct looking lookings[MANY] = {0};
    const struct error *errors[MANY];
    size_t together = 0;

    /* From the last place to the first, with places that do not exist between. */
    for (size_t i = 0; i < MANY; i++)
        lookings[i] =
            (struct looking){.customer = customer, .place = i % 4 == 3 ? 1000 : MANY - (int64_t)i};
    look_up_all(f, lookings, errors);

    for (size_t i = 0; i < MANY; i++) {
        struct looking *l = &lookings[i];

        assert_null(errors[i]);
        assert_int_equal(l->rows, l->place == 1000 ? 0 : 1);
        if (l->rows == 0)
            continue;
        assert_int_equal(l->found, l->place);
        assert_int_equal(l->share, 100 / l->place);
        assert_string_equal(l->label,
                            l->place % 3 == 0 ? "" : db_printf(f, "label %d", (int)l->place));
        together += l->asked_at_us == lookings[1].asked_at_us;
    }
    /* All but the first, which asked when the others had been answered. */
    assert_true(together > 20);
}

static void spoils_only_the_one_that_fails(void **state)
{
    struct db_fixture *f = *state;
    struct uuid customer = given_shelf(f, "CASE p WHEN 7 THEN 0 ELSE p END");
    struct looking lookings[MANY] = {0};
    const struct error *errors[MANY];

    for (size_t i = 0; i < MANY; i++)
        lookings[i] = (struct looking){.customer = customer, .place = 1 + (int64_t)i};
    look_up_all(f, lookings, errors);

    for (size_t i = 0; i < MANY; i++) {
        if (lookings[i].place == 7) {
            assert_int_equal(errors[i]->status, STATUS_INTERNAL);
            assert_string_equal(errors[i]->cause, "shelf_look: SQLSTATE 22012: division by zero");
            continue;
        }
        assert_null(errors[i]);
        assert_int_equal(lookings[i].found, lookings[i].place);
    }
}

/* What the server's log shows as %a; pg_stat_activity has it from there. */
static const struct pg_statement what_is_shown = {
    .name = "what_is_shown",
    .sql = "SELECT current_setting('application_name') AS shown",
    .is_lookup = true,
};

struct showing {
    bool is_sampled;
    bool is_write;
    bool is_first;
    const char *trace;
    const char *shown;
};

static const struct error *show(struct call *call, void *arg)
{
    struct showing *showing = arg;
    struct pg_rows rows;

    if (showing->is_first)
        TRY(pg_read(call, UUID_NIL, &wait_a_moment, (struct pg_params){0}, &rows));
    else
        fiber_sleep(100 * US_PER_MS);
    call->sampled = showing->is_sampled;
    if (showing->is_write)
        TRY(pg_write(call, UUID_NIL, &what_is_shown, (struct pg_params){0}, &rows));
    else
        TRY(pg_read(call, UUID_NIL, &what_is_shown, (struct pg_params){0}, &rows));
    showing->shown = pg_get_text(&rows, 0, "shown");
    showing->trace = call->trace;
    return NULL;
}

static void shows_the_trace_of_a_call_that_is_followed(void **state)
{
    struct db_fixture *f = *state;
    struct showing showings[MANY];
    const struct error *errors[MANY];

    for (size_t i = 0; i < MANY; i++)
        showings[i] =
            (struct showing){.is_first = i == 0, .is_sampled = i % 3 == 0, .is_write = i % 2 == 0};
    db_run_all(f, show, showings, sizeof(showings[0]), MANY, errors);

    for (size_t i = 0; i < MANY; i++) {
        assert_null(errors[i]);
        if (showings[i].is_sampled)
            assert_string_equal(showings[i].shown, db_printf(f, "dues %s", showings[i].trace));
        else
            assert_string_equal(showings[i].shown,
                                showings[i].is_write ? "duesd pg-write-0" : "duesd pg-read-0");
    }
}

/* A number in what the lanes tell about themselves. */
static int64_t told(struct db_fixture *f, const char *sample)
{
    struct measures *measures = measures_new();
    size_t size = 0;

    pg_measure(f->house.pg, measures);
    const char *line = strstr(measures_text(measures, &size), sample);
    int64_t number = line == NULL ? -1 : strtoll(line + strlen(sample), NULL, 10);
    measures_free(measures);
    return number;
}

static void tells_what_the_lanes_did(void **state)
{
    struct db_fixture *f = *state;
    struct uuid customer = given_shelf(f, "CASE p WHEN 1 THEN 0 ELSE p END");
    struct looking lookings[MANY] = {0};
    const struct error *errors[MANY];
    int64_t answered = told(f, "dues_lane_ops_total{kind=\"read\",outcome=\"answered\"} ");
    int64_t refused = told(f, "dues_lane_ops_total{kind=\"read\",outcome=\"refused\"} ");
    int64_t large = told(f, "dues_lane_batches_total{kind=\"read\",ops=\"64\"} ");
    int64_t again = told(f, "dues_lane_ops_run_again_total{kind=\"read\"} ");

    for (size_t i = 0; i < MANY; i++)
        lookings[i] = (struct looking){.customer = customer, .place = 1 + (int64_t)i};
    look_up_all(f, lookings, errors);

    /* The slow read too; the one that failed did so once with the others and once by itself. */
    assert_int_equal(told(f, "dues_lane_ops_total{kind=\"read\",outcome=\"answered\"} "),
                     answered + MANY);
    assert_int_equal(told(f, "dues_lane_ops_total{kind=\"read\",outcome=\"refused\"} "),
                     refused + 1);
    assert_true(told(f, "dues_lane_batches_total{kind=\"read\",ops=\"64\"} ") > large);
    assert_int_equal(told(f, "dues_lane_queue_length{kind=\"read\"} "), 0);
    assert_int_equal(told(f, "dues_lanes_ready{kind=\"write\"} "), 1);
    assert_true(told(f, "dues_lane_connects_total{kind=\"read\"} ") >= 1);
    assert_true(told(f, "dues_lane_ops_run_again_total{kind=\"read\"} ") >= again);
}

static int setup(void **state)
{
    *state = db_fixture_new(&(struct db_options){.write_lanes = 1, .read_lanes = 1});
    db_execute(*state, CREATE_SHELF);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_each_its_own_row),
        cmocka_unit_test(spoils_only_the_one_that_fails),
        cmocka_unit_test(shows_the_trace_of_a_call_that_is_followed),
        cmocka_unit_test(tells_what_the_lanes_did),
    };
    return cmocka_run_group_tests_name("sets of look-ups", tests, setup, db_teardown);
}
