/*
 * GetDispute, and what a dispute does to its payment, to the ledger and to events.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/text.h"
#include "support/rpc_dispute.h"

static void shows_what_the_bank_wants(void **state)
{
    struct rpc_fixture *f = *state;
    const char *payment = given_payment(f, given_payer(f, "tok_createDispute"));

    learn_disputes(f);
    const Dispute *dispute = newest_dispute(f, customer_of(f, payment));
    const Dispute *same = must_reply(ask_dispute(f, AS(OPERATOR_DEMO), dispute->name));

    assert_true(
        text_starts_with(same->name, rpc_printf(f, "%s/disputes/", customer_of(f, payment))));
    assert_string_equal(same->payment, payment);
    assert_int_equal(same->state, DISPUTE_STATE(NEEDS_RESPONSE));
    assert_int_equal(same->amount->minor_units, 999);
    assert_int_equal(same->amount_withdrawn->minor_units, 999);
    assert_int_equal(same->fee->minor_units, 1500);
    assert_string_equal(same->reason, "fraudulent");
    assert_string_equal(same->gateway, "sandbox");
    assert_false(same->inquiry);
    assert_non_null(same->evidence_due_time);
    assert_null(same->evidence_submit_time);
}

static void takes_from_what_can_be_refunded_and_stands_in_the_ledger(void **state)
{
    struct rpc_fixture *f = *state;
    const Dispute *dispute = given_dispute(f, "tok_createDispute");

    const Payment *payment = payment_now(f, dispute->payment);
    const struct dues_answer *refund = ask_refund(f, dispute->payment, 1, new_request_id(f));

    assert_int_equal(payment->state, PAYMENT_STATE(SUCCEEDED));
    assert_int_equal(payment->amount_disputed->minor_units, 999);
    assert_string_equal(refund->reason, "PAYMENT_NOT_REFUNDABLE");
    assert_non_null(strstr(refund->message, "disputed"));
    assert_int_equal(balance_of(f, dispute->name, "disputes"), 999);
    assert_int_equal(balance_of(f, dispute->name, "dispute_losses"), 0);
    assert_int_equal(balance_of(f, dispute->name, "fees"), 1500);
    assert_int_equal(balance_of(f, dispute->name, "gateway_clearing:sandbox"), -1500);
    assert_int_equal(event_count(f, dispute->name, "dispute.opened"), 1);
}

static void is_learned_once_however_often_it_is_told(void **state)
{
    struct rpc_fixture *f = *state;
    const Dispute *dispute = given_dispute(f, "tok_createDispute");

    for (int i = 0; i < 5; i++)
        learn_disputes(f);

    assert_int_equal(number_of(f, dispute->name, "count(*) FROM dues.dispute"), 1);
    assert_int_equal(balance_of(f, dispute->name, "disputes"), 999);
    assert_int_equal(balance_of(f, dispute->name, "fees"), 1500);
    assert_int_equal(payment_now(f, dispute->payment)->amount_disputed->minor_units, 999);
    assert_int_equal(event_count(f, dispute->name, "dispute.updated"), 0);
}

static void an_inquiry_withdraws_nothing_and_leaves_the_refund_open(void **state)
{
    struct rpc_fixture *f = *state;
    const Dispute *dispute = given_dispute(f, "tok_createDisputeInquiry");

    const Payment *payment = payment_now(f, dispute->payment);
    given_refund(f, dispute->payment, 999);

    assert_true(dispute->inquiry);
    assert_int_equal(dispute->amount_withdrawn->minor_units, 0);
    assert_null(dispute->fee);
    assert_null(payment->amount_disputed);
    assert_int_equal(balance_of(f, dispute->name, "disputes"), 0);
}

static void of_a_payment_partly_refunded_it_may_be_more_than_is_left(void **state)
{
    struct rpc_fixture *f = *state;
    const char *payment = given_payment(f, given_payer(f, "tok_createDispute"));
    given_refund(f, payment, 400);

    learn_disputes(f);
    const Payment *after = payment_now(f, payment);
    const struct dues_answer *refund = ask_refund(f, payment, 1, new_request_id(f));

    assert_int_equal(after->amount_disputed->minor_units, 999);
    assert_int_equal(after->amount_refunded->minor_units, 400);
    assert_string_equal(refund->reason, "PAYMENT_NOT_REFUNDABLE");
    assert_int_equal(balance_of(f, payment, "gateway_clearing:sandbox"), -400 - 1500);
}

static void two_of_one_payment_share_it(void **state)
{
    struct rpc_fixture *f = *state;
    const Dispute *dispute = given_dispute(f, "tok_createMultipleDisputes");

    assert_int_equal(number_of(f, dispute->name, "count(*) FROM dues.dispute"), 2);
    assert_int_equal(number_of(f, dispute->name, "sum(amount) FROM dues.dispute"), 999);
    assert_int_equal(payment_now(f, dispute->payment)->amount_disputed->minor_units, 999);
    assert_int_equal(balance_of(f, dispute->name, "fees"), 3000);
}

/* As the step records it when the gateway says so. */
static void given_state(struct rpc_fixture *f, const char *dispute, const char *state,
                        int64_t withdrawn)
{
    assert_int_equal(
        db_number(f->db,
                  db_printf(f->db,
                            "SELECT dues.dispute_record(customer_id, ROW(dispute_id, payment_id,"
                            " version, gateway, gateway_dispute, currency::text, amount, reason,"
                            " is_inquiry, '%s', %d, fee_currency::text, fee, NULL, NULL,"
                            " asked_time)::dues.dispute_known, asked_time, update_time)::integer"
                            " FROM dues.dispute WHERE dispute_id = '%s'",
                            state, (int)withdrawn, strrchr(dispute, '/') + 1)),
        1);
}

