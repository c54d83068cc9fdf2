/*
 * DeleteTestClock over the wire: the clock goes, its customers stay in a time that stands still.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support/rpc_membership.h"

static const struct dues_answer *ask(struct rpc_fixture *f, const char *name,
                                     const char *request_id)
{
    Dues__Sandbox__V1__DeleteTestClockRequest request =
        DUES__SANDBOX__V1__DELETE_TEST_CLOCK_REQUEST__INIT;

    request.name = member_text(f, name);
    request.request_id = member_text(f, request_id);
    return rpc_ask(f, AS(SERVICE_BILLING), &dues__sandbox__v1__sandbox_service__descriptor,
                   "DeleteTestClock", &request.base);
}

static void its_customers_stay_and_owe_nothing_more(void **state)
{
    struct rpc_fixture *f = *state;
    const char *clock = given_clock(f, time_of("2026-01-10T10:00:00Z"));
    const char *customer = given_customer(f, clock);
    const Membership *membership =
        given_membership(f, customer, "plans/premium-monthly", given_card(f, customer, "tok_visa"));

    assert_int_equal(ask(f, clock, "")->status, DUES_OK);

    assert_string_equal(ask_by_name(f, AS(SERVICE_BILLING), "GetTestClock", clock)->reason,
                        "TEST_CLOCK_NOT_FOUND");
    assert_string_equal(ask_advance(f, clock, time_of("2027-01-10T10:00:00Z"))->reason,
                        "TEST_CLOCK_NOT_FOUND");
    assert_int_equal(membership_now(f, membership->name)->state, MEMBERSHIP_STATE(ACTIVE));
    assert_true(access_of(f, customer, "video.hd")->allowed);
    assert_int_equal(charges_of(f, customer), 1);
}

static void a_second_time_it_is_not_there(void **state)
{
    struct rpc_fixture *f = *state;
    const char *clock = given_clock(f, time_of("2026-01-10T10:00:00Z"));
    const char *request_id = new_request_id(f);
    assert_int_equal(ask(f, clock, request_id)->status, DUES_OK);

    const struct dues_answer *again = ask(f, clock, request_id);
    fake_clock_advance(f->clock, 1);
    const struct dues_answer *anew = ask(f, clock, "");

    assert_int_equal(again->status, DUES_OK);
    assert_true(again->replayed);
    assert_int_equal(anew->status, DUES_NOT_FOUND);
    assert_string_equal(anew->reason, "TEST_CLOCK_NOT_FOUND");
}

static void the_step_repeated_after_a_lost_commit_answers_the_same(void **state)
{
    struct rpc_fixture *f = *state;
    const char *clock = given_clock(f, time_of("2026-01-10T10:00:00Z")) + strlen("testClocks/");
    const char *sql = db_printf(f->db,
                                "SELECT outcome FROM dues.test_clock_delete('%s',"
                                " NULL::dues.request_key, '', '2026-01-10Z')",
                                clock);

    assert_string_equal(db_text(f->db, sql), "new");
    assert_string_equal(db_text(f->db, sql), "new");
}

static void refuses_while_it_is_being_advanced(void **state)
{
    struct rpc_fixture *f = *state;
    const char *clock = given_clock(f, time_of("2026-01-10T10:00:00Z"));
    db_execute(f->db, db_printf(f->db,
                                "UPDATE dues.test_clock SET target_time = clock_time + '1 day',"
                                " lease_until = now() + '1 hour' WHERE test_clock_id = '%s'",
                                clock + strlen("testClocks/")));

    const struct dues_answer *answer = ask(f, clock, "");

    assert_int_equal(answer->status, DUES_ABORTED);
    assert_string_equal(answer->reason, "TEST_CLOCK_BUSY");
    assert_true(answer->retry_after_ms > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(its_customers_stay_and_owe_nothing_more),
        cmocka_unit_test(a_second_time_it_is_not_there),
        cmocka_unit_test(the_step_repeated_after_a_lost_commit_answers_the_same),
        cmocka_unit_test(refuses_while_it_is_being_advanced),
    };
    return cmocka_run_group_tests_name("DeleteTestClock", tests, members_setup, rpc_teardown);
}
