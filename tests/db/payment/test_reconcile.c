/*
 * Reconciliation: each class of difference is planted in one of the two books, and is mended or
 * becomes an incident, once, also when the run is cut after each of its steps and when it is
 * repeated.
 */
#include "db/payment/reconcile_fixture.h"

static const char *house_text(struct payment_fixture *f, const char *columns_from)
{
    return of_customer_text(f, columns_from, HOUSE_CUSTOMER);
}

/* Minor units on an account of the customer's ledger. */
static int64_t stands_on(struct payment_fixture *f, struct uuid customer, const char *account)
{
    return of_customer(
        f, db_printf(f->db, "sum(amount) FILTER (WHERE account = '%s') FROM ledger_entry", account),
        customer);
}

static void both_books_that_agree_have_no_difference(void **state)
{
    struct payment_fixture *f = *state;
    struct payer payer = given_paid(f);

    struct reconciliation run = reconciled(f);
    struct reconciliation again = reconciled(f);

    assert_int_equal(run.entry_count, 1);
    assert_int_equal(run.own_count, 1);
    assert_int_equal(run.incident_count, 0);
    assert_int_equal(run.fee_count, 1);
    assert_int_equal(run.list_hash_size, 32);
    assert_int_equal(again.fee_count, 0); /* posted once */
    assert_int_equal(of_customer(f, "count(*) FROM ledger_entry", payer.customer), 4);
    assert_int_equal(stands_on(f, payer.customer, "fees"), 59); /* 2.9 % and 0.30 */
    assert_int_equal(of_customer(f, "sum(amount) FROM ledger_entry", payer.customer), 0);
}

static void a_charge_of_which_nothing_is_known_goes_into_suspense(void **state)
{
    struct payment_fixture *f = *state;
    /* P23: the backup that was restored is older than the charge. */
    given_at_gateway(f, GATEWAY_CHARGE, "key-of-the-past-1", "018f0000-0000-7000-8000-000000000001",
                     "", 500);

    struct reconciliation run = reconciled(f);
    struct reconciliation again = reconciled(f);

    assert_int_equal(run.incident_count, 1);
    assert_int_equal(again.incident_count, 0);
    assert_string_equal(house_text(f, "kind FROM incident"), "GATEWAY_ONLY");
    assert_int_equal(stands_on(f, HOUSE_CUSTOMER, "suspense"), -500);
    assert_int_equal(of_customer(f, "sum(amount) FROM ledger_entry", HOUSE_CUSTOMER), 0);
}

static void a_charge_of_somebody_else_is_an_incident_and_no_money_of_ours(void **state)
{
    struct payment_fixture *f = *state;
    int64_t lines = of_customer(f, "count(*) FROM ledger_entry", HOUSE_CUSTOMER);

    given_at_gateway(f, GATEWAY_CHARGE, "key-of-others-001", "order 17", "", 700);
    struct reconciliation run = reconciled(f);

    assert_int_equal(run.incident_count, 1);
    assert_int_equal(run.foreign_count, 1);
    assert_string_equal(run.foreign_amounts, "USD 700");
    assert_int_equal(of_customer(f, "count(*) FROM ledger_entry", HOUSE_CUSTOMER), lines);
}

static void in_a_shared_account_others_are_counted_and_added_up(void **state)
{
    struct payment_fixture *f = *state;
    struct foreign sold =
        given_at_gateway(f, GATEWAY_CHARGE, "key-of-others-002", "order 17", "", 700);
    given_at_gateway(f, GATEWAY_CHARGE, "key-of-others-003", "order 18", "", 50);
    given_at_gateway(f, GATEWAY_REFUND, "key-of-others-004", "", sold.answer.transaction, 200);
    given_at_gateway(f, GATEWAY_CHARGE, "key-of-the-past-4", "018f0000-0000-7000-8000-000000000004",
                     "", 500);

    f->db->settings.reconcile_shared_account = true;
    struct reconciliation run = reconciled_by(f, 1);
    struct reconciliation again = reconciled(f);
    f->db->settings.reconcile_shared_account = false;

    assert_int_equal(run.incident_count, 1); /* what names us is a finding all the same */
    assert_int_equal(run.foreign_count, 3);
    assert_string_equal(run.foreign_amounts, "USD 550");
    assert_int_equal(again.foreign_count, 3);
    assert_string_equal(again.foreign_amounts, "USD 550");
    assert_int_equal(of_customer(f, "count(*) FROM incident", HOUSE_CUSTOMER), 1);
    assert_int_equal(
        of_customer(f, "sum(amount) FILTER (WHERE account = 'suspense') FROM ledger_entry",
                    HOUSE_CUSTOMER),
        -500);
}

