/*
 * GetTestClock over the wire: what a clock shows.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support/rpc_membership.h"

typedef Dues__Sandbox__V1__TestClock TestClock;

static void shows_how_far_it_has_come(void **state)
{
    struct rpc_fixture *f = *state;
    const char *name = given_clock(f, time_of("2026-01-01T00:00:00Z"));
    advance(f, name, time_of("2026-02-03T04:05:06Z"));

    const struct dues_answer *answer = ask_by_name(f, AS(OPERATOR_DEMO), "GetTestClock", name);

    assert_int_equal(answer->status, DUES_OK);
    const TestClock *clock = (const TestClock *)answer->reply;
    assert_string_equal(clock->name, name);
    assert_true(time_in(clock->clock_time) == time_of("2026-02-03T04:05:06Z"));
    assert_int_equal(clock->state, DUES__SANDBOX__V1__TEST_CLOCK__STATE__STATE_READY);
}

static void refuses_what_is_not_there(void **state)
{
    struct rpc_fixture *f = *state;
    const char *nothing = rpc_printf(f, "testClocks/%s", db_uuid_text(f->db, db_uuid(f->db)));

    const struct dues_answer *answer = ask_by_name(f, AS(SERVICE_BILLING), "GetTestClock", nothing);

    assert_int_equal(answer->status, DUES_NOT_FOUND);
    assert_string_equal(answer->reason, "TEST_CLOCK_NOT_FOUND");
    assert_true(
        answer_names(ask_by_name(f, AS(SERVICE_BILLING), "GetTestClock", "clocks/1"), "name"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shows_how_far_it_has_come),
        cmocka_unit_test(refuses_what_is_not_there),
    };
    return cmocka_run_group_tests_name("GetTestClock", tests, members_setup, rpc_teardown);
}
