/*
 * The scheduler and its end: what is due is started as places become free, and stopping says
 * whether something still runs.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdatomic.h>
#include <unistd.h>

#include "jobs/jobs.h"
#include "support/db_fixture.h"
#include "support/patience.h"

#define LONG_MS     60000
#define SLEEP_MS    1000
#define OBLIGATIONS 12

static atomic_int quick_runs;
static atomic_int slow_begun;

static const struct error *run_quick(struct call *call, const struct obligation *obligation)
{
    atomic_fetch_add(&quick_runs, 1);
    return jobs_finish(call, obligation);
}

static const struct error *run_slow(struct call *call, const struct obligation *obligation)
{
    atomic_fetch_add(&slow_begun, 1);
    fiber_sleep(SLEEP_MS * US_PER_MS);
    return jobs_finish(call, obligation);
}

static const struct job_kind quick = {.name = "test.quick", .run = run_quick};
static const struct job_kind slow = {.name = "test.slow", .run = run_slow};
static const struct job_kind *const kinds[] = {&quick, &slow};

struct fixture {
    struct db_fixture *db;
    struct jobs *jobs;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);

    f->db = db_fixture_new(&(struct db_options){0});
    f->db->settings.jobs_max = 1;
    f->db->settings.job_poll_ms = LONG_MS;
    f->db->settings.job_lease_ms = LONG_MS;
    f->jobs = jobs_open(&f->db->house, kinds, 2);
    f->db->house.jobs = f->jobs;
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    jobs_stop(f->jobs, LONG_MS);
    jobs_close(f->jobs);
    db_fixture_free(f->db);
    free(f);
    return 0;
}

static void given_due(struct fixture *f, const char *kind, int count)
{
    const char *customer = db_uuid_text(f->db, db_given_customer(f->db, UUID_NIL));

    db_execute(f->db, db_printf(f->db,
                                "INSERT INTO obligation (customer_id, kind, business_key, bucket,"
                                " subject_id, due_time, create_time)"
                                " SELECT '%s', '%s', i::text, 0, '%s', '2026-01-01', '2026-01-01'"
                                " FROM generate_series(1, %d) i",
                                customer, kind, customer, count));
}

static bool reaches(const atomic_int *counter, int value)
{
    AWAIT(atomic_load(counter) >= value);
    return atomic_load(counter) >= value;
}

static void starts_the_next_when_one_has_ended(void **state)
{
    struct fixture *f = *state;

    given_due(f, "test.quick", OBLIGATIONS);
    jobs_start(f->jobs);

    assert_true(reaches(&quick_runs, OBLIGATIONS));
    assert_true(jobs_stop(f->jobs, 5000));
    assert_int_equal(atomic_load(&quick_runs), OBLIGATIONS);
    assert_int_equal(db_count(f->db, "obligation"), 0);
}

static void says_when_something_still_runs(void **state)
{
    struct fixture *f = *state;

    given_due(f, "test.slow", 2);
    jobs_start(f->jobs);
    assert_true(reaches(&slow_begun, 1));

    assert_false(jobs_stop(f->jobs, 0));
    assert_true(jobs_stop(f->jobs, 5000));
    assert_int_equal(atomic_load(&slow_begun), 1);
    assert_int_equal(db_count(f->db, "obligation"), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(starts_the_next_when_one_has_ended, setup, teardown),
        cmocka_unit_test_setup_teardown(says_when_something_still_runs, setup, teardown),
    };

    return cmocka_run_group_tests_name("scheduler", tests, NULL, NULL);
}