static void what_the_gateway_lists_is_found_out_now(void **state)
{
    struct payment_fixture *f = *state;
    struct payer payer = given_payer(f, "tok_timeoutAfterSuccess");
    struct asked paying = asked_payment(f, payer.customer, payer.method, 1000, "request-1");
    assert_null(db_run(f->db, asked_run, &paying));
    release(&paying);

    int64_t before = of_customer(f,
                                 "count(*) FILTER (WHERE due_time > clock_timestamp()"
                                 " + interval '2 s') FROM obligation",
                                 payer.customer);
    struct reconciliation run = reconciled(f);

    assert_int_equal(before, 1);
    assert_int_equal(run.mended_count, 1);
    assert_int_equal(run.incident_count, 0);
    assert_int_equal(of_customer(f,
                                 "count(*) FILTER (WHERE due_time <= clock_timestamp())"
                                 " FROM obligation",
                                 payer.customer),
                     1);
}

static void two_transactions_of_one_reference_are_an_incident(void **state)
{
    struct payment_fixture *f = *state;
    struct payer payer = given_paid(f);
    const char *attempt = of_customer_text(f, "attempt_id FROM attempt", payer.customer);

    given_at_gateway(f, GATEWAY_CHARGE, "key-of-the-double", attempt, "", 1000);
    struct reconciliation run = reconciled(f);
    reconciled(f);

    assert_int_equal(run.incident_count, 1);
    assert_string_equal(of_customer_text(f, "kind FROM incident", payer.customer),
                        "DUPLICATE_REFERENCE");
    assert_string_equal(of_customer_text(f, "state FROM attempt", payer.customer), "SUCCEEDED");
    assert_int_equal(stands_on(f, payer.customer, "suspense"), -1000);
}

static void a_charge_that_we_recorded_as_failed_goes_to_people(void **state)
{
    struct payment_fixture *f = *state;
    struct payer payer = given_payer(f, "tok_chargeDeclined");
    struct asked paying = asked_payment(f, payer.customer, payer.method, 1000, "request-1");
    assert_null(db_run(f->db, asked_run, &paying));
    release(&paying);
    const char *attempt = of_customer_text(f, "attempt_id FROM attempt", payer.customer);

    given_at_gateway(f, GATEWAY_CHARGE, "key-of-the-opposite", attempt, "", 1000);
    struct reconciliation run = reconciled(f);
    reconciled(f);

    assert_int_equal(run.incident_count, 1);
    assert_string_equal(of_customer_text(f, "kind FROM incident", payer.customer),
                        "STATUS_DIFFERS");
    assert_string_equal(of_customer_text(f, "state FROM attempt", payer.customer), "MANUAL");
    assert_string_equal(of_customer_text(f, "state FROM payment", payer.customer), "FAILED");
    assert_int_equal(of_customer(f, "count(*) FROM ledger_entry", payer.customer), 2);
}

static void a_refund_at_the_gateway_only_is_found_with_its_payment(void **state)
{
    struct payment_fixture *f = *state;
    struct payer payer = given_paid(f);
    const char *charge = of_customer_text(f, "gateway_transaction FROM attempt", payer.customer);

    given_at_gateway(f, GATEWAY_REFUND, "key-of-the-desk-01", "", charge, 300);
    struct reconciliation run = reconciled(f);
    reconciled(f);

    assert_int_equal(run.incident_count, 1);
    assert_string_equal(of_customer_text(f, "kind FROM incident", payer.customer),
                        "REFUNDED_AT_GATEWAY_ONLY");
    assert_string_equal(
        of_customer_text(f, "(payment_id IS NOT NULL) FROM incident", payer.customer), "t");
    assert_int_equal(stands_on(f, payer.customer, "suspense"), 300);
}

