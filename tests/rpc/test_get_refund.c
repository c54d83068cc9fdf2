/*
 * GetRefund: under its own payment only.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/text.h"
#include "support/rpc_payment.h"

static void shows_the_refund(void **state)
{
    struct rpc_fixture *f = *state;
    const char *payment = given_payment(f, given_payer(f, "tok_visa"));
    const struct dues_answer *created = ask_refund(f, payment, 300, new_request_id(f));
    const char *name = ((const Refund *)must_reply(created))->name;

    const struct dues_answer *answer = ask_payment_by_name(f, AS(OPERATOR_DEMO), "GetRefund", name);

    assert_int_equal(answer->status, DUES_OK);
    assert_int_equal(answer->reply_size, created->reply_size);
    assert_memory_equal(answer->reply_bytes, created->reply_bytes, created->reply_size);
}

static void refuses_what_is_no_name(void **state)
{
    struct rpc_fixture *f = *state;

    const struct dues_answer *answer =
        ask_payment_by_name(f, AS(SERVICE_BILLING), "GetRefund", "customers/1/refunds/2");

    assert_int_equal(answer->status, DUES_INVALID_ARGUMENT);
    assert_true(answer_names(answer, "name"));
}

static void finds_nothing_under_another_payment_or_customer(void **state)
{
    struct rpc_fixture *f = *state;
    const char *payment = given_payment(f, given_payer(f, "tok_visa"));
    const char *other = given_payment(f, given_payer(f, "tok_visa"));
    const char *refund = given_refund(f, payment, 300);
    const char *moved = rpc_printf(f, "%s%s", other, strstr(refund, "/refunds/"));

    const struct dues_answer *answer =
        ask_payment_by_name(f, AS(SERVICE_BILLING), "GetRefund", moved);

    assert_int_equal(answer->status, DUES_NOT_FOUND);
    assert_string_equal(answer->reason, "REFUND_NOT_FOUND");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shows_the_refund),
        cmocka_unit_test(refuses_what_is_no_name),
        cmocka_unit_test(finds_nothing_under_another_payment_or_customer),
    };
    return cmocka_run_group_tests_name("GetRefund", tests, members_setup, rpc_teardown);
}
