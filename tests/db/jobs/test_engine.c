/*
 * The engine in wall time: each obligation is run once, whoever looks; what fails comes again; what
 * a crash leaves is taken over; a lost lease writes nothing.
 */
#include "jobs_fixture.h"

#include <stdlib.h>

#include "base/text.h"

static void what_is_due_is_run_once_and_is_gone(void **state)
{
    struct db_fixture *f = *state;
    struct uuid customer = given_due(f, "test.note", "a");
    struct jobs *jobs = given_engine(f);

    jobs_start(jobs);
    assert_true(wait_for_left(f, 0));
    stop_engine(jobs);

    assert_int_equal(runs_count(), 1);
    assert_true(uuid_equal(runs.list[0].obligation.customer, customer));
    assert_int_equal(runs.list[0].obligation.epoch, 1);
    assert_true(runs.list[0].obligation.now_us == clock_wall_us(f->house.clock));
}

static void what_is_not_due_waits_for_its_time(void **state)
{
    struct db_fixture *f = *state;
    int64_t due_us = clock_wall_us(f->house.clock) + US_PER_HOUR;
    given_obligation(f, db_given_customer(f, UUID_NIL), "test.note", "later", due_us, UUID_NIL);
    struct jobs *jobs = given_engine(f);

    jobs_start(jobs);
    usleep(150000);
    size_t before = runs_count();
    fake_clock_advance(&f->clock, US_PER_HOUR);
    bool done = wait_for_runs(1);
    stop_engine(jobs);

    assert_int_equal(before, 0);
    assert_true(done);
}

static const char *list_due_sql(void)
{
    for (size_t i = 0; jobs_statements[i] != NULL; i++) {
        if (text_equal(jobs_statements[i]->name, "obligation_list_due"))
            return jobs_statements[i]->sql;
    }
    return NULL;
}

/* "Shared Hit Blocks": 7, the first of them is the whole plan's. */
static int64_t blocks(const char *plan, const char *name)
{
    const char *at = strstr(plan, name);

    return at == NULL ? -1 : strtoll(at + strlen(name), NULL, 10);
}

static void looking_for_what_is_due_does_not_read_the_future(void **state)
{
    struct db_fixture *f = *state;
    const char *customer = db_uuid_text(f, db_given_customer(f, UUID_NIL));
    db_execute(f, db_printf(f,
                            "SET search_path = dues;"
                            "INSERT INTO obligation (customer_id, kind, business_key, bucket,"
                            " subject_id, due_time, create_time)"
                            " SELECT '%s', 'test.note', n, n %% 64, '%s', now() + n * interval"
                            " '1 s', now() FROM generate_series(1, 64000) n;"
                            "ANALYZE obligation;"
                            "PREPARE look (integer, integer, timestamptz, bigint) AS %s",
                            customer, customer, list_due_sql()));

    const char *plan = db_text(
        f,
        "EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) EXECUTE look (0, 7, now() - interval '1 s', 64)");

    assert_in_range(
        blocks(plan, "\"Shared Hit Blocks\": ") + blocks(plan, "\"Shared Read Blocks\": "), 1, 40);
}

static void two_engines_run_each_once(void **state)
{
    struct db_fixture *f = *state;
    enum { COUNT = 300 };
    for (int i = 0; i < COUNT; i++)
        given_due(f, "test.note", db_printf(f, "k%d", i));
    struct jobs *first = given_engine(f);
    struct jobs *second = given_engine(f);

    jobs_start(first);
    jobs_start(second);
    bool done = wait_for_left(f, 0);
    stop_engine(first);
    stop_engine(second);

    assert_true(done);
    assert_int_equal(runs_count(), COUNT);
    for (int i = 0; i < COUNT; i++)
        assert_int_equal(runs_of(db_printf(f, "k%d", i)), 1);
}