static void another_amount_is_an_incident_with_the_difference_in_suspense(void **state)
{
    struct payment_fixture *f = *state;
    struct payer payer = given_paid(f);

    db_execute(f->db, db_printf(f->db, "UPDATE attempt SET amount = 900 WHERE customer_id = '%s'",
                                db_uuid_text(f->db, payer.customer)));
    struct reconciliation run = reconciled(f);
    reconciled(f);

    assert_int_equal(run.incident_count, 1);
    assert_string_equal(of_customer_text(f, "kind FROM incident", payer.customer),
                        "AMOUNT_MISMATCH");
    assert_int_equal(stands_on(f, payer.customer, "suspense"), -100);
}

static void what_is_not_in_the_gateways_books_is_an_incident(void **state)
{
    struct payment_fixture *f = *state;
    struct payer payer = given_paid(f);

    /* The gateway never heard of it: another transaction, under another key. */
    db_execute(f->db, db_printf(f->db,
                                "UPDATE attempt SET gateway_transaction = 'ch_gone',"
                                " gateway_key = 'a-key-of-nobody-' || substr(gateway_key, 1, 8)"
                                " WHERE customer_id = '%s'",
                                db_uuid_text(f->db, payer.customer)));
    struct reconciliation run = reconciled(f);
    reconciled(f);

    assert_int_equal(run.incident_count, 2); /* theirs has the same reference */
    assert_int_equal(
        of_customer(f, "count(*) FILTER (WHERE kind = 'OURS_ONLY') FROM incident", payer.customer),
        1);
    assert_int_equal(of_customer(f,
                                 "count(*) FILTER (WHERE kind = 'DUPLICATE_REFERENCE')"
                                 " FROM incident",
                                 payer.customer),
                     1);
    assert_int_equal(stands_on(f, payer.customer, "suspense"),
                     0); /* one came, one did not: they are the same */
    assert_int_equal(of_customer(f, "sum(amount) FROM ledger_entry", payer.customer), 0);
}

static void money_that_is_held_for_ever_is_found(void **state)
{
    struct payment_fixture *f = *state;
    struct payer payer = given_payer(f, "tok_visa");
    struct asked paying = asked_payment(f, payer.customer, payer.method, 1000, "request-1");
    ((Dues__Payment__V1__CreatePaymentRequest *)(uintptr_t)paying.request)->payment->capture_mode =
        DUES__PAYMENT__V1__PAYMENT__CAPTURE_MODE__CAPTURE_MODE_MANUAL;
    assert_null(db_run(f->db, asked_run, &paying));
    release(&paying);

    db_execute(f->db, db_printf(f->db,
                                "UPDATE payment SET authorization_expire_time = clock_timestamp()"
                                " - interval '2 d' WHERE customer_id = '%s'",
                                db_uuid_text(f->db, payer.customer)));
    db_execute(f->db, db_printf(f->db,
                                "UPDATE attempt SET first_sent_time = clock_timestamp()"
                                " - interval '9 d' WHERE customer_id = '%s'",
                                db_uuid_text(f->db, payer.customer)));
    struct reconciliation run = reconciled(f);
    reconciled(f);

    assert_int_equal(run.incident_count, 1);
    assert_string_equal(of_customer_text(f, "kind FROM incident", payer.customer),
                        "NEVER_CAPTURED");
}

static void a_run_that_is_cut_after_every_step_finds_the_same_once(void **state)
{
    struct payment_fixture *f = *state;
    struct payer payer = given_paid(f);
    const char *charge = of_customer_text(f, "gateway_transaction FROM attempt", payer.customer);
    given_at_gateway(f, GATEWAY_REFUND, "key-of-the-desk-02", "", charge, 100);
    given_at_gateway(f, GATEWAY_CHARGE, "key-of-the-past-2", "018f0000-0000-7000-8000-000000000002",
                     "", 800);

    struct reconciliation run = reconciled_by(f, 1);

    assert_int_equal(run.incident_count, 2);
    assert_int_equal(run.fee_count, 1);
    assert_int_equal(of_customer(f, "count(*) FROM incident", payer.customer), 1);
    assert_int_equal(of_customer(f, "count(*) FROM ledger_entry", payer.customer), 6);
}

