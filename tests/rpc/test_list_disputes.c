/*
 * ListDisputes: of a customer, by state, time and payment, page by page.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support/rpc_dispute.h"

#define PAYMENTS 5

static const DisputeList *listed(struct rpc_fixture *f, const char *customer, const char *filter,
                                 const char *payment)
{
    return must_reply(ask_disputes(f, AS(OPERATOR_DEMO), customer, 0, "", filter, payment));
}

static const char *given_disputes(struct rpc_fixture *f, const char *payments[PAYMENTS])
{
    struct payer payer = given_payer(f, "tok_createDispute");

    for (int i = 0; i < PAYMENTS; i++)
        payments[i] = given_payment(f, payer);
    learn_disputes(f);
    return payer.customer;
}

static void lists_the_newest_first_and_page_by_page(void **state)
{
    struct rpc_fixture *f = *state;
    const char *payments[PAYMENTS];
    const char *customer = given_disputes(f, payments);
    const char *token = "";
    const char *before = NULL;
    size_t count = 0;

    for (int page = 0; page < 3; page++) {
        const DisputeList *list =
            must_reply(ask_disputes(f, AS(SERVICE_BILLING), customer, 2, token, "", ""));
        for (size_t i = 0; i < list->n_disputes; i++, count++) {
            if (before != NULL)
                assert_true(strcmp(list->disputes[i]->name, before) < 0);
            before = list->disputes[i]->name;
        }
        token = list->next_page_token;
    }

    assert_int_equal(count, PAYMENTS);
    assert_string_equal(token, "");
}

static void filters_by_state_time_and_payment(void **state)
{
    struct rpc_fixture *f = *state;
    const char *payments[PAYMENTS];
    const char *customer = given_disputes(f, payments);
    const Dispute *dispute = newest_dispute(f, customer);
    must_reply(ask_acceptance(f, dispute->name, new_request_id(f)));

    assert_int_equal(listed(f, customer, "state = ACCEPTED", "")->n_disputes, 1);
    assert_int_equal(listed(f, customer, "state = STATE_NEEDS_RESPONSE", "")->n_disputes,
                     PAYMENTS - 1);
    assert_int_equal(listed(f, customer, "state != ACCEPTED AND state != LOST", "")->n_disputes,
                     PAYMENTS - 1);
    assert_int_equal(listed(f, customer, "create_time < \"2020-01-01T00:00:00Z\"", "")->n_disputes,
                     0);
    assert_int_equal(listed(f, customer, "", payments[2])->n_disputes, 1);
    assert_string_equal(listed(f, customer, "", payments[2])->disputes[0]->payment, payments[2]);
}

static void refuses_wrong_fields(void **state)
{
    struct rpc_fixture *f = *state;
    const char *payments[PAYMENTS];
    const char *customer = given_disputes(f, payments);
    struct rpc_as as = AS(SERVICE_BILLING);
    const char *stranger = given_payer(f, "tok_visa").customer;
    const char *absent =
        rpc_printf(f, "%s/payments/%s", customer, db_uuid_text(f->db, db_uuid(f->db)));

    assert_true(answer_names(ask_disputes(f, as, "customers/me", 0, "", "", ""), "parent"));
    assert_true(answer_names(ask_disputes(f, as, customer, -1, "", "", ""), "page_size"));
    assert_true(answer_names(ask_disputes(f, as, stranger, 0, "", "", payments[0]), "payment"));
    assert_string_equal(ask_disputes(f, as, customer, 0, "", "state = SUCCEEDED", "")->reason,
                        "FILTER_INVALID");
    assert_string_equal(ask_disputes(f, as, customer, 0, "x", "", "")->reason,
                        "PAGE_TOKEN_INVALID");
    assert_string_equal(ask_disputes(f, as, customer, 0, "", "", absent)->reason,
                        "PAYMENT_NOT_FOUND");
    assert_string_equal(
        ask_disputes(f, as, rpc_printf(f, "customers/%s", db_uuid_text(f->db, db_uuid(f->db))), 0,
                     "", "", "")
            ->reason,
        "CUSTOMER_NOT_FOUND");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_the_newest_first_and_page_by_page),
        cmocka_unit_test(filters_by_state_time_and_payment),
        cmocka_unit_test(refuses_wrong_fields),
    };

    return cmocka_run_group_tests_name("ListDisputes", tests, rpc_setup, rpc_teardown);
}
