/*
 * Refunds that somebody made at the gateway's desk: when people have said that they are refunds,
 * the payment knows them.
 */
#include "db/payment/reconcile_fixture.h"

static struct payer given_refunded_at_desk(struct payment_fixture *f, int64_t minor_units)
{
    struct payer payer = given_paid(f);
    const char *charge = of_customer_text(f, "gateway_transaction FROM attempt", payer.customer);

    given_at_gateway(f, GATEWAY_REFUND, "key-of-the-desk-02", "", charge, minor_units);
    reconciled(f);
    return payer;
}

static void a_refund_at_the_desk_is_one_of_its_payment(void **state)
{
    struct payment_fixture *f = *state;
    struct payer payer = given_refunded_at_desk(f, 300);
    struct uuid payment = only_payment(f, payer.customer);

    carry_out_all(f, payer.customer, "refunds");
    struct asked more = asked_refund(f, payer.customer, payment, 701, "refund-1");
    struct asked rest = asked_refund(f, payer.customer, payment, 700, "refund-2");
    const struct error *refused = db_run(f->db, asked_run, &more);
    assert_null(db_run(f->db, asked_run, &rest));
    release(&rest);

    assert_non_null(refused);
    assert_string_equal(refused->reason, "REFUND_EXCEEDS_CAPTURE");
    assert_string_equal(of_customer_text(f,
                                         "string_agg(origin || ' ' || amount, ', ' ORDER BY amount)"
                                         " FROM refund",
                                         payer.customer),
                        "GATEWAY 300, REQUEST 700");
    assert_int_equal(of_customer(f, "amount_refunded FROM payment", payer.customer), 1000);
    assert_int_equal(of_customer(f,
                                 "sum(amount) FILTER (WHERE account = 'refunds')"
                                 " FROM ledger_entry",
                                 payer.customer),
                     1000);
    assert_int_equal(cleared(f, payer.customer), 0);
    assert_int_equal(reconciled(f).incident_count, 0);
}

static void a_refund_at_the_desk_waits_for_ours(void **state)
{
    struct payment_fixture *f = *state;
    struct payer payer = given_refunded_at_desk(f, 300);

    db_execute(f->db, db_printf(f->db,
                                "UPDATE payment SET amount_refund_pending = 800"
                                " WHERE customer_id = '%s'",
                                db_uuid_text(f->db, payer.customer)));
    carry_out_all(f, payer.customer, "refunds");

    assert_string_equal(of_customer_text(f, "state FROM incident", payer.customer), "OPEN");
    assert_int_equal(of_customer(f, "count(*) FROM refund", payer.customer), 0);
    assert_int_equal(of_customer(f,
                                 "sum(amount) FILTER (WHERE account = 'suspense')"
                                 " FROM ledger_entry",
                                 payer.customer),
                     300);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RECONCILE_TEST(a_refund_at_the_desk_is_one_of_its_payment),
        RECONCILE_TEST(a_refund_at_the_desk_waits_for_ours),
    };
    return cmocka_run_group_tests_name("refunds at the desk", tests, NULL, NULL);
}
