/*
 * GetCustomer over the wire: one's own, anybody's for services, nobody else's for users.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support/rpc_membership.h"
#include "support/rpc_world.h"

typedef Dues__Membership__V1__Customer Customer;

static void reads_a_customer(void **state)
{
    struct rpc_fixture *f = *state;
    const char *clock = given_clock(f, time_of("2026-01-10T10:00:00Z"));
    const char *name = given_customer(f, clock);
    const char *card = given_card(f, name, "tok_visa");

    const struct dues_answer *answer = ask_by_name(f, AS(OPERATOR_DEMO), "GetCustomer", name);

    assert_int_equal(answer->status, DUES_OK);
    const Customer *customer = (const Customer *)answer->reply;
    assert_string_equal(customer->name, name);
    assert_string_equal(customer->test_clock, clock);
    assert_string_equal(customer->default_payment_method, card);
    assert_true(time_in(customer->create_time) == time_of("2026-01-10T10:00:00Z"));
}

static void a_user_reads_itself_and_nobody_else(void **state)
{
    struct rpc_fixture *f = *state;
    struct rpc_world *world = world_new(f);
    const char *nobody = rpc_printf(f, "customers/%s", db_uuid_text(f->db, db_uuid(f->db)));

    const struct dues_answer *me = ask_by_name(f, user_of(world), "GetCustomer", "customers/me");
    const struct dues_answer *foreign =
        ask_by_name(f, user_of(world), "GetCustomer", world->other.customer);
    const char *own = world->owner.customer;
    world_free(world);

    assert_int_equal(me->status, DUES_OK);
    assert_string_equal(((const Customer *)me->reply)->name, own);
    assert_int_equal(foreign->status, DUES_NOT_FOUND);
    assert_string_equal(foreign->reason, "CUSTOMER_NOT_FOUND");
    assert_string_equal(ask_by_name(f, AS(SERVICE_BILLING), "GetCustomer", nobody)->reason,
                        "CUSTOMER_NOT_FOUND");
}

static void refuses_what_is_no_name(void **state)
{
    struct rpc_fixture *f = *state;

    assert_true(
        answer_names(ask_by_name(f, AS(SERVICE_BILLING), "GetCustomer", "customers/me"), "name"));
    assert_true(
        answer_names(ask_by_name(f, AS(SERVICE_BILLING), "GetCustomer", "users/1"), "name"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_a_customer),
        cmocka_unit_test(a_user_reads_itself_and_nobody_else),
        cmocka_unit_test(refuses_what_is_no_name),
    };
    return cmocka_run_group_tests_name("GetCustomer", tests, members_setup, rpc_teardown);
}
