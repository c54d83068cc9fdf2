/*
 * GetPaymentMethod: what is known of a card, never its token.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/text.h"
#include "support/rpc_payment.h"

static void shows_what_was_stored(void **state)
{
    struct rpc_fixture *f = *state;
    struct payer payer = given_payer(f, "tok_amex");

    const PaymentMethod *card =
        must_reply(ask_payment_by_name(f, AS(SERVICE_BILLING), "GetPaymentMethod", payer.card));

    assert_string_equal(card->name, payer.card);
    assert_string_equal(card->brand, "amex");
    assert_string_equal(card->last4, "0005");
    assert_true(card->is_default);
    assert_string_equal(card->gateway_token, "");
    assert_non_null(card->create_time);
}

static void a_lost_card_is_unusable_from_then_on(void **state)
{
    struct rpc_fixture *f = *state;
    struct payer payer = given_payer(f, "tok_chargeDeclinedLostCard");

    ask_payment(f, payer, new_request_id(f));
    const PaymentMethod *card =
        must_reply(ask_payment_by_name(f, AS(SERVICE_BILLING), "GetPaymentMethod", payer.card));

    assert_int_equal(card->state, DUES__PAYMENT__V1__PAYMENT_METHOD__STATE__STATE_UNUSABLE);
}

static void refuses_what_is_no_name(void **state)
{
    struct rpc_fixture *f = *state;

    const struct dues_answer *answer =
        ask_payment_by_name(f, AS(SERVICE_BILLING), "GetPaymentMethod", "customers/1/cards/2");

    assert_int_equal(answer->status, DUES_INVALID_ARGUMENT);
    assert_true(answer_names(answer, "name"));
}

static void finds_nothing_that_does_not_exist_or_is_not_ours(void **state)
{
    struct rpc_fixture *f = *state;
    struct payer payer = given_payer(f, "tok_visa");
    struct rpc_world *world = world_new(f);
    const char *absent =
        rpc_printf(f, "%s/paymentMethods/%s", payer.customer, db_uuid_text(f->db, db_uuid(f->db)));

    const struct dues_answer *nothing =
        ask_payment_by_name(f, AS(SERVICE_BILLING), "GetPaymentMethod", absent);
    const struct dues_answer *foreign =
        ask_payment_by_name(f, user_of(world), "GetPaymentMethod", payer.card);

    assert_int_equal(nothing->status, DUES_NOT_FOUND);
    assert_string_equal(nothing->reason, "PAYMENT_METHOD_NOT_FOUND");
    assert_int_equal(foreign->status, DUES_NOT_FOUND);
    assert_string_equal(foreign->reason, "PAYMENT_METHOD_NOT_FOUND");
    world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shows_what_was_stored),
        cmocka_unit_test(a_lost_card_is_unusable_from_then_on),
        cmocka_unit_test(refuses_what_is_no_name),
        cmocka_unit_test(finds_nothing_that_does_not_exist_or_is_not_ours),
    };
    return cmocka_run_group_tests_name("GetPaymentMethod", tests, members_setup, rpc_teardown);
}
