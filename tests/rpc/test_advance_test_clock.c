/*
 * AdvanceTestClock over the wire: forward only, everything due on the way done, in order.  What the
 * renewals themselves do is in test_renewal.c and test_dunning.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/time.h"
#include "support/patience.h"
#include "support/rpc_membership.h"

typedef Dues__Sandbox__V1__TestClock TestClock;

#define MONTHLY "plans/premium-monthly"
#define START   "2026-01-10T10:00:00Z"

static const char *clock_id(const char *name)
{
    return name + strlen("testClocks/");
}

static const struct dues_answer *ask(struct rpc_fixture *f, const char *name, int64_t time_us,
                                     const char *request_id)
{
    Dues__Sandbox__V1__AdvanceTestClockRequest request =
        DUES__SANDBOX__V1__ADVANCE_TEST_CLOCK_REQUEST__INIT;
    Google__Protobuf__Timestamp time = GOOGLE__PROTOBUF__TIMESTAMP__INIT;

    time.seconds = time_us / US_PER_SECOND;
    request.name = member_text(f, name);
    request.target_time = time_us == 0 ? NULL : &time;
    request.request_id = member_text(f, request_id);
    return rpc_ask(f, AS(SERVICE_BILLING), &dues__sandbox__v1__sandbox_service__descriptor,
                   "AdvanceTestClock", &request.base);
}

static void answers_with_the_clock_at_its_target(void **state)
{
    struct rpc_fixture *f = *state;
    const char *name = given_clock(f, time_of(START));

    const struct dues_answer *answer = ask(f, name, time_of("2027-01-10T10:00:00Z"), "");

    assert_int_equal(answer->status, DUES_OK);
    const TestClock *clock = (const TestClock *)answer->reply;
    assert_true(time_in(clock->clock_time) == time_of("2027-01-10T10:00:00Z"));
    assert_int_equal(clock->state, DUES__SANDBOX__V1__TEST_CLOCK__STATE__STATE_READY);
}

static void each_thing_happens_at_its_own_time_and_in_order(void **state)
{
    struct rpc_fixture *f = *state;
    const char *clock = given_clock(f, time_of(START));
    const char *early = given_customer(f, clock);
    given_membership(f, early, MONTHLY, given_card(f, early, "tok_visa"));
    advance(f, clock, time_of(START) + US_PER_DAY);
    const char *late = given_customer(f, clock);
    given_membership(f, late, MONTHLY, given_card(f, late, "tok_visa"));

    advance(f, clock, time_of("2026-04-30T10:00:00Z"));

    /* Events are only ever added, so they lie in the order of writing. */
    assert_int_equal(
        db_number(f->db, db_printf(f->db,
                                   "SELECT count(*) FROM (SELECT create_time < lag(create_time)"
                                   "   OVER (ORDER BY ctid) AS back FROM dues.event"
                                   "  WHERE customer_id IN ('%s', '%s')) t WHERE back",
                                   customer_id_of(f, early), customer_id_of(f, late))),
        0);
    assert_int_equal(charges_of(f, early), 4);
    assert_int_equal(charges_of(f, late), 4);
    assert_int_equal(db_count(f->db, db_printf(f->db,
                                               "dues.payment WHERE customer_id = '%s'"
                                               " AND create_time = '2026-03-11T10:00:00Z'",
                                               customer_id_of(f, late))),
                     1);
}

static void refuses_to_go_back_or_too_far(void **state)
{
    struct rpc_fixture *f = *state;
    const char *name = given_clock(f, time_of(START));

    const struct dues_answer *back = ask(f, name, time_of(START) - US_PER_SECOND, "");
    const struct dues_answer *far =
        ask(f, name, time_of(START) + 731 * US_PER_DAY + US_PER_SECOND, "");
    const struct dues_answer *unset = ask(f, name, 0, "");

    assert_int_equal(back->status, DUES_FAILED_PRECONDITION);
    assert_string_equal(back->reason, "TEST_CLOCK_BACKWARDS");
    assert_int_equal(far->status, DUES_OUT_OF_RANGE);
    assert_string_equal(far->reason, "TEST_CLOCK_TOO_FAR");
    assert_true(answer_names(unset, "target_time"));
    assert_int_equal(ask(f, name, time_of(START) + 731 * US_PER_DAY, "")->status, DUES_OK);
}

static void refuses_an_unknown_clock(void **state)
{
    struct rpc_fixture *f = *state;
    const char *nothing = rpc_printf(f, "testClocks/%s", db_uuid_text(f->db, db_uuid(f->db)));

    assert_string_equal(ask(f, nothing, time_of(START), "")->reason, "TEST_CLOCK_NOT_FOUND");
}

static void a_second_advance_is_refused_while_one_runs(void **state)
{
    struct rpc_fixture *f = *state;
    const char *name = given_clock(f, time_of(START));
    db_execute(f->db, db_printf(f->db,
                                "UPDATE dues.test_clock SET target_time = clock_time + '1 day',"
                                " lease_until = now() + '1 hour' WHERE test_clock_id = '%s'",
                                clock_id(name)));

    const struct dues_answer *answer = ask(f, name, time_of(START) + US_PER_DAY, "");

    assert_int_equal(answer->status, DUES_ABORTED);
    assert_string_equal(answer->reason, "TEST_CLOCK_BUSY");
    const struct dues_answer *read = ask_by_name(f, AS(SERVICE_BILLING), "GetTestClock", name);
    assert_int_equal(((const TestClock *)read->reply)->state,
                     DUES__SANDBOX__V1__TEST_CLOCK__STATE__STATE_ADVANCING);
}

