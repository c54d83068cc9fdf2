/*
 * GetMembership over the wire: one's own, anybody's for services, nobody else's for users.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support/rpc_membership.h"
#include "support/rpc_world.h"

static void reads_a_membership(void **state)
{
    struct rpc_fixture *f = *state;
    const char *customer = given_customer(f, "");
    const char *card = given_card(f, customer, "tok_visa");
    const Membership *made = given_membership(f, customer, "plans/premium-monthly", card);

    const struct dues_answer *answer =
        ask_by_name(f, AS(OPERATOR_DEMO), "GetMembership", made->name);

    assert_int_equal(answer->status, DUES_OK);
    const Membership *read = (const Membership *)answer->reply;
    assert_string_equal(read->name, made->name);
    assert_string_equal(read->plan, "plans/premium-monthly");
    assert_string_equal(read->payment_method, card);
    assert_int_equal(read->state, MEMBERSHIP_STATE(ACTIVE));
    assert_true(time_in(read->access_end_time) == time_in(made->current_period_end_time));
}

static void a_user_reads_its_own_and_nobody_elses(void **state)
{
    struct rpc_fixture *f = *state;
    struct rpc_world *world = world_new(f);
    const char *other = given_customer(f, "");
    const Membership *others = given_membership(f, other, "plans/free", "");

    const struct dues_answer *own =
        ask_by_name(f, user_of(world), "GetMembership", world->names.membership);
    const struct dues_answer *foreign =
        ask_by_name(f, user_of(world), "GetMembership", others->name);
    /* The right id under the wrong customer. */
    const struct dues_answer *mixed = ask_by_name(
        f, user_of(world), "GetMembership",
        rpc_printf(f, "%s%s", world->owner.customer, strstr(others->name, "/memberships/")));
    world_free(world);

    assert_int_equal(own->status, DUES_OK);
    assert_int_equal(foreign->status, DUES_NOT_FOUND);
    assert_string_equal(foreign->reason, "MEMBERSHIP_NOT_FOUND");
    assert_string_equal(mixed->reason, "MEMBERSHIP_NOT_FOUND");
}

static void refuses_what_is_no_name(void **state)
{
    struct rpc_fixture *f = *state;

    const struct dues_answer *answer =
        ask_by_name(f, AS(SERVICE_BILLING), "GetMembership", "memberships/1");

    assert_int_equal(answer->status, DUES_INVALID_ARGUMENT);
    assert_true(answer_names(answer, "name"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_a_membership),
        cmocka_unit_test(a_user_reads_its_own_and_nobody_elses),
        cmocka_unit_test(refuses_what_is_no_name),
    };
    return cmocka_run_group_tests_name("GetMembership", tests, members_setup, rpc_teardown);
}
