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

/* ---- That come back ---- */

static const struct error *ask_gateway(struct call *call, void *arg)
{
    struct foreign *foreign = arg;
    const struct gateway *gateway = call->house->gateways->list[0];

    gateway->query(gateway, call, &foreign->request, &foreign->answer);
    return NULL;
}

/* A card whose refunds come back when the gateway is asked about them again. */
static struct payer given_closed_card(struct payment_fixture *f, struct foreign *desk)
{
    struct payer payer = given_payer(f, "tok_refundFailsLater");
    struct asked paying = asked_payment(f, payer.customer, payer.method, 1000, "request-1");

    assert_null(db_run(f->db, asked_run, &paying));
    release(&paying);
    *desk = given_at_gateway(
        f, GATEWAY_REFUND, "key-of-the-desk-03", "",
        of_customer_text(f, "gateway_transaction FROM attempt", payer.customer), 300);
    return payer;
}

static void comes_back(struct payment_fixture *f, struct foreign *desk)
{
    assert_null(db_run(f->db, ask_gateway, desk));
    assert_int_equal(desk->answer.outcome, GATEWAY_DECLINED);
}

static int64_t on(struct payment_fixture *f, struct payer payer, const char *account)
{
    return of_customer(f,
                       db_printf(f->db,
                                 "coalesce(sum(amount) FILTER (WHERE account = '%s'), 0)"
                                 " FROM ledger_entry",
                                 account),
                       payer.customer);
}

static const char *refund_now(struct payment_fixture *f, struct payer payer)
{
    return of_customer_text(f, "state || ' ' || failure_code FROM refund", payer.customer);
}

static bool (*list_all)(const struct gateway *gateway, struct call *call, int64_t from_us,
                        int64_t until_us, const char *cursor,
                        struct gateway_transaction_page *page);

/* The time of what went is over. */
static bool list_what_came(const struct gateway *gateway, struct call *call, int64_t from_us,
                           int64_t until_us, const char *cursor,
                           struct gateway_transaction_page *page)
{
    size_t kept = 0;

    if (!list_all(gateway, call, from_us, until_us, cursor, page))
        return false;
    for (size_t i = 0; i < page->count; i++) {
        if (page->list[i].amount.minor_units >= 0)
            page->list[kept++] = page->list[i];
    }
    page->count = kept;
    return true;
}

static struct reconciliation reconciled_late(struct payment_fixture *f)
{
    const struct gateway *whole = f->gateways.list[0];
    struct gateway late = *whole;

    list_all = whole->list_transactions;
    late.list_transactions = list_what_came;
    f->gateways.list[0] = &late;
    struct reconciliation run = reconciled(f);
    f->gateways.list[0] = whole;
    return run;
}

static void one_that_comes_back_has_failed_and_can_be_refunded_again(void **state)
{
    struct payment_fixture *f = *state;
    struct foreign desk;
    struct payer payer = given_closed_card(f, &desk);
    reconciled(f);
    carry_out_all(f, payer.customer, "refunds");
    assert_string_equal(refund_now(f, payer), "SUCCEEDED ");

    comes_back(f, &desk);
    struct reconciliation run = reconciled_by(f, 1);
    struct reconciliation again = reconciled(f);
    struct reconciliation late = reconciled_late(f);

    assert_int_equal(run.mended_count, 1);
    assert_int_equal(run.incident_count, 0);
    assert_int_equal(again.mended_count + late.mended_count, 0);
    assert_string_equal(refund_now(f, payer), "FAILED unknown");
    assert_int_equal(of_customer(f, "amount_refunded FROM payment", payer.customer), 0);
    assert_int_equal(cleared(f, payer.customer), 1000);
    assert_int_equal(on(f, payer, "refunds"), 0);
    assert_int_equal(on(f, payer, "suspense"), 0);
    assert_int_equal(
        of_customer(f, "count(*) FILTER (WHERE kind = 'refund_reversal') FROM ledger_entry",
                    payer.customer),
        2);
    assert_int_equal(
        of_customer(f, "count(*) FILTER (WHERE type = 'refund.failed') FROM event", payer.customer),
        1);
    assert_string_equal(of_customer_text(f, "state FROM incident", payer.customer), "RESOLVED");
}

