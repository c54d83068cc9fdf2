/*
 * CreateCustomer over the wire: somebody who pays but does not log in here.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support/rpc_membership.h"

typedef Dues__Membership__V1__Customer Customer;

static const struct dues_answer *ask(struct rpc_fixture *f, struct rpc_as as, const char *name,
                                     const char *email, const char *clock, const char *request_id)
{
    Dues__Membership__V1__CreateCustomerRequest request =
        DUES__MEMBERSHIP__V1__CREATE_CUSTOMER_REQUEST__INIT;
    Customer customer = DUES__MEMBERSHIP__V1__CUSTOMER__INIT;

    customer.display_name = member_text(f, name);
    customer.email = member_text(f, email);
    customer.test_clock = member_text(f, clock);
    request.customer = &customer;
    request.request_id = member_text(f, request_id);
    return ask_member_service(f, as, "CreateCustomer", &request.base);
}

static void makes_a_customer(void **state)
{
    struct rpc_fixture *f = *state;

    const struct dues_answer *answer =
        ask(f, AS(SERVICE_BILLING), "Ada Lovelace", "ada@example.com", "", "");

    assert_int_equal(answer->status, DUES_OK);
    const Customer *customer = (const Customer *)answer->reply;
    assert_string_equal(customer->display_name, "Ada Lovelace");
    assert_string_equal(customer->email, "ada@example.com");
    const struct dues_answer *read =
        ask_by_name(f, AS(SERVICE_BILLING), "GetCustomer", customer->name);
    assert_int_equal(read->status, DUES_OK);
    assert_int_equal(read->reply_size, answer->reply_size);
    assert_memory_equal(read->reply_bytes, answer->reply_bytes, read->reply_size);
}

static void lives_in_the_time_of_its_clock(void **state)
{
    struct rpc_fixture *f = *state;
    const char *clock = given_clock(f, time_of("2031-05-05T05:05:05Z"));

    const struct dues_answer *answer = ask(f, AS(OPERATOR_DEMO), "", "", clock, "");

    assert_int_equal(answer->status, DUES_OK);
    assert_true(time_in(((const Customer *)answer->reply)->create_time) ==
                time_of("2031-05-05T05:05:05Z"));
}

static void answers_a_repeated_request_byte_for_byte(void **state)
{
    struct rpc_fixture *f = *state;
    const char *request_id = new_request_id(f);
    const struct dues_answer *first = ask(f, AS(SERVICE_BILLING), "Ada", "", "", request_id);

    const struct dues_answer *second = ask(f, AS(SERVICE_BILLING), "Ada", "", "", request_id);
    const struct dues_answer *other = ask(f, AS(SERVICE_BILLING), "Bob", "", "", request_id);
    const struct dues_answer *elsewhere = ask(f, AS(OPERATOR_DEMO), "Ada", "", "", request_id);

    assert_true(second->replayed);
    assert_int_equal(second->reply_size, first->reply_size);
    assert_memory_equal(second->reply_bytes, first->reply_bytes, first->reply_size);
    assert_string_equal(other->reason, "REQUEST_ID_REUSED");
    /* The id is the caller's own. */
    assert_false(elsewhere->replayed);
    assert_string_not_equal(((const Customer *)elsewhere->reply)->name,
                            ((const Customer *)first->reply)->name);
}

static void names_what_is_wrong(void **state)
{
    struct rpc_fixture *f = *state;
    char long_name[65];

    memset(long_name, 'a', sizeof(long_name) - 1);
    long_name[sizeof(long_name) - 1] = '\0';
    const struct dues_answer *answer =
        ask(f, AS(SERVICE_BILLING), long_name, "not an address", "testClocks/1", "");

    assert_int_equal(answer->status, DUES_INVALID_ARGUMENT);
    assert_true(answer_names(answer, "customer.display_name"));
    assert_true(answer_names(answer, "customer.email"));
    assert_true(answer_names(answer, "customer.test_clock"));
}

static void refuses_an_unknown_clock(void **state)
{
    struct rpc_fixture *f = *state;
    const char *clock = rpc_printf(f, "testClocks/%s", db_uuid_text(f->db, db_uuid(f->db)));

    const struct dues_answer *answer = ask(f, AS(SERVICE_BILLING), "", "", clock, "");

    assert_int_equal(answer->status, DUES_NOT_FOUND);
    assert_string_equal(answer->reason, "TEST_CLOCK_NOT_FOUND");
}

struct racer {
    struct rpc_fixture *f;
    const char *request_id;
    const struct dues_answer *answer;
};

static void *race(void *arg)
{
    struct racer *racer = arg;

    racer->answer = ask(racer->f, AS(SERVICE_BILLING), "Ada", "", "", racer->request_id);
    return NULL;
}

static void one_request_sent_twice_at_once_makes_one(void **state)
{
    struct rpc_fixture *f = *state;
    const char *request_id = new_request_id(f);
    struct racer racers[2] = {{f, request_id, NULL}, {f, request_id, NULL}};

    rpc_race(race, racers, 2, sizeof(racers[0]));

    assert_int_equal(racers[0].answer->status, DUES_OK);
    assert_int_equal(racers[1].answer->status, DUES_OK);
    assert_string_equal(((const Customer *)racers[0].answer->reply)->name,
                        ((const Customer *)racers[1].answer->reply)->name);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(makes_a_customer),
        cmocka_unit_test(lives_in_the_time_of_its_clock),
        cmocka_unit_test(answers_a_repeated_request_byte_for_byte),
        cmocka_unit_test(names_what_is_wrong),
        cmocka_unit_test(refuses_an_unknown_clock),
        cmocka_unit_test(one_request_sent_twice_at_once_makes_one),
    };
    return cmocka_run_group_tests_name("CreateCustomer", tests, members_setup, rpc_teardown);
}
