/*
 * Advancing a test clock: in order, each at its own time, one advance at a time, and what is open
 * at a gateway is settled before time moves on.
 */
#include "jobs_fixture.h"

#include "jobs/engine.h"

#define START_US (1767225600LL * US_PER_SECOND)
#define DAY(n)   (START_US + (n)*US_PER_DAY)

struct advance_call {
    struct uuid clock;
    int64_t target_us;
    const char *reason; /* why it was refused; "" when it was not */
};

static const struct error *run_advance(struct call *call, void *arg)
{
    struct advance_call *advance = arg;
    const struct error *error = jobs_advance(call, advance->clock, advance->target_us);

    advance->reason = error == NULL ? "" : error->reason;
    return error;
}

static const char *advance(struct db_fixture *f, struct uuid clock, int64_t target_us)
{
    struct advance_call advance = {clock, target_us, ""};

    db_run(f, run_advance, &advance);
    return advance.reason;
}

static int64_t clock_time(struct db_fixture *f, struct uuid clock)
{
    return db_number(f, db_printf(f,
                                  "SELECT (extract(epoch FROM clock_time) * 1000000)::bigint"
                                  "  FROM dues.test_clock WHERE test_clock_id = '%s'",
                                  db_uuid_text(f, clock)));
}

static void all_is_run_in_order_at_its_own_time(void **state)
{
    struct db_fixture *f = *state;
    struct uuid clock = db_given_test_clock(f, START_US);
    struct uuid customer = db_given_customer(f, clock);
    struct jobs *jobs = given_engine(f);
    given_obligation(f, customer, "test.note", "third", DAY(3), clock);
    given_obligation(f, customer, "test.note", "first", DAY(1), clock);
    given_obligation(f, db_given_customer(f, clock), "test.note", "second", DAY(2), clock);
    given_obligation(f, customer, "test.note", "too late", DAY(5) + 1, clock);
    given_obligation(f, customer, "test.note", "at the target", DAY(5), clock);

    const char *reason = advance(f, clock, DAY(5));
    stop_engine(jobs);

    assert_string_equal(reason, "");
    assert_int_equal(runs_count(), 4);
    assert_string_equal(runs.list[0].key, "first");
    assert_string_equal(runs.list[1].key, "second");
    assert_string_equal(runs.list[2].key, "third");
    assert_string_equal(runs.list[3].key, "at the target");
    for (size_t i = 0; i < 4; i++)
        assert_true(runs.list[i].obligation.now_us == runs.list[i].obligation.due_us);
    assert_true(clock_time(f, clock) == DAY(5));
}

static void what_a_run_makes_due_is_run_too(void **state)
{
    struct db_fixture *f = *state;
    struct uuid clock = db_given_test_clock(f, START_US);
    given_obligation(f, db_given_customer(f, clock), "test.again", "daily", DAY(1), clock);
    struct jobs *jobs = given_engine(f);

    const char *reason = advance(f, clock, DAY(10));
    stop_engine(jobs);

    assert_string_equal(reason, "");
    assert_int_equal(runs_count(), 10);
    assert_true(runs.list[9].obligation.now_us == DAY(10));
}

static void other_clocks_stand_still(void **state)
{
    struct db_fixture *f = *state;
    struct uuid clock = db_given_test_clock(f, START_US);
    struct uuid other = db_given_test_clock(f, START_US);
    given_obligation(f, db_given_customer(f, other), "test.note", "other", DAY(1), other);
    struct jobs *jobs = given_engine(f);

    advance(f, clock, DAY(10));
    stop_engine(jobs);

    assert_int_equal(runs_count(), 0);
    assert_true(clock_time(f, other) == START_US);
}

