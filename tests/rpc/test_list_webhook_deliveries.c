/*
 * ListWebhookDeliveries: what an endpoint was told, with every attempt.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/text.h"
#include "support/rpc_webhook.h"

static int fresh(void **state)
{
    no_endpoints(*state);
    return 0;
}

static void shows_the_attempts_and_what_was_answered(void **state)
{
    struct rpc_fixture *f = *state;
    struct receiver *receiver = receiver_new();
    const char *name = given_endpoint(f, receiver, NULL);

    receiver_answer(receiver, "500 Oops");
    const char *customer = given_customer(f, "");
    await_delivery(f, name, customer, DELIVERY_STATE(PENDING), 1);
    receiver_answer(receiver, "204 No Content");
    fake_clock_advance(f->clock, 6000000);
    const Delivery *delivery = await_delivery(f, name, customer, DELIVERY_STATE(SUCCEEDED), 2);

    assert_string_equal(delivery->customer, customer);
    assert_int_equal(delivery->sequence, 1);
    assert_string_equal(delivery->event_type, "customer.created");
    assert_string_equal(delivery->webhook_id, receiver_get(receiver, 0).id);
    assert_string_equal(delivery->name,
                        rpc_printf(f, "%s/deliveries/%s-1", name, customer + strlen("customers/")));
    assert_int_equal(delivery->n_attempts, 2);
    assert_int_equal(delivery->attempts[0]->status, 500);
    assert_string_equal(delivery->attempts[0]->problem, "answered 500");
    assert_string_equal(delivery->attempts[0]->answer, "hello");
    assert_int_equal(delivery->attempts[1]->status, 204);
    assert_string_equal(delivery->attempts[1]->problem, "");
    assert_string_equal(delivery->attempts[1]->answer, "");
    assert_null(delivery->next_attempt_time);
    receiver_free(receiver);
}

static void lists_newest_first_in_pages_and_by_state(void **state)
{
    struct rpc_fixture *f = *state;
    struct receiver *receiver = receiver_new();
    const char *name = given_endpoint(f, receiver, NULL);
    const char *customers[3];

    for (size_t i = 0; i < 3; i++) {
        receiver_answer(receiver, i == 1 ? "404 Nobody" : "200 OK");
        customers[i] = given_customer(f, "");
        await_delivery(f, name, customers[i],
                       i == 1 ? DELIVERY_STATE(PENDING) : DELIVERY_STATE(SUCCEEDED), 1);
    }
    struct deliveries_wish wish = {
        .parent = name, .customer = "", .page_size = 2, .page_token = ""};
    const Deliveries *first = must_reply(ask_deliveries(f, &wish));
    wish.page_token = first->next_page_token;
    const Deliveries *second = must_reply(ask_deliveries(f, &wish));
    wish.page_token = "";
    wish.state = DELIVERY_STATE(PENDING);
    const Deliveries *pending = must_reply(ask_deliveries(f, &wish));
    wish.state = DELIVERY_STATE(FAILED);
    const Deliveries *failed = must_reply(ask_deliveries(f, &wish));

    assert_int_equal(first->n_webhook_deliveries, 2);
    assert_string_equal(first->webhook_deliveries[0]->customer, customers[2]);
    assert_string_equal(first->webhook_deliveries[1]->customer, customers[1]);
    assert_int_equal(second->n_webhook_deliveries, 1);
    assert_string_equal(second->webhook_deliveries[0]->customer, customers[0]);
    assert_string_equal(second->next_page_token, "");
    assert_int_equal(pending->n_webhook_deliveries, 1);
    assert_string_equal(pending->webhook_deliveries[0]->customer, customers[1]);
    assert_int_equal(failed->n_webhook_deliveries, 0);
    receiver_free(receiver);
}

static void refuses_wrong_fields(void **state)
{
    struct rpc_fixture *f = *state;
    struct deliveries_wish wish = {
        .parent = "webhookEndpoints/x", .customer = "y", .page_size = -1, .page_token = ""};

    const struct dues_answer *answer = ask_deliveries(f, &wish);
    assert_true(answer_names(answer, "parent"));
    assert_true(answer_names(answer, "customer"));
    assert_true(answer_names(answer, "page_size"));
    wish =
        (struct deliveries_wish){.parent = "webhookEndpoints/018f0000-0000-7000-8000-000000000000",
                                 .customer = "",
                                 .page_token = ""};
    assert_string_equal(ask_deliveries(f, &wish)->reason, "WEBHOOK_ENDPOINT_NOT_FOUND");
    wish.page_token = "abc";
    assert_string_equal(ask_deliveries(f, &wish)->reason, "PAGE_TOKEN_INVALID");
}

#define TEST(test) cmocka_unit_test_setup(test, fresh)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(shows_the_attempts_and_what_was_answered),
        TEST(lists_newest_first_in_pages_and_by_state),
        TEST(refuses_wrong_fields),
    };
    return cmocka_run_group_tests_name("ListWebhookDeliveries", tests, members_setup, rpc_teardown);
}