/* What a crash leaves behind: a target, and a lease that is over. */
static void an_advance_cut_short_goes_on_by_itself(void **state)
{
    struct rpc_fixture *f = *state;
    const char *name = given_clock(f, time_of(START));
    const char *customer = given_customer(f, name);
    given_membership(f, customer, MONTHLY, given_card(f, customer, "tok_visa"));

    db_execute(f->db, db_printf(f->db,
                                "UPDATE dues.test_clock SET target_time = '2026-05-10T10:00:00Z',"
                                " epoch = epoch + 1, lease_until = now() - '1 second'::interval"
                                " WHERE test_clock_id = '%s'",
                                clock_id(name)));
    const TestClock *clock = NULL;
    struct patience patience = {0};
    do {
        clock = (const TestClock *)ask_by_name(f, AS(SERVICE_BILLING), "GetTestClock", name)->reply;
    } while (clock->state != DUES__SANDBOX__V1__TEST_CLOCK__STATE__STATE_READY &&
             patience_lasts(&patience));

    assert_true(time_in(clock->clock_time) == time_of("2026-05-10T10:00:00Z"));
    assert_int_equal(charges_of(f, customer), 5);
}

static void answers_a_repeated_request_byte_for_byte(void **state)
{
    struct rpc_fixture *f = *state;
    const char *name = given_clock(f, time_of(START));
    const char *request_id = new_request_id(f);
    const struct dues_answer *first = ask(f, name, time_of(START) + US_PER_DAY, request_id);
    ask(f, name, time_of(START) + 2 * US_PER_DAY, "");

    const struct dues_answer *second = ask(f, name, time_of(START) + US_PER_DAY, request_id);

    assert_int_equal(second->status, DUES_OK);
    assert_true(second->replayed);
    assert_memory_equal(second->reply_bytes, first->reply_bytes, first->reply_size);
    assert_string_equal(ask(f, name, time_of(START) + 3 * US_PER_DAY, request_id)->reason,
                        "REQUEST_ID_REUSED");
}

static void what_cannot_be_done_stops_the_clock_and_is_named(void **state)
{
    struct rpc_fixture *f = *state;
    const char *name = given_clock(f, time_of(START));
    const char *customer = given_customer(f, name);
    const char *id = customer_id_of(f, customer);
    db_execute(f->db,
               db_printf(f->db,
                         "INSERT INTO dues.obligation (customer_id, kind, business_key, bucket,"
                         " subject_id, due_time, test_clock_id, create_time) VALUES ('%s',"
                         " 'no.such.kind', 'k', 0, '%s', '2026-01-12T00:00:00Z', '%s', now())",
                         id, id, clock_id(name)));

    const struct dues_answer *answer = ask(f, name, time_of("2026-02-10T10:00:00Z"), "");

    assert_int_equal(answer->status, DUES_FAILED_PRECONDITION);
    assert_string_equal(answer->reason, "TEST_CLOCK_STUCK");
    assert_non_null(strstr(answer->message, "no.such.kind k"));
    const TestClock *clock =
        (const TestClock *)ask_by_name(f, AS(SERVICE_BILLING), "GetTestClock", name)->reply;
    assert_true(time_in(clock->clock_time) == time_of("2026-01-12T00:00:00Z"));
    assert_int_equal(clock->state, DUES__SANDBOX__V1__TEST_CLOCK__STATE__STATE_READY);
}

struct racer {
    struct rpc_fixture *f;
    const char *clock;
    const struct dues_answer *answer;
};

static void *race(void *arg)
{
    struct racer *racer = arg;

    racer->answer = ask_advance(racer->f, racer->clock, time_of("2026-07-10T10:00:00Z"));
    return NULL;
}

static void racing_advances_charge_each_period_once(void **state)
{
    struct rpc_fixture *f = *state;
    const char *clock = given_clock(f, time_of(START));
    const char *customer = given_customer(f, clock);
    given_membership(f, customer, MONTHLY, given_card(f, customer, "tok_visa"));
    struct racer racers[4];

    for (int i = 0; i < 4; i++)
        racers[i] = (struct racer){f, clock, NULL};
    rpc_race(race, racers, 4, sizeof(racers[0]));

    for (int i = 0; i < 4; i++) {
        if (racers[i].answer->status != DUES_OK)
            assert_string_equal(racers[i].answer->reason, "TEST_CLOCK_BUSY");
    }
    assert_int_equal(charges_of(f, customer), 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_with_the_clock_at_its_target),
        cmocka_unit_test(each_thing_happens_at_its_own_time_and_in_order),
        cmocka_unit_test(refuses_to_go_back_or_too_far),
        cmocka_unit_test(refuses_an_unknown_clock),
        cmocka_unit_test(a_second_advance_is_refused_while_one_runs),
        cmocka_unit_test(an_advance_cut_short_goes_on_by_itself),
        cmocka_unit_test(answers_a_repeated_request_byte_for_byte),
        cmocka_unit_test(what_cannot_be_done_stops_the_clock_and_is_named),
        cmocka_unit_test(racing_advances_charge_each_period_once),
    };
    return cmocka_run_group_tests_name("AdvanceTestClock", tests, members_setup, rpc_teardown);
}