static void what_fails_comes_again_later(void **state)
{
    struct db_fixture *f = *state;
    given_due(f, "test.fail", "a");
    struct jobs *jobs = given_engine(f);

    jobs_start(jobs);
    assert_true(wait_for_runs(1));
    AWAIT(db_count(f, "dues.obligation WHERE failure_count = 1") > 0);
    fake_clock_advance(&f->clock, US_PER_MINUTE);
    bool again = wait_for_runs(2);
    stop_engine(jobs);

    assert_true(again);
    assert_int_equal(runs.list[1].obligation.failure_count, 1);
    assert_string_equal(db_text(f, "SELECT last_failure FROM dues.obligation"),
                        "UNAVAILABLE GATEWAY_UNAVAILABLE: never works");
    assert_int_equal(db_count(f, "dues.obligation WHERE lease_until IS NULL"), 1);
}

static void an_unknown_kind_stays_owed(void **state)
{
    struct db_fixture *f = *state;
    given_due(f, "test.unheard", "a");
    struct jobs *jobs = given_engine(f);

    jobs_start(jobs);
    AWAIT(db_count(f, "dues.obligation WHERE failure_count > 0") > 0);
    stop_engine(jobs);

    assert_int_equal(db_count(f, "dues.obligation WHERE failure_count = 1"), 1);
}

static void what_a_crash_left_is_taken_over_when_its_lease_is_over(void **state)
{
    struct db_fixture *f = *state;
    given_due(f, "test.note", "a");
    db_execute(f, "UPDATE dues.obligation SET epoch = 7,"
                  " lease_until = clock_timestamp() + interval '1 hour'");
    struct jobs *jobs = given_engine(f);

    jobs_start(jobs);
    usleep(100000);
    size_t early = runs_count();
    db_execute(f, "UPDATE dues.obligation SET"
                  " lease_until = clock_timestamp() + interval '300 ms'");
    bool done = wait_for_left(f, 0);
    stop_engine(jobs);

    assert_int_equal(early, 0);
    assert_true(done);
    assert_int_equal(runs.list[0].obligation.epoch, 8);
}

static void what_returns_without_a_step_is_run_again(void **state)
{
    struct db_fixture *f = *state;
    f->settings.job_lease_ms = 1200;
    given_due(f, "test.hang", "a");
    struct jobs *jobs = given_engine(f);

    jobs_start(jobs);
    bool again = wait_for_runs(2);
    stop_engine(jobs);

    assert_true(again);
    assert_int_equal(runs.list[0].obligation.epoch, 1);
    assert_int_equal(runs.list[1].obligation.epoch, 2);
}

/* What a runner that lost its lease still tries. */
static const struct error *finish_late(struct call *call, void *arg)
{
    return jobs_finish(call, arg);
}

static const struct error *move_late(struct call *call, void *arg)
{
    const struct obligation *obligation = arg;

    return jobs_move(call, obligation, obligation->due_us + US_PER_DAY);
}

static void a_lost_lease_writes_nothing(void **state)
{
    struct db_fixture *f = *state;
    struct obligation stale = {.customer = given_due(f, "test.note", "a"),
                               .kind = "test.note",
                               .business_key = "a",
                               .epoch = 1};
    db_execute(f, "UPDATE dues.obligation SET epoch = 2");
    const char *before = db_text(f, "SELECT o::text FROM dues.obligation o");

    assert_null(db_run(f, finish_late, &stale));
    assert_null(db_run(f, move_late, &stale));

    assert_string_equal(db_text(f, "SELECT o::text FROM dues.obligation o"), before);
}

static const char *claim(struct db_fixture *f, const char *claimer, int epoch)
{
    return db_text(f, db_printf(f,
                                "SELECT dues.obligation_claim(customer_id, kind, business_key, %d,"
                                " 60000, '00000000-0000-7000-8000-%s')::text FROM dues.obligation",
                                epoch, claimer));
}

