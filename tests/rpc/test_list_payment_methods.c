/*
 * ListPaymentMethods: page by page, newest first.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/text.h"
#include "support/rpc_payment.h"

typedef Dues__Payment__V1__ListPaymentMethodsResponse Cards;

static const Cards *cards_of(struct rpc_fixture *f, const char *customer, int32_t page_size,
                             const char *page_token)
{
    return must_reply(ask_payment_list(f, AS(SERVICE_BILLING), "ListPaymentMethods", customer,
                                       page_size, page_token, ""));
}

static void lists_newest_first_in_pages(void **state)
{
    struct rpc_fixture *f = *state;
    const char *customer = given_customer(f, "");
    const char *names[3];

    for (size_t i = 0; i < 3; i++) {
        fake_clock_advance(f->clock, 1000000);
        names[i] = given_card(f, customer, "tok_visa");
    }
    const Cards *first = cards_of(f, customer, 2, "");
    const Cards *second = cards_of(f, customer, 2, first->next_page_token);

    assert_int_equal(first->n_payment_methods, 2);
    assert_string_equal(first->payment_methods[0]->name, names[2]);
    assert_string_equal(first->payment_methods[1]->name, names[1]);
    assert_int_equal(second->n_payment_methods, 1);
    assert_string_equal(second->payment_methods[0]->name, names[0]);
    assert_true(second->payment_methods[0]->is_default);
    assert_string_equal(second->next_page_token, "");
}

static void a_customer_without_cards_has_an_empty_list(void **state)
{
    struct rpc_fixture *f = *state;

    const Cards *cards = cards_of(f, given_customer(f, ""), 0, "");

    assert_int_equal(cards->n_payment_methods, 0);
    assert_string_equal(cards->next_page_token, "");
}

static void refuses_a_page_token_of_another_list(void **state)
{
    struct rpc_fixture *f = *state;
    const char *ours = given_customer(f, "");
    const char *theirs = given_customer(f, "");

    given_card(f, ours, "tok_visa");
    given_card(f, ours, "tok_visa");
    const Cards *first = cards_of(f, ours, 1, "");
    const struct dues_answer *answer = ask_payment_list(
        f, AS(SERVICE_BILLING), "ListPaymentMethods", theirs, 1, first->next_page_token, "");
    const struct dues_answer *made_up =
        ask_payment_list(f, AS(SERVICE_BILLING), "ListPaymentMethods", ours, 1, "abc", "");

    assert_int_equal(answer->status, DUES_INVALID_ARGUMENT);
    assert_string_equal(answer->reason, "PAGE_TOKEN_INVALID");
    assert_string_equal(made_up->reason, "PAGE_TOKEN_INVALID");
}

static void refuses_wrong_fields_all_at_once(void **state)
{
    struct rpc_fixture *f = *state;

    const struct dues_answer *answer =
        ask_payment_list(f, AS(SERVICE_BILLING), "ListPaymentMethods", "customer", -1, "", "");

    assert_int_equal(answer->status, DUES_INVALID_ARGUMENT);
    assert_true(answer_names(answer, "parent"));
    assert_true(answer_names(answer, "page_size"));
}

static void finds_no_customer_of_somebody_else(void **state)
{
    struct rpc_fixture *f = *state;
    struct rpc_world *world = world_new(f);
    struct payer payer = given_payer(f, "tok_visa");

    const struct dues_answer *answer =
        ask_payment_list(f, user_of(world), "ListPaymentMethods", payer.customer, 0, "", "");

    assert_int_equal(answer->status, DUES_NOT_FOUND);
    assert_string_equal(answer->reason, "CUSTOMER_NOT_FOUND");
    world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_newest_first_in_pages),
        cmocka_unit_test(a_customer_without_cards_has_an_empty_list),
        cmocka_unit_test(refuses_a_page_token_of_another_list),
        cmocka_unit_test(refuses_wrong_fields_all_at_once),
        cmocka_unit_test(finds_no_customer_of_somebody_else),
    };
    return cmocka_run_group_tests_name("ListPaymentMethods", tests, members_setup, rpc_teardown);
}