/* As a newer server leaves it, which has a stage more. */
static void a_stage_that_is_not_known_is_left_alone(void **state)
{
    struct payment_fixture *f = *state;
    struct begun begun = {.ahead_us = US_PER_HOUR};
    struct driving driving = {.run = &begun.run, .steps = INT32_MAX};
    assert_null(db_run(f->db, begin, &begun));

    db_execute(f->db, "ALTER DOMAIN dues.reconciliation_stage"
                      " DROP CONSTRAINT reconciliation_stage_known");
    db_execute(f->db, "UPDATE reconciliation SET stage = 'POLISH'");
    assert_non_null(db_run(f->db, drive, &driving));

    assert_string_equal(
        db_text(f->db, "SELECT state || ' ' || stage || ', ' || problem FROM reconciliation"),
        "RUNNING POLISH, POLISH: a stage that this server does not know");
}

static const struct error *confirm_now(struct call *call, void *arg)
{
    const struct obligation obligation = {
        .kind = "reconcile.confirm",
        .business_key = "sandbox",
        .now_us = call->now_us + 5 * US_PER_MINUTE,
    };

    (void)arg;
    return reconcile_confirm_job.run(call, &obligation);
}

static void confirm_all(struct payment_fixture *f)
{
    for (int i = 0; i < 300; i++)
        assert_null(db_run(f->db, confirm_now, NULL));
}

static void what_succeeded_is_asked_about_once_more(void **state)
{
    struct payment_fixture *f = *state;
    struct payer right = given_paid(f);
    struct payer wrong = given_paid(f);

    db_execute(f->db, db_printf(f->db,
                                "UPDATE attempt SET gateway_key = 'another-key-' ||"
                                " substr(gateway_key, 1, 8) WHERE customer_id = '%s'",
                                db_uuid_text(f->db, wrong.customer)));
    f->db->settings.reconcile_confirm_max = 10;
    confirm_all(f);
    confirm_all(f);
    f->db->settings.reconcile_confirm_max = 0;

    assert_int_equal(of_customer(f, "count(*) FROM incident", right.customer), 0);
    assert_string_equal(of_customer_text(f, "kind FROM incident", wrong.customer),
                        "LATE_OPPOSITE_EVIDENCE");
    assert_string_equal(of_customer_text(f, "state FROM attempt", wrong.customer), "MANUAL");
    assert_string_equal(of_customer_text(f, "state FROM payment", wrong.customer), "SUCCEEDED");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RECONCILE_TEST(both_books_that_agree_have_no_difference),
        RECONCILE_TEST(a_charge_of_which_nothing_is_known_goes_into_suspense),
        RECONCILE_TEST(a_charge_of_somebody_else_is_an_incident_and_no_money_of_ours),
        RECONCILE_TEST(in_a_shared_account_others_are_counted_and_added_up),
        RECONCILE_TEST(what_the_gateway_lists_is_found_out_now),
        RECONCILE_TEST(two_transactions_of_one_reference_are_an_incident),
        RECONCILE_TEST(a_charge_that_we_recorded_as_failed_goes_to_people),
        RECONCILE_TEST(a_refund_at_the_gateway_only_is_found_with_its_payment),
        RECONCILE_TEST(another_amount_is_an_incident_with_the_difference_in_suspense),
        RECONCILE_TEST(what_is_not_in_the_gateways_books_is_an_incident),
        RECONCILE_TEST(money_that_is_held_for_ever_is_found),
        RECONCILE_TEST(a_run_that_is_cut_after_every_step_finds_the_same_once),
        RECONCILE_TEST(a_stage_that_is_not_known_is_left_alone),
        RECONCILE_TEST(what_succeeded_is_asked_about_once_more),
    };
    return cmocka_run_group_tests_name("reconciliation", tests, NULL, NULL);
}