static void a_bank_may_think_again_and_again(void **state)
{
    struct rpc_fixture *f = *state;
    const Dispute *dispute = given_dispute(f, "tok_createDispute");

    given_state(f, dispute->name, "LOST", 999);
    assert_int_equal(balance_of(f, dispute->name, "dispute_losses"), 999);
    given_state(f, dispute->name, "WON", 0);
    assert_int_equal(balance_of(f, dispute->name, "dispute_losses"), 0);
    assert_int_equal(balance_of(f, dispute->name, "gateway_clearing:sandbox"), 999 - 1500);
    given_state(f, dispute->name, "LOST", 999);
    given_state(f, dispute->name, "WON", 0);

    assert_int_equal(balance_of(f, dispute->name, "disputes"), 0);
    assert_int_equal(balance_of(f, dispute->name, "dispute_losses"), 0);
    assert_int_equal(balance_of(f, dispute->name, "gateway_clearing:sandbox"), 999 - 1500);
    assert_int_equal(event_count(f, dispute->name, "dispute.won"), 2);
    assert_null(payment_now(f, dispute->payment)->amount_disputed);
}

static void finds_no_dispute_that_does_not_exist(void **state)
{
    struct rpc_fixture *f = *state;
    const Dispute *dispute = given_dispute(f, "tok_createDispute");
    const char *id = strstr(dispute->name, "/disputes/");

    const struct dues_answer *absent =
        ask_dispute(f, AS(SERVICE_BILLING),
                    rpc_printf(f, "%s/disputes/%s", customer_of(f, dispute->name),
                               db_uuid_text(f->db, db_uuid(f->db))));
    const struct dues_answer *of_another = ask_dispute(
        f, AS(SERVICE_BILLING), rpc_printf(f, "%s%s", given_payer(f, "tok_visa").customer, id));
    const struct dues_answer *wrong = ask_dispute(f, AS(SERVICE_BILLING), "customers/me");

    assert_string_equal(absent->reason, "DISPUTE_NOT_FOUND");
    assert_string_equal(of_another->reason, "DISPUTE_NOT_FOUND");
    assert_true(answer_names(wrong, "name"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shows_what_the_bank_wants),
        cmocka_unit_test(takes_from_what_can_be_refunded_and_stands_in_the_ledger),
        cmocka_unit_test(is_learned_once_however_often_it_is_told),
        cmocka_unit_test(an_inquiry_withdraws_nothing_and_leaves_the_refund_open),
        cmocka_unit_test(of_a_payment_partly_refunded_it_may_be_more_than_is_left),
        cmocka_unit_test(two_of_one_payment_share_it),
        cmocka_unit_test(a_bank_may_think_again_and_again),
        cmocka_unit_test(finds_no_dispute_that_does_not_exist),
    };

    return cmocka_run_group_tests_name("GetDispute", tests, rpc_setup, rpc_teardown);
}