static void what_is_open_in_wall_time_is_settled_first(void **state)
{
    struct db_fixture *f = *state;
    struct uuid clock = db_given_test_clock(f, START_US);
    struct uuid customer = db_given_customer(f, clock);
    given_obligation(f, customer, "test.note", "renewal", DAY(1), clock);
    /* Not due for an hour: an answer that a gateway still owes. */
    given_obligation(f, customer, "test.note", "resolve",
                     clock_wall_us(f->house.clock) + US_PER_HOUR, UUID_NIL);
    struct jobs *jobs = given_engine(f);

    const char *reason = advance(f, clock, DAY(2));
    stop_engine(jobs);

    assert_string_equal(reason, "");
    assert_int_equal(runs_count(), 2);
    assert_string_equal(runs.list[0].key, "resolve");
    assert_string_equal(runs.list[1].key, "renewal");
}

static void what_is_due_at_one_moment_is_run_at_once(void **state)
{
    struct db_fixture *f = *state;
    struct uuid clock = db_given_test_clock(f, START_US);
    for (int i = 0; i < 40; i++)
        given_obligation(f, db_given_customer(f, clock), "test.slow", "k", DAY(1), clock);
    f->settings.jobs_max = 10;
    struct jobs *jobs = given_engine(f);

    const char *reason = advance(f, clock, DAY(2));
    stop_engine(jobs);

    assert_string_equal(reason, "");
    assert_int_equal(runs_count(), 40);
    assert_true(runs.at_once_max > 1);
    assert_true(runs.at_once_max <= 10);
}

static void what_a_customer_owes_at_one_moment_stays_in_order(void **state)
{
    struct db_fixture *f = *state;
    struct uuid clock = db_given_test_clock(f, START_US);
    struct uuid customer = db_given_customer(f, clock);
    for (int i = 0; i < 20; i++)
        given_obligation(f, db_given_customer(f, clock), "test.slow", "other", DAY(1), clock);
    given_obligation(f, customer, "test.slow", "c", DAY(1), clock);
    given_obligation(f, customer, "test.slow", "a", DAY(1), clock);
    given_obligation(f, customer, "test.slow", "b", DAY(1), clock);
    struct jobs *jobs = given_engine(f);

    const char *reason = advance(f, clock, DAY(2));
    stop_engine(jobs);

    assert_string_equal(reason, "");
    assert_int_equal(runs_count(), 23);
    const char *expected = "a";
    for (size_t i = 0; i < 23; i++) {
        if (strcmp(runs.list[i].key, "other") == 0)
            continue;
        assert_string_equal(runs.list[i].key, expected);
        expected = strcmp(expected, "a") == 0 ? "b" : "c";
    }
}

static void a_moment_with_more_than_one_look_shows_is_run_whole(void **state)
{
    struct db_fixture *f = *state;
    struct uuid clock = db_given_test_clock(f, START_US);
    const char *clock_id = db_uuid_text(f, clock);
    db_execute(f, db_printf(f,
                            "WITH c AS (INSERT INTO dues.customer (customer_id, display_name,"
                            " test_clock_id, create_time) SELECT md5('many' || n)::uuid, '', '%s',"
                            " now() FROM generate_series(1, 1700) n RETURNING customer_id)"
                            " INSERT INTO dues.obligation (customer_id, kind, business_key, bucket,"
                            " subject_id, due_time, test_clock_id, create_time)"
                            " SELECT customer_id, 'test.note', 'k', 0, customer_id,"
                            " timestamptz '2026-01-02Z', '%s', now() FROM c",
                            clock_id, clock_id));
    struct jobs *jobs = given_engine(f);

    const char *reason = advance(f, clock, DAY(2));
    stop_engine(jobs);

    assert_string_equal(reason, "");
    assert_int_equal(runs_count(), 1700);
    assert_int_equal(db_count(f, "dues.obligation"), 0);
}

static void what_is_due_at_one_moment_again_and_again_stops_the_clock(void **state)
{
    struct db_fixture *f = *state;
    struct uuid clock = db_given_test_clock(f, START_US);
    given_obligation(f, db_given_customer(f, clock), "test.spin", "k", DAY(1), clock);
    struct jobs *jobs = given_engine(f);

    const char *reason = advance(f, clock, DAY(2));
    stop_engine(jobs);

    assert_string_equal(reason, "TEST_CLOCK_STUCK");
    assert_true(clock_time(f, clock) == DAY(1));
}