static void a_claim_run_again_after_a_lost_commit_answers_as_before(void **state)
{
    struct db_fixture *f = *state;
    given_due(f, "test.note", "a");

    const char *first = claim(f, "00000000000a", 0);
    const char *again = claim(f, "00000000000a", 0);
    const char *other = claim(f, "00000000000b", 0);
    const char *later = claim(f, "00000000000a", 1);

    assert_string_equal(first, "1");
    assert_string_equal(again, "1");
    assert_string_equal(other, "");
    assert_string_equal(later, "");
}

static void a_hint_is_followed_at_once(void **state)
{
    struct db_fixture *f = *state;
    f->settings.job_poll_ms = 600000;
    struct jobs *jobs = given_engine(f);
    jobs_start(jobs);
    usleep(200000);
    given_due(f, "test.note", "a");

    jobs_wake(jobs);
    bool done = wait_for_runs(1);
    stop_engine(jobs);

    assert_true(done);
}

static void no_more_run_at_once_than_allowed(void **state)
{
    struct db_fixture *f = *state;
    f->settings.jobs_max = 5;
    f->settings.job_poll_ms = 600000; /* what is left over is found without waiting for the poll */
    for (int i = 0; i < 40; i++)
        given_due(f, "test.slow", db_printf(f, "k%d", i));
    struct jobs *jobs = given_engine(f);

    jobs_start(jobs);
    bool done = wait_for_left(f, 0);
    stop_engine(jobs);

    assert_true(done);
    assert_int_equal(runs_count(), 40);
    assert_true(runs.at_once_max <= 5);
}

static void stopping_waits_for_what_runs(void **state)
{
    struct db_fixture *f = *state;
    for (int i = 0; i < 10; i++)
        given_due(f, "test.slow", db_printf(f, "k%d", i));
    struct jobs *jobs = given_engine(f);
    jobs_start(jobs);
    AWAIT(db_count(f, "dues.obligation WHERE epoch > 0") > 0);

    stop_engine(jobs);

    size_t count = runs_count();
    assert_true(count > 0);
    assert_int_equal(db_count(f, "dues.obligation WHERE lease_until IS NOT NULL"), 0);
    usleep(100000);
    assert_int_equal(runs_count(), count);
}

static void obligations_on_a_clock_are_left_alone(void **state)
{
    struct db_fixture *f = *state;
    struct uuid clock = db_given_test_clock(f, clock_wall_us(f->house.clock));
    given_obligation(f, db_given_customer(f, clock), "test.note", "a",
                     clock_wall_us(f->house.clock) - US_PER_DAY, clock);
    struct jobs *jobs = given_engine(f);

    jobs_start(jobs);
    usleep(200000);
    stop_engine(jobs);

    assert_int_equal(runs_count(), 0);
    assert_int_equal(db_count(f, "dues.obligation WHERE epoch = 0"), 1);
}

#define JOB_TEST(name) cmocka_unit_test_setup(name, jobs_begin)

int main(void)
{
    const struct CMUnitTest tests[] = {
        JOB_TEST(what_is_due_is_run_once_and_is_gone),
        JOB_TEST(what_is_not_due_waits_for_its_time),
        JOB_TEST(looking_for_what_is_due_does_not_read_the_future),
        JOB_TEST(two_engines_run_each_once),
        JOB_TEST(what_fails_comes_again_later),
        JOB_TEST(an_unknown_kind_stays_owed),
        JOB_TEST(what_a_crash_left_is_taken_over_when_its_lease_is_over),
        JOB_TEST(what_returns_without_a_step_is_run_again),
        JOB_TEST(a_lost_lease_writes_nothing),
        JOB_TEST(a_claim_run_again_after_a_lost_commit_answers_as_before),
        JOB_TEST(a_hint_is_followed_at_once),
        JOB_TEST(no_more_run_at_once_than_allowed),
        JOB_TEST(stopping_waits_for_what_runs),
        JOB_TEST(obligations_on_a_clock_are_left_alone),
    };
    return cmocka_run_group_tests_name("job engine", tests, db_setup, db_teardown);
}
