/*
 * Loading a customer, and the time it lives in.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "customer/customer.h"
#include "support/db_fixture.h"

static const struct error *load(struct call *call, void *arg)
{
    struct customer *customer = arg;

    return customer_load(call, customer->id, customer);
}

static void loads_a_customer_in_wall_time(void **state)
{
    struct db_fixture *f = *state;
    struct uuid id = db_given_customer(f, UUID_NIL);
    struct customer customer = {.id = id};

    fake_clock_advance(&f->clock, US_PER_DAY);
    const struct error *error = db_run(f, load, &customer);

    assert_null(error);
    assert_true(uuid_equal(customer.id, id));
    assert_string_equal(customer.display_name, "Ada");
    assert_string_equal(customer.email, "ada@example.com");
    assert_true(uuid_is_nil(customer.default_payment_method));
    assert_true(uuid_is_nil(customer.test_clock));
    assert_false(customer.trial_used);
    assert_int_equal(customer.now_us, clock_wall_us(f->house.clock));
    assert_int_equal(customer.create_time_us, customer.now_us - US_PER_DAY);
}

static void gives_a_customer_on_a_clock_the_time_of_the_clock(void **state)
{
    struct db_fixture *f = *state;
    int64_t clock_time_us = FAKE_CLOCK_START_US + 400 * US_PER_DAY + 123456;
    struct uuid clock = db_given_test_clock(f, clock_time_us);
    struct customer customer = {.id = db_given_customer(f, clock)};

    const struct error *error = db_run(f, load, &customer);

    assert_null(error);
    assert_true(uuid_equal(customer.test_clock, clock));
    assert_int_equal(customer.now_us, clock_time_us);
}

static void reads_an_absent_email_as_empty(void **state)
{
    struct db_fixture *f = *state;
    struct customer customer = {.id = db_given_customer(f, UUID_NIL)};

    db_execute(f, db_printf(f, "UPDATE customer SET email = NULL WHERE customer_id = '%s'",
                            db_uuid_text(f, customer.id)));
    const struct error *error = db_run(f, load, &customer);

    assert_null(error);
    assert_string_equal(customer.email, "");
}

static void does_not_find_a_customer_who_is_not_there(void **state)
{
    struct db_fixture *f = *state;
    struct uuid id = db_uuid(f);
    struct customer customer = {.id = id};

    const struct error *error = db_run(f, load, &customer);

    assert_int_equal(error->status, STATUS_NOT_FOUND);
    assert_string_equal(error->reason, "CUSTOMER_NOT_FOUND");
    assert_string_equal(error->metadata[0].key, "name");
    assert_string_equal(error->metadata[0].value,
                        db_printf(f, "customers/%s", db_uuid_text(f, id)));
}

static const struct error *load_payer(struct call *call, void *arg)
{
    struct customer *customer = arg;

    return payer_load(call, customer->id, customer);
}

static void the_house_is_one_customer_in_c_and_sql_and_pays_nobody(void **state)
{
    struct db_fixture *f = *state;
    struct customer house = {.id = HOUSE_CUSTOMER};
    struct customer payer = house;

    db_execute(f, "SELECT dues.house_customer_ensure(dues.house_customer(), now())");
    const struct error *found = db_run(f, load, &house);
    const struct error *refused = db_run(f, load_payer, &payer);

    assert_null(found);
    assert_string_equal(house.display_name, "the house");
    assert_string_equal(refused->reason, "CUSTOMER_NOT_FOUND");
    assert_true(uuid_equal(customer_or_house(UUID_NIL), HOUSE_CUSTOMER));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(loads_a_customer_in_wall_time),
        cmocka_unit_test(gives_a_customer_on_a_clock_the_time_of_the_clock),
        cmocka_unit_test(reads_an_absent_email_as_empty),
        cmocka_unit_test(does_not_find_a_customer_who_is_not_there),
        cmocka_unit_test(the_house_is_one_customer_in_c_and_sql_and_pays_nobody),
    };
    return cmocka_run_group_tests_name("customer", tests, db_setup, db_teardown);
}
