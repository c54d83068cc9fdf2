/*
 * CreateRefund from handler to tables: never more than was captured, whoever races.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "db/payment/payment_fixture.h"

static const Dues__Payment__V1__Refund *refund_in(const struct asked *asked)
{
    return (const Dues__Payment__V1__Refund *)asked->reply;
}

static void release(struct asked *asked)
{
    if (asked->reply != NULL)
        protobuf_c_message_free_unpacked(asked->reply, NULL);
    asked->reply = NULL;
}

struct paid {
    struct uuid customer;
    struct uuid payment;
};

static struct paid given_paid(struct payment_fixture *f, const char *token, int64_t minor_units)
{
    struct payer payer = given_payer(f, token);
    struct asked asked =
        asked_payment(f, payer.customer, payer.method, minor_units, "request-of-payment");

    assert_null(db_run(f->db, asked_run, &asked));
    release(&asked);
    return (struct paid){payer.customer, only_payment(f, payer.customer)};
}

static void returns_a_part_and_then_the_rest(void **state)
{
    struct payment_fixture *f = *state;
    struct paid paid = given_paid(f, "tok_visa", 1000);
    struct asked part = asked_refund(f, paid.customer, paid.payment, 300, "refund-1");
    struct asked rest = asked_refund(f, paid.customer, paid.payment, 0, "refund-2");
    struct asked more = asked_refund(f, paid.customer, paid.payment, 1, "refund-3");

    assert_null(db_run(f->db, asked_run, &part));
    assert_null(db_run(f->db, asked_run, &rest));
    const struct error *error = db_run(f->db, asked_run, &more);

    assert_int_equal(refund_in(&part)->state, DUES__PAYMENT__V1__REFUND__STATE__STATE_SUCCEEDED);
    assert_int_equal(refund_in(&rest)->amount->minor_units, 700);
    assert_string_equal(error->reason, "PAYMENT_NOT_REFUNDABLE");
    assert_int_equal(of_customer(f, "amount_refunded FROM payment", paid.customer), 1000);
    assert_int_equal(of_customer(f, "amount_refund_pending FROM payment", paid.customer), 0);
    assert_int_equal(of_customer(f, "sum(amount) FROM ledger_entry", paid.customer), 0);
    release(&part);
    release(&rest);
}

static void answers_a_repeat_also_when_the_rules_would_refuse_it_now(void **state)
{
    struct payment_fixture *f = *state;
    struct paid paid = given_paid(f, "tok_visa", 1000);
    struct asked first = asked_refund(f, paid.customer, paid.payment, 1000, "refund-1");
    struct asked second = first;

    assert_null(db_run(f->db, asked_run, &first));
    assert_null(db_run(f->db, asked_run, &second));

    assert_true(second.replayed);
    assert_int_equal(first.bytes.size, second.bytes.size);
    assert_memory_equal(first.bytes.data, second.bytes.data, first.bytes.size);
    release(&first);
    release(&second);
}

static void says_how_much_is_left(void **state)
{
    struct payment_fixture *f = *state;
    struct paid paid = given_paid(f, "tok_visa", 1000);
    struct asked part = asked_refund(f, paid.customer, paid.payment, 300, "refund-1");
    struct asked more = asked_refund(f, paid.customer, paid.payment, 701, "refund-2");

    assert_null(db_run(f->db, asked_run, &part));
    const struct error *error = db_run(f->db, asked_run, &more);

    assert_string_equal(error->reason, "REFUND_EXCEEDS_CAPTURE");
    assert_string_equal(error->metadata[0].key, "refundable_minor_units");
    assert_string_equal(error->metadata[0].value, "700");
    assert_int_equal(of_customer(f, "count(*) FROM refund", paid.customer), 1);
    release(&part);
}

static void refuses_what_was_never_captured(void **state)
{
    struct payment_fixture *f = *state;
    struct paid unpaid = given_paid(f, "tok_chargeDeclined", 1000);
    struct asked asked = asked_refund(f, unpaid.customer, unpaid.payment, 1, "refund-1");

    const struct error *error = db_run(f->db, asked_run, &asked);

    assert_string_equal(error->reason, "PAYMENT_NOT_REFUNDABLE");
    assert_int_equal(error->status, STATUS_FAILED_PRECONDITION);
}

#define RACERS 50

static void fifty_at_once_never_return_more_than_was_captured(void **state)
{
    struct payment_fixture *f = *state;
    struct paid paid = given_paid(f, "tok_visa", 1000);
    struct asked racers[RACERS];
    const struct error *errors[RACERS];
    int before = gateway_approvals(f, "REFUND");

    for (size_t i = 0; i < RACERS; i++)
        racers[i] = asked_refund(f, paid.customer, paid.payment, 30 + (int64_t)i % 3,
                                 db_printf(f->db, "refund-%zu", i));
    db_run_all(f->db, asked_run, racers, sizeof racers[0], RACERS, errors);

    int succeeded = 0;
    int64_t returned = 0;
    for (size_t i = 0; i < RACERS; i++) {
        if (errors[i] != NULL) {
            assert_true(text_equal(errors[i]->reason, "REFUND_EXCEEDS_CAPTURE") ||
                        text_equal(errors[i]->reason, "PAYMENT_NOT_REFUNDABLE"));
            continue;
        }
        succeeded++;
        returned += refund_in(&racers[i])->amount->minor_units;
        release(&racers[i]);
    }
    assert_in_range(returned, 968, 1000);
    assert_int_equal(of_customer(f, "amount_refunded FROM payment", paid.customer), returned);
    assert_int_equal(of_customer(f, "count(*) FROM refund", paid.customer), succeeded);
    assert_int_equal(gateway_approvals(f, "REFUND"), before + succeeded);
    assert_int_equal(of_customer(f, "sum(amount) FROM ledger_entry", paid.customer), 0);
}

static void one_request_raced_returns_money_once(void **state)
{
    struct payment_fixture *f = *state;
    struct paid paid = given_paid(f, "tok_visa", 1000);
    struct asked racers[10];
    const struct error *errors[10];

    for (size_t i = 0; i < ARRAY_LENGTH(racers); i++)
        racers[i] = asked_refund(f, paid.customer, paid.payment, 100, "refund-1");
    db_run_all(f->db, asked_run, racers, sizeof racers[0], ARRAY_LENGTH(racers), errors);

    for (size_t i = 0; i < ARRAY_LENGTH(racers); i++) {
        if (errors[i] != NULL)
            assert_string_equal(errors[i]->reason, "REQUEST_IN_PROGRESS");
        release(&racers[i]);
    }
    assert_int_equal(of_customer(f, "amount_refunded FROM payment", paid.customer), 100);
}

static void a_refund_under_way_is_pending_and_reserves_its_amount(void **state)
{
    struct payment_fixture *f = *state;
    struct paid paid = given_paid(f, "pm_card_pendingRefund", 1000);
    struct asked first = asked_refund(f, paid.customer, paid.payment, 600, "refund-1");
    struct asked more = asked_refund(f, paid.customer, paid.payment, 401, "refund-2");

    assert_null(db_run(f->db, asked_run, &first));
    const struct error *error = db_run(f->db, asked_run, &more);

    assert_int_equal(refund_in(&first)->state, DUES__PAYMENT__V1__REFUND__STATE__STATE_PENDING);
    assert_string_equal(error->reason, "REFUND_EXCEEDS_CAPTURE");
    assert_int_equal(of_customer(f, "amount_refund_pending FROM payment", paid.customer), 600);
    assert_string_equal(of_customer_text(f, "kind FROM obligation", paid.customer),
                        "refund.resolve");
    release(&first);
}

static void a_failed_refund_frees_its_amount(void **state)
{
    struct payment_fixture *f = *state;
    struct paid paid = given_paid(f, "tok_refundFail", 1000);
    struct asked asked = asked_refund(f, paid.customer, paid.payment, 600, "refund-1");

    assert_null(db_run(f->db, asked_run, &asked));

    assert_int_equal(refund_in(&asked)->state, DUES__PAYMENT__V1__REFUND__STATE__STATE_FAILED);
    assert_string_equal(refund_in(&asked)->failure_code, "expired_or_canceled_card");
    assert_int_equal(of_customer(f, "amount_refund_pending FROM payment", paid.customer), 0);
    assert_int_equal(of_customer(f, "amount_refunded FROM payment", paid.customer), 0);
    assert_int_equal(of_customer(f, "count(*) FROM ledger_entry", paid.customer), 2);
    release(&asked);
}

/* The oldest under way; one with an amount as an incident that two operators resolved. */
static void settle_oldest(struct payment_fixture *f, const struct paid *paid, const char *outcome,
                          int64_t minor_units)
{
    assert_string_equal(
        db_text(
            f->db,
            db_printf(f->db,
                      "SELECT (refund_settle(a.customer_id, ROW(a.payment_id, a.attempt_id,"
                      " a.epoch, '%s', 're_' || a.attempt_id, %lld, '', 'confirmed', '', '',"
                      " NULL, NULL, NULL)::settlement, '', NULL, NULL, '2026-01-01Z')).outcome"
                      "  FROM attempt a WHERE a.customer_id = '%s' AND a.operation = 'REFUND'"
                      "   AND a.state NOT IN ('SUCCEEDED', 'FAILED') ORDER BY a.sequence LIMIT 1",
                      outcome, (long long)minor_units, db_uuid_text(f->db, paid->customer))),
        "settled");
}

