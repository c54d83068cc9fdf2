/*
 * ListGatewayCalls: the gateway's own journal.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/text.h"
#include "support/rpc_payment.h"

typedef Dues__Sandbox__V1__ListGatewayCallsResponse Calls;

#define OUTCOME(name)   DUES__SANDBOX__V1__GATEWAY_CALL__OUTCOME__OUTCOME_##name
#define OPERATION(name) DUES__SANDBOX__V1__GATEWAY_CALL__OPERATION__OPERATION_##name

static const struct dues_answer *ask_calls(struct rpc_fixture *f, struct rpc_as as,
                                           const char *payment, int32_t page_size,
                                           const char *page_token)
{
    Dues__Sandbox__V1__ListGatewayCallsRequest request =
        DUES__SANDBOX__V1__LIST_GATEWAY_CALLS_REQUEST__INIT;

    request.payment = (char *)(uintptr_t)payment;
    request.page_size = page_size;
    request.page_token = (char *)(uintptr_t)page_token;
    return rpc_ask(f, as, &dues__sandbox__v1__sandbox_service__descriptor, "ListGatewayCalls",
                   &request.base);
}

static void shows_what_was_asked_for_a_payment_and_its_refunds(void **state)
{
    struct rpc_fixture *f = *state;
    struct payer payer = given_payer(f, "tok_visa");
    const char *payment = given_payment(f, payer);

    given_payment(f, payer);
    given_refund(f, payment, 300);
    rpc_restart(f);
    const Calls *calls = must_reply(ask_calls(f, AS(SERVICE_BILLING), payment, 0, ""));

    assert_int_equal(calls->n_gateway_calls, 2);
    const Dues__Sandbox__V1__GatewayCall *refund = calls->gateway_calls[0];
    const Dues__Sandbox__V1__GatewayCall *charge = calls->gateway_calls[1];
    assert_int_equal(refund->operation, OPERATION(REFUND));
    assert_int_equal(refund->amount->minor_units, 300);
    assert_string_equal(refund->token, "");
    assert_int_equal(charge->operation, OPERATION(CHARGE));
    assert_int_equal(charge->outcome, OUTCOME(APPROVED));
    assert_string_equal(charge->token, "tok_visa");
    assert_string_equal(charge->amount->currency_code, "USD");
    assert_int_equal(charge->amount->minor_units, 999);
    assert_true(text_starts_with(charge->gateway_transaction_id, "ch_"));
    assert_int_equal(strlen(charge->idempotency_key), 32);
    assert_int_equal(strlen(charge->reference), 36);
    assert_false(charge->answer_lost);
}

static void shows_declines_and_hides_what_marks_a_stored_card(void **state)
{
    struct rpc_fixture *f = *state;
    struct payer payer = given_payer(f, "tok_declinesFromSecondCharge");

    given_payment(f, payer);
    const Payment *second = must_reply(ask_payment(f, payer, new_request_id(f)));
    const Calls *calls = must_reply(ask_calls(f, AS(OPERATOR_DEMO), second->name, 0, ""));

    assert_int_equal(second->state, PAYMENT_STATE(FAILED));
    assert_int_equal(calls->n_gateway_calls, 1);
    assert_int_equal(calls->gateway_calls[0]->outcome, OUTCOME(DECLINED));
    assert_string_equal(calls->gateway_calls[0]->decline_code, "insufficient_funds");
    assert_string_equal(calls->gateway_calls[0]->token, "tok_declinesFromSecondCharge");
    assert_string_equal(calls->gateway_calls[0]->gateway_transaction_id, "");
}

static void lists_everything_newest_first_in_pages(void **state)
{
    struct rpc_fixture *f = *state;
    struct payer payer = given_payer(f, "tok_visa");

    for (int i = 0; i < 3; i++)
        given_payment(f, payer);
    const Calls *first = must_reply(ask_calls(f, AS(SERVICE_BILLING), "", 2, ""));
    const Calls *second =
        must_reply(ask_calls(f, AS(SERVICE_BILLING), "", 2, first->next_page_token));

    assert_int_equal(first->n_gateway_calls, 2);
    assert_true(second->n_gateway_calls >= 1);
    assert_string_not_equal(first->gateway_calls[1]->idempotency_key,
                            second->gateway_calls[0]->idempotency_key);
}

static void refuses_wrong_fields_and_unknown_payments(void **state)
{
    struct rpc_fixture *f = *state;
    const char *absent =
        rpc_printf(f, "%s/payments/%s", given_customer(f, ""), db_uuid_text(f->db, db_uuid(f->db)));

    const struct dues_answer *name = ask_calls(f, AS(SERVICE_BILLING), "payments/1", -1, "");
    const struct dues_answer *token = ask_calls(f, AS(SERVICE_BILLING), "", 0, "abc");
    const struct dues_answer *nothing = ask_calls(f, AS(SERVICE_BILLING), absent, 0, "");

    assert_true(answer_names(name, "payment"));
    assert_true(answer_names(name, "page_size"));
    assert_string_equal(token->reason, "PAGE_TOKEN_INVALID");
    assert_int_equal(nothing->status, DUES_NOT_FOUND);
    assert_string_equal(nothing->reason, "PAYMENT_NOT_FOUND");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shows_what_was_asked_for_a_payment_and_its_refunds),
        cmocka_unit_test(shows_declines_and_hides_what_marks_a_stored_card),
        cmocka_unit_test(lists_everything_newest_first_in_pages),
        cmocka_unit_test(refuses_wrong_fields_and_unknown_payments),
    };
    return cmocka_run_group_tests_name("ListGatewayCalls", tests, members_setup, rpc_teardown);
}