static void one_is_found_though_only_its_coming_back_is_listed(void **state)
{
    struct payment_fixture *f = *state;
    struct foreign desk;
    struct payer payer = given_closed_card(f, &desk);
    reconciled(f);
    carry_out_all(f, payer.customer, "customer_receivable");

    comes_back(f, &desk);
    struct reconciliation run = reconciled_late(f);

    assert_int_equal(run.mended_count, 1);
    assert_string_equal(refund_now(f, payer), "FAILED unknown");
    assert_int_equal(cleared(f, payer.customer), 1000);
    assert_int_equal(on(f, payer, "customer_receivable"), 0);
}

static void one_that_comes_back_before_people_decide_leaves_suspense(void **state)
{
    struct payment_fixture *f = *state;
    struct foreign desk;
    struct payer payer = given_closed_card(f, &desk);
    reconciled(f);
    int64_t version = of_customer(f, "version FROM incident", payer.customer);

    comes_back(f, &desk);
    reconciled(f);
    reconciled_late(f);

    assert_int_equal(cleared(f, payer.customer), 1000);
    assert_int_equal(on(f, payer, "suspense"), 0);
    assert_string_equal(of_customer_text(f, "state FROM incident", payer.customer), "OPEN");
    /* What was asked for before was about money in suspense. */
    assert_int_equal(of_customer(f, "version FROM incident", payer.customer), version + 1);
    assert_int_equal(of_customer(f, "count(*) FROM refund", payer.customer), 0);
}

static void what_people_called_no_refund_comes_back_to_them(void **state)
{
    struct payment_fixture *f = *state;
    struct foreign desk;
    struct payer payer = given_closed_card(f, &desk);
    reconciled(f);
    carry_out_all(f, payer.customer, "bad_debt");

    comes_back(f, &desk);
    reconciled(f);
    reconciled(f);
    int64_t suspense = on(f, payer, "suspense");
    const char *incident = of_customer_text(f, "state FROM incident", payer.customer);
    carry_out_all(f, payer.customer, "bad_debt");
    reconciled(f);

    assert_int_equal(suspense, -300);
    assert_string_equal(incident, "OPEN");
    assert_int_equal(cleared(f, payer.customer), 1000);
    assert_int_equal(on(f, payer, "bad_debt"), 0);
    assert_int_equal(on(f, payer, "suspense"), 0);
    assert_string_equal(of_customer_text(f, "state FROM incident", payer.customer), "RESOLVED");
}

static void what_people_called_given_back_to_the_gateway_is_there(void **state)
{
    struct payment_fixture *f = *state;
    struct foreign desk;
    struct payer payer = given_closed_card(f, &desk);
    reconciled(f);
    carry_out_all(f, payer.customer, "gateway_clearing");

    comes_back(f, &desk);
    struct reconciliation run = reconciled(f);

    assert_int_equal(run.mended_count, 0);
    assert_int_equal(cleared(f, payer.customer), 1000);
    assert_int_equal(on(f, payer, "suspense"), 0);
    assert_string_equal(of_customer_text(f, "state FROM incident", payer.customer), "RESOLVED");
}

static void one_that_was_back_before_the_first_look_is_nothing(void **state)
{
    struct payment_fixture *f = *state;
    struct foreign desk;
    struct payer payer = given_closed_card(f, &desk);

    comes_back(f, &desk);
    struct reconciliation run = reconciled(f);
    struct reconciliation late = reconciled_late(f);

    assert_int_equal(run.incident_count + late.incident_count, 0);
    assert_int_equal(cleared(f, payer.customer), 1000);
    assert_int_equal(on(f, payer, "suspense"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RECONCILE_TEST(a_refund_at_the_desk_is_one_of_its_payment),
        RECONCILE_TEST(a_refund_at_the_desk_waits_for_ours),
        RECONCILE_TEST(one_that_comes_back_has_failed_and_can_be_refunded_again),
        RECONCILE_TEST(one_is_found_though_only_its_coming_back_is_listed),
        RECONCILE_TEST(one_that_comes_back_before_people_decide_leaves_suspense),
        RECONCILE_TEST(what_people_called_no_refund_comes_back_to_them),
        RECONCILE_TEST(what_people_called_given_back_to_the_gateway_is_there),
        RECONCILE_TEST(one_that_was_back_before_the_first_look_is_nothing),
    };
    return cmocka_run_group_tests_name("refunds at the desk", tests, NULL, NULL);
}
