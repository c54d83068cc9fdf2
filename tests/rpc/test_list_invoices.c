/*
 * ListInvoices over the wire: newest first, with lines, numbered without gaps.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support/rpc_membership.h"
#include "support/rpc_world.h"

static const Invoices *page_of(const struct dues_answer *answer)
{
    assert_int_equal(answer->status, DUES_OK);
    return (const Invoices *)answer->reply;
}

static void lists_newest_first_page_by_page(void **state)
{
    struct rpc_fixture *f = *state;
    const char *clock = given_clock(f, time_of("2026-01-10T00:00:00Z"));
    const char *customer = given_customer(f, clock);
    const char *card = given_card(f, customer, "tok_visa");
    const Membership *membership = given_membership(f, customer, "plans/premium-monthly", card);
    advance(f, clock, time_of("2026-03-10T00:00:00Z"));

    const Invoices *first =
        page_of(ask_page(f, AS(OPERATOR_DEMO), "ListInvoices", customer, 2, ""));
    const Invoices *second = page_of(
        ask_page(f, AS(OPERATOR_DEMO), "ListInvoices", customer, 2, first->next_page_token));

    assert_int_equal(first->n_invoices, 2);
    assert_string_equal(first->invoices[0]->number, "3");
    assert_string_equal(first->invoices[1]->number, "2");
    assert_int_equal(second->n_invoices, 1);
    assert_string_equal(second->invoices[0]->number, "1");
    assert_string_equal(second->next_page_token, "");
    const Dues__Membership__V1__Invoice *invoice = first->invoices[0];
    assert_string_equal(invoice->membership, membership->name);
    assert_int_equal(invoice->n_lines, 1);
    assert_string_equal(invoice->lines[0]->description, "Premium, monthly");
    assert_int_equal(invoice->lines[0]->amount->minor_units, 999);
    assert_string_equal(invoice->lines[0]->amount->currency_code, "USD");
    assert_true(strstr(invoice->payment, "/payments/") != NULL);
    assert_true(time_in(invoice->paid_time) == time_of("2026-03-10T00:00:00Z"));
}

static void a_customer_without_invoices_has_an_empty_list(void **state)
{
    struct rpc_fixture *f = *state;

    const Invoices *page =
        page_of(ask_page(f, AS(SERVICE_BILLING), "ListInvoices", given_customer(f, ""), 0, ""));

    assert_int_equal(page->n_invoices, 0);
    assert_string_equal(page->next_page_token, "");
}

static void refuses_strangers_and_bad_tokens(void **state)
{
    struct rpc_fixture *f = *state;
    struct rpc_world *world = world_new(f);

    const struct dues_answer *foreign =
        ask_page(f, user_of(world), "ListInvoices", world->other.customer, 0, "");
    const struct dues_answer *own =
        ask_page(f, user_of(world), "ListInvoices", "customers/me", 0, "");
    const struct dues_answer *token =
        ask_page(f, user_of(world), "ListInvoices", "customers/me", 0, "AAAA");
    world_free(world);

    assert_string_equal(foreign->reason, "CUSTOMER_NOT_FOUND");
    assert_int_equal(page_of(own)->n_invoices, 1);
    assert_string_equal(token->reason, "PAGE_TOKEN_INVALID");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_newest_first_page_by_page),
        cmocka_unit_test(a_customer_without_invoices_has_an_empty_list),
        cmocka_unit_test(refuses_strangers_and_bad_tokens),
    };
    return cmocka_run_group_tests_name("ListInvoices", tests, members_setup, rpc_teardown);
}
