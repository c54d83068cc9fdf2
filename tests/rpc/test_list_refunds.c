/*
 * ListRefunds: those of one payment, page by page.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/text.h"
#include "support/rpc_payment.h"

typedef Dues__Payment__V1__ListRefundsResponse Refunds;

static void lists_newest_first_in_pages(void **state)
{
    struct rpc_fixture *f = *state;
    const char *payment = given_payment(f, given_payer(f, "tok_visa"));
    const char *names[3];

    for (size_t i = 0; i < 3; i++) {
        fake_clock_advance(f->clock, 1000000);
        names[i] = given_refund(f, payment, 100);
    }
    const Refunds *first =
        must_reply(ask_payment_list(f, AS(SERVICE_BILLING), "ListRefunds", payment, 2, "", ""));
    const Refunds *second = must_reply(ask_payment_list(f, AS(SERVICE_BILLING), "ListRefunds",
                                                        payment, 2, first->next_page_token, ""));

    assert_int_equal(first->n_refunds, 2);
    assert_string_equal(first->refunds[0]->name, names[2]);
    assert_string_equal(first->refunds[1]->name, names[1]);
    assert_int_equal(second->n_refunds, 1);
    assert_string_equal(second->refunds[0]->name, names[0]);
    assert_string_equal(second->next_page_token, "");
}

static void shows_only_those_of_the_payment(void **state)
{
    struct rpc_fixture *f = *state;
    struct payer payer = given_payer(f, "tok_visa");
    const char *payment = given_payment(f, payer);
    const char *other = given_payment(f, payer);

    given_refund(f, payment, 100);
    const Refunds *refunds =
        must_reply(ask_payment_list(f, AS(OPERATOR_DEMO), "ListRefunds", other, 0, "", ""));

    assert_int_equal(refunds->n_refunds, 0);
}

static void refuses_page_tokens_and_sizes_that_are_wrong(void **state)
{
    struct rpc_fixture *f = *state;
    const char *payment = given_payment(f, given_payer(f, "tok_visa"));

    const struct dues_answer *token =
        ask_payment_list(f, AS(SERVICE_BILLING), "ListRefunds", payment, 0, "abc", "");
    const struct dues_answer *size =
        ask_payment_list(f, AS(SERVICE_BILLING), "ListRefunds", payment, -5, "", "");

    assert_string_equal(token->reason, "PAGE_TOKEN_INVALID");
    assert_true(answer_names(size, "page_size"));
}

static void finds_no_payment_that_does_not_exist(void **state)
{
    struct rpc_fixture *f = *state;
    const char *absent =
        rpc_printf(f, "%s/payments/%s", given_customer(f, ""), db_uuid_text(f->db, db_uuid(f->db)));

    const struct dues_answer *answer =
        ask_payment_list(f, AS(SERVICE_BILLING), "ListRefunds", absent, 0, "", "");

    assert_int_equal(answer->status, DUES_NOT_FOUND);
    assert_string_equal(answer->reason, "PAYMENT_NOT_FOUND");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_newest_first_in_pages),
        cmocka_unit_test(shows_only_those_of_the_payment),
        cmocka_unit_test(refuses_page_tokens_and_sizes_that_are_wrong),
        cmocka_unit_test(finds_no_payment_that_does_not_exist),
    };
    return cmocka_run_group_tests_name("ListRefunds", tests, members_setup, rpc_teardown);
}