static void what_fails_does_not_keep_others_from_their_moment(void **state)
{
    struct db_fixture *f = *state;
    struct uuid clock = db_given_test_clock(f, START_US);
    given_obligation(f, db_given_customer(f, clock), "test.fail", "bad", DAY(1), clock);
    given_obligation(f, db_given_customer(f, clock), "test.note", "good", DAY(1), clock);
    struct jobs *jobs = given_engine(f);

    const char *reason = advance(f, clock, DAY(2));
    stop_engine(jobs);

    assert_string_equal(reason, "TEST_CLOCK_STUCK");
    assert_int_equal(runs_of("good"), 1);
    assert_true(runs_of("bad") > 1);
}

static void a_kind_that_guards_itself_is_not_claimed(void **state)
{
    struct db_fixture *f = *state;
    struct uuid clock = db_given_test_clock(f, START_US);
    struct uuid customer = db_given_customer(f, clock);
    given_obligation(f, customer, "test.guarded", "guarded", DAY(1), clock);
    given_obligation(f, customer, "test.note", "claimed", DAY(1), clock);
    struct jobs *jobs = given_engine(f);

    const char *reason = advance(f, clock, DAY(2));
    stop_engine(jobs);

    assert_string_equal(reason, "");
    assert_int_equal(runs_count(), 2);
    assert_int_equal(runs.list[0].obligation.epoch, 0);
    assert_int_equal(runs.list[1].obligation.epoch, 1);
}

static void what_always_fails_stops_the_clock_there(void **state)
{
    struct db_fixture *f = *state;
    struct uuid clock = db_given_test_clock(f, START_US);
    struct uuid customer = db_given_customer(f, clock);
    given_obligation(f, customer, "test.fail", "bad", DAY(2), clock);
    given_obligation(f, customer, "test.note", "after", DAY(3), clock);
    struct jobs *jobs = given_engine(f);

    const char *reason = advance(f, clock, DAY(5));
    stop_engine(jobs);

    assert_string_equal(reason, "TEST_CLOCK_STUCK");
    assert_int_equal(runs_of("after"), 0);
    assert_true(clock_time(f, clock) == DAY(2));
    assert_int_equal(db_count(f, "dues.test_clock WHERE target_time IS NOT NULL"), 0);
}

static void a_lease_left_by_a_crash_is_waited_for(void **state)
{
    struct db_fixture *f = *state;
    struct uuid clock = db_given_test_clock(f, START_US);
    given_obligation(f, db_given_customer(f, clock), "test.note", "a", DAY(1), clock);
    db_execute(f, "UPDATE dues.obligation SET epoch = 3,"
                  " lease_until = clock_timestamp() + interval '400 ms'");
    struct jobs *jobs = given_engine(f);

    const char *reason = advance(f, clock, DAY(2));
    stop_engine(jobs);

    assert_string_equal(reason, "");
    assert_int_equal(runs_count(), 1);
    assert_int_equal(runs.list[0].obligation.epoch, 4);
}

static void one_of_two_advances_at_once_is_refused(void **state)
{
    struct db_fixture *f = *state;
    struct uuid clock = db_given_test_clock(f, START_US);
    struct uuid customer = db_given_customer(f, clock);
    for (int i = 0; i < 20; i++)
        given_obligation(f, customer, "test.slow", db_printf(f, "k%d", i), DAY(1), clock);
    struct advance_call calls[2] = {{clock, DAY(2), ""}, {clock, DAY(2), ""}};
    const struct error *errors[2];
    struct jobs *jobs = given_engine(f);

    db_run_all(f, run_advance, calls, sizeof(calls[0]), 2, errors);
    stop_engine(jobs);

    assert_true((errors[0] == NULL) != (errors[1] == NULL));
    assert_string_equal(errors[0] != NULL ? calls[0].reason : calls[1].reason, "TEST_CLOCK_BUSY");
    assert_int_equal(runs_count(), 20);
}