static void assert_left(struct payment_fixture *f, const struct paid *paid, int64_t minor_units)
{
    struct asked more =
        asked_refund(f, paid->customer, paid->payment, minor_units + 1, "one too much");
    const struct error *error = db_run(f->db, asked_run, &more);

    assert_string_equal(error->reason, "REFUND_EXCEEDS_CAPTURE");
    assert_string_equal(error->metadata[0].value, db_printf(f->db, "%lld", (long long)minor_units));
    assert_int_equal(of_customer(f, "sum(amount) FROM ledger_entry", paid->customer), 0);
}

/* The payment cannot have returned more than it took; what comes back of it must not free that. */
static void a_refund_of_too_much_that_fails_later_frees_what_it_took_only(void **state)
{
    struct payment_fixture *f = *state;
    struct paid paid = given_paid(f, "pm_card_pendingRefund", 1000);
    struct asked first = asked_refund(f, paid.customer, paid.payment, 500, "refund-1");
    struct asked second = asked_refund(f, paid.customer, paid.payment, 500, "refund-2");

    assert_null(db_run(f->db, asked_run, &first));
    settle_oldest(f, &paid, "SUCCEEDED", 500);
    assert_null(db_run(f->db, asked_run, &second));
    settle_oldest(f, &paid, "SUCCEEDED", 600);
    int64_t refunded = of_customer(f, "amount_refunded FROM payment", paid.customer);
    db_execute(f->db, db_printf(f->db,
                                "SELECT refund_reverse(customer_id, attempt_id, 'unknown',"
                                " '2026-01-02Z') FROM attempt WHERE customer_id = '%s'"
                                " AND operation = 'REFUND' AND amount = 600",
                                db_uuid_text(f->db, paid.customer)));

    assert_int_equal(refunded, 1000);
    assert_int_equal(of_customer(f, "amount_refunded FROM payment", paid.customer), 500);
    assert_left(f, &paid, 500);
    release(&first);
    release(&second);
}

