/*
 * RunReconciliation: asked for by an operator, driven by the server, and what it finds.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support/rpc_reconcile.h"

#include "base/time.h"

static void compares_and_posts_the_fees(void **state)
{
    struct rpc_fixture *f = *state;
    struct payer payer = given_payer(f, "tok_visa");
    given_payment(f, payer);

    const Reconciliation *run = given_reconciliation(f);

    assert_int_equal(run->state, RECONCILIATION_STATE(SUCCEEDED));
    assert_string_equal(run->gateway, "sandbox");
    assert_non_null(strstr(run->requester, "operator-demo"));
    assert_true(run->entry_count >= 1);
    assert_true(run->fee_count >= 1);
    assert_int_equal(run->list_hash.len, 32);
    assert_string_equal(run->problem, "");
    assert_int_equal(
        number_of(f, payer.customer,
                  "sum(amount) FILTER (WHERE account = 'fees') FROM dues.ledger_entry"),
        59);
    assert_int_equal(number_of(f, payer.customer, "sum(amount) FROM dues.ledger_entry"), 0);
}

static void the_same_request_is_one_run(void **state)
{
    struct rpc_fixture *f = *state;
    const char *request_id = new_request_id(f);

    const struct dues_answer *first =
        ask_reconciliation(f, AS(OPERATOR_DEMO), "sandbox", 0, 0, request_id);
    const struct dues_answer *second =
        ask_reconciliation(f, AS(OPERATOR_DEMO), "sandbox", 0, 0, request_id);

    assert_int_equal(((const Reconciliation *)must_reply(first))->state,
                     RECONCILIATION_STATE(RUNNING));
    assert_true(is_replayed(second));
    assert_string_equal(((const Reconciliation *)must_reply(first))->name,
                        ((const Reconciliation *)must_reply(second))->name);
}

/* A customer who has paid for a month of premium. */
static const char *given_member(struct rpc_fixture *f)
{
    struct rpc_user user = rpc_given_user(f);
    const char *card = given_card(f, user.customer, "tok_visa");

    given_membership(f, user.customer, "plans/premium-monthly", card);
    return user.customer;
}

/* The customer authenticates when the membership is given up already: paid and void. */
static void finds_what_was_paid_and_not_granted(void **state)
{
    struct rpc_fixture *f = *state;
    const char *customer = given_member(f);
    db_execute(f->db, db_printf(f->db,
                                "UPDATE dues.invoice SET state = 'VOID', paid_time = NULL"
                                " WHERE customer_id = '%s'",
                                last_id(customer)));

    given_reconciliation(f);
    given_reconciliation(f);
    const Incident *incident = the_incident(f, customer);

    assert_int_equal(incident->kind, INCIDENT_KIND(PAID_NOT_GRANTED));
    assert_non_null(strstr(incident->payment, "/payments/"));
    assert_string_equal(incident->detail,
                        "payment SUCCEEDED, invoice VOID, authorization until never");
}

static void finds_what_was_granted_and_not_paid(void **state)
{
    struct rpc_fixture *f = *state;
    const char *customer = given_member(f);
    db_execute(f->db, db_printf(f->db,
                                "UPDATE dues.payment SET state = 'FAILED', amount_captured = 0"
                                " WHERE customer_id = '%s'",
                                last_id(customer)));

    given_reconciliation(f);
    const Incident *incident = the_incident(f, customer);

    assert_int_equal(incident->kind, INCIDENT_KIND(GRANTED_NOT_PAID));
}

static void refuses_what_it_cannot_compare(void **state)
{
    struct rpc_fixture *f = *state;
    struct rpc_as caller = AS(OPERATOR_DEMO);
    int64_t now_s = clock_wall_us(&f->clock->clock) / US_PER_SECOND;

    assert_string_equal(ask_reconciliation(f, caller, "paypal", 0, 0, new_request_id(f))->reason,
                        "GATEWAY_NOT_FOUND");
    assert_true(
        answer_names(ask_reconciliation(f, caller, "", 0, 0, new_request_id(f)), "gateway"));
    assert_true(answer_names(
        ask_reconciliation(f, caller, "sandbox", 0, now_s + 60, new_request_id(f)), "until_time"));
    assert_true(
        answer_names(ask_reconciliation(f, caller, "sandbox", now_s, now_s - 60, new_request_id(f)),
                     "from_time"));
    assert_true(answer_names(
        ask_reconciliation(f, caller, "sandbox", now_s - 40 * 86400, 0, new_request_id(f)),
        "from_time"));
    assert_true(answer_names(ask_reconciliation(f, caller, "sandbox", 0, 0, ""), "request_id"));
    assert_string_equal(
        ask_reconciliation(f, AS(SERVICE_BILLING), "sandbox", 0, 0, new_request_id(f))->reason,
        "CALLER_NOT_ALLOWED");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(compares_and_posts_the_fees),
        cmocka_unit_test(the_same_request_is_one_run),
        cmocka_unit_test(finds_what_was_paid_and_not_granted),
        cmocka_unit_test(finds_what_was_granted_and_not_paid),
        cmocka_unit_test(refuses_what_it_cannot_compare),
    };
    return cmocka_run_group_tests_name("RunReconciliation", tests, members_setup, rpc_teardown);
}
