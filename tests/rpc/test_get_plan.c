/*
 * GetPlan over the wire: what a plan costs.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support/rpc_membership.h"

typedef Dues__Membership__V1__Plan Plan;

static const Plan *plan_of(const struct dues_answer *answer)
{
    assert_int_equal(answer->status, DUES_OK);
    return (const Plan *)answer->reply;
}

static void reads_a_plan_without_a_token(void **state)
{
    struct rpc_fixture *f = *state;

    const Plan *plan = plan_of(ask_by_name(f, AS(APP_DEMO), "GetPlan", "plans/premium-yearly"));

    assert_string_equal(plan->tier, "tiers/premium");
    assert_string_equal(plan->price->currency_code, "USD");
    assert_int_equal(plan->price->minor_units, 9990);
    assert_int_equal(plan->billing_period->unit,
                     DUES__MEMBERSHIP__V1__BILLING_PERIOD__UNIT__UNIT_YEAR);
    assert_int_equal(plan->billing_period->count, 1);
    assert_int_equal(plan->trial_days, 14);
}

static void a_free_plan_has_no_period(void **state)
{
    struct rpc_fixture *f = *state;

    const Plan *plan = plan_of(ask_by_name(f, AS(SERVICE_POOR), "GetPlan", "plans/free"));

    assert_int_equal(plan->price->minor_units, 0);
    assert_null(plan->billing_period);
}

static void refuses_what_is_not_there(void **state)
{
    struct rpc_fixture *f = *state;

    const struct dues_answer *answer = ask_by_name(f, AS(APP_DEMO), "GetPlan", "plans/gold");

    assert_int_equal(answer->status, DUES_NOT_FOUND);
    assert_string_equal(answer->reason, "PLAN_NOT_FOUND");
    assert_true(answer_names(ask_by_name(f, AS(APP_DEMO), "GetPlan", "plans/Gold!"), "name"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_a_plan_without_a_token),
        cmocka_unit_test(a_free_plan_has_no_period),
        cmocka_unit_test(refuses_what_is_not_there),
    };
    return cmocka_run_group_tests_name("GetPlan", tests, members_setup, rpc_teardown);
}