static void an_advance_that_lost_its_epoch_moves_nothing(void **state)
{
    struct db_fixture *f = *state;
    struct uuid clock = db_given_test_clock(f, START_US);
    db_execute(f, db_printf(f,
                            "UPDATE dues.test_clock SET epoch = 5, target_time = clock_time + "
                            " interval '9 days', lease_until = now() + interval '1 hour'"
                            " WHERE test_clock_id = '%s'",
                            db_uuid_text(f, clock)));

    assert_string_equal(
        db_text(f, db_printf(f,
                             "SELECT dues.test_clock_move('%s', 4, clock_time + interval '1 day',"
                             " 1000)::text FROM dues.test_clock WHERE test_clock_id = '%s'",
                             db_uuid_text(f, clock), db_uuid_text(f, clock))),
        "false");
    assert_true(clock_time(f, clock) == START_US);
}

static void a_stopping_server_leaves_the_rest_to_the_next(void **state)
{
    struct db_fixture *f = *state;
    struct uuid clock = db_given_test_clock(f, START_US);
    given_obligation(f, db_given_customer(f, clock), "test.again", "daily", DAY(1), clock);
    struct jobs *stopped = given_engine(f);
    jobs_stop(stopped, 5000);

    assert_string_equal(advance(f, clock, DAY(5)), "DEADLINE_EXCEEDED");
    jobs_close(stopped);
    struct jobs *next = given_engine(f);
    jobs_start(next);
    AWAIT(db_count(f, "dues.test_clock WHERE target_time IS NOT NULL") == 0);
    stop_engine(next);

    assert_true(clock_time(f, clock) == DAY(5));
    assert_int_equal(runs_count(), 5);
}

/* Of two customers, with no time left. */
static const struct error *run_too_late(struct call *call, void *arg)
{
    const struct obligation list[] = {
        {.customer = {{1}}, .kind = "test.note", .business_key = "first"},
        {.customer = {{2}}, .kind = "test.note", .business_key = "second"},
    };

    jobs_run_together(call->house->jobs, list, ARRAY_LENGTH(list), true,
                      clock_monotonic_us(call->house->clock), arg);
    return NULL;
}

static void nothing_is_begun_when_the_time_is_over(void **state)
{
    struct db_fixture *f = *state;
    struct jobs *jobs = given_engine(f);
    struct job_tally tally = {.done = -1};

    db_run(f, run_too_late, &tally);
    stop_engine(jobs);

    assert_int_equal(tally.done + tally.lost + tally.failed, 0);
    assert_int_equal(runs_count(), 0);
}

#define JOB_TEST(name) cmocka_unit_test_setup(name, jobs_begin)

int main(void)
{
    const struct CMUnitTest tests[] = {
        JOB_TEST(all_is_run_in_order_at_its_own_time),
        JOB_TEST(what_a_run_makes_due_is_run_too),
        JOB_TEST(other_clocks_stand_still),
        JOB_TEST(what_is_open_in_wall_time_is_settled_first),
        JOB_TEST(what_is_due_at_one_moment_is_run_at_once),
        JOB_TEST(what_a_customer_owes_at_one_moment_stays_in_order),
        JOB_TEST(a_moment_with_more_than_one_look_shows_is_run_whole),
        JOB_TEST(what_is_due_at_one_moment_again_and_again_stops_the_clock),
        JOB_TEST(what_fails_does_not_keep_others_from_their_moment),
        JOB_TEST(a_kind_that_guards_itself_is_not_claimed),
        JOB_TEST(what_always_fails_stops_the_clock_there),
        JOB_TEST(a_lease_left_by_a_crash_is_waited_for),
        JOB_TEST(one_of_two_advances_at_once_is_refused),
        JOB_TEST(an_advance_that_lost_its_epoch_moves_nothing),
        JOB_TEST(a_stopping_server_leaves_the_rest_to_the_next),
        JOB_TEST(nothing_is_begun_when_the_time_is_over),
    };
    return cmocka_run_group_tests_name("advancing clocks", tests, db_setup, db_teardown);
}
