/*
 * The end of a customer: its data key is destroyed, and nothing brings it back.
 */
#include "db/vault/vault_fixture.h"

#include "pg/erasure.h"

static int erase(struct db_fixture *f, struct uuid customer)
{
    FILE *out = hear();
    int result = pg_erase_customer(f->owner, customer, f->clock.wall_us, out, out);

    fclose(out);
    return result;
}

static void an_erased_customer_does_not_open_again(void **state)
{
    struct db_fixture *f = *state;
    struct kept kept = given_token(f);
    struct kept other = given_token(f);

    assert_int_equal(erase(f, kept.customer), 0);

    assert_true(reopen(f));
    const struct error *error = db_run(f, open_token, &kept);
    assert_int_equal(error->status, STATUS_NOT_FOUND);
    assert_string_equal(error->reason, "CUSTOMER_NOT_FOUND");
    error = db_run(f, seal_token, &kept);
    assert_int_equal(error->status, STATUS_NOT_FOUND);
    ASSERT_OPENS(f, &other);
    assert_int_equal(erase(f, kept.customer), 0);
    assert_non_null(strstr(said, "was erased before"));
    assert_int_equal(db_count(f, db_printf(f,
                                           "event WHERE customer_id = '%s'"
                                           " AND type = 'customer.erased'",
                                           db_uuid_text(f, kept.customer))),
                     1);
}

static void a_customer_with_something_to_come_is_not_erased(void **state)
{
    struct db_fixture *f = *state;
    struct kept kept = given_token(f);
    db_execute(f, db_printf(f,
                            "INSERT INTO obligation (customer_id, kind, business_key, bucket,"
                            " subject_id, due_time, create_time) VALUES ('%s', 'payment.resolve',"
                            " 'x', 0, '%s', now(), now())",
                            db_uuid_text(f, kept.customer), db_uuid_text(f, kept.method)));

    assert_int_not_equal(erase(f, kept.customer), 0);

    assert_non_null(strstr(said, "payment.resolve"));
    ASSERT_OPENS(f, &kept);
    db_execute(f, "DELETE FROM obligation");
    assert_int_not_equal(erase(f, db_uuid(f)), 0);
    assert_non_null(strstr(said, "there is no customers/"));
}

static void what_people_have_to_decide_about_is_not_erased(void **state)
{
    struct db_fixture *f = *state;
    struct kept kept = given_token(f);
    const char *customer = db_uuid_text(f, kept.customer);
    const char *payment = db_uuid_text(f, db_uuid(f));
    db_execute(
        f, db_printf(
               f,
               "INSERT INTO payment (customer_id, payment_id, payment_method_id,"
               " currency, amount, description, state, create_time, update_time)"
               " VALUES ('%s', '%s', '%s', 'USD', 1, '', 'PROCESSING', now(), now());"
               "INSERT INTO attempt (customer_id, attempt_id, payment_id, operation,"
               " sequence, gateway, gateway_key, currency, amount, off_session, state,"
               " epoch, first_sent_time, send_count, create_time)"
               " VALUES ('%s', '%s', '%s', 'CHARGE', 1, 'stripe', repeat('0', 32), 'USD', 1, false,"
               " 'MANUAL', 1, now(), 1, now())",
               customer, payment, db_uuid_text(f, kept.method), customer,
               db_uuid_text(f, db_uuid(f)), payment));

    assert_int_not_equal(erase(f, kept.customer), 0);
    assert_non_null(strstr(said, "incident of attempt"));
    ASSERT_OPENS(f, &kept);
    db_execute(f, "UPDATE attempt SET state = 'SUCCEEDED'");
    assert_int_equal(erase(f, kept.customer), 0);
}

static void nothing_is_left_of_what_was_written_about_an_incident(void **state)
{
    struct db_fixture *f = *state;
    struct kept kept = given_token(f);
    const char *customer = db_uuid_text(f, kept.customer);
    const char *incident = db_uuid_text(f, db_uuid(f));
    db_execute(f,
               db_printf(f,
                         "SELECT incident_open('%s', '%s', 'OURS_ONLY', 'x', 'Ada paid twice',"
                         " now());"
                         "INSERT INTO incident_approval (customer_id, incident_id, wish, version,"
                         " approver, resolution, account, reason, create_time)"
                         " VALUES ('%s', '%s', 1, 1, 'spiffe://a', 'IGNORE', '',"
                         " 'Ada called', now())",
                         customer, incident, customer, incident));

    assert_int_equal(erase(f, kept.customer), 0);

    assert_int_equal(
        db_count(f, db_printf(f, "incident_approval WHERE customer_id = '%s'", customer)), 1);
    assert_int_equal(db_count(f, "incident_approval WHERE reason LIKE '%Ada%'"), 0);
    assert_int_equal(db_count(f, "incident WHERE detail LIKE '%Ada%'"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_erased_customer_does_not_open_again),
        cmocka_unit_test(a_customer_with_something_to_come_is_not_erased),
        cmocka_unit_test(what_people_have_to_decide_about_is_not_erased),
        cmocka_unit_test(nothing_is_left_of_what_was_written_about_an_incident),
    };
    return cmocka_run_group_tests_name("erasure", tests, setup, teardown);
}