/* What one gave back too much counts when the other, which had it reserved, does not need it. */
static void a_refund_of_too_much_counts_when_another_fails_or_is_less(void **state)
{
    static const struct {
        const char *outcome;
        int64_t minor_units;
        int64_t refunded;
    } others[] = {{"FAILED", 500, 600}, {"SUCCEEDED", 300, 900}};
    struct payment_fixture *f = *state;

    for (size_t i = 0; i < ARRAY_LENGTH(others); i++) {
        struct paid paid = given_paid(f, "pm_card_pendingRefund", 1000);
        struct asked first = asked_refund(f, paid.customer, paid.payment, 500, "refund-1");
        struct asked second = asked_refund(f, paid.customer, paid.payment, 500, "refund-2");

        assert_null(db_run(f->db, asked_run, &first));
        assert_null(db_run(f->db, asked_run, &second));
        settle_oldest(f, &paid, "SUCCEEDED", 600);
        settle_oldest(f, &paid, others[i].outcome, others[i].minor_units);

        assert_int_equal(of_customer(f, "amount_refund_pending FROM payment", paid.customer), 0);
        assert_int_equal(of_customer(f, "amount_refunded FROM payment", paid.customer),
                         others[i].refunded);
        assert_left(f, &paid, 1000 - others[i].refunded);
        release(&first);
        release(&second);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(returns_a_part_and_then_the_rest),
        cmocka_unit_test(answers_a_repeat_also_when_the_rules_would_refuse_it_now),
        cmocka_unit_test(says_how_much_is_left),
        cmocka_unit_test(refuses_what_was_never_captured),
        cmocka_unit_test(fifty_at_once_never_return_more_than_was_captured),
        cmocka_unit_test(one_request_raced_returns_money_once),
        cmocka_unit_test(a_refund_under_way_is_pending_and_reserves_its_amount),
        cmocka_unit_test(a_failed_refund_frees_its_amount),
        cmocka_unit_test(a_refund_of_too_much_that_fails_later_frees_what_it_took_only),
        cmocka_unit_test(a_refund_of_too_much_counts_when_another_fails_or_is_less),
    };
    return cmocka_run_group_tests_name("refunds", tests, payment_setup, payment_teardown);
}
