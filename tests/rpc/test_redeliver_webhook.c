/*
 * RedeliverWebhook: once more, with the same id.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support/rpc_webhook.h"

static int fresh(void **state)
{
    no_endpoints(*state);
    return 0;
}

static const struct dues_answer *ask(struct rpc_fixture *f, const char *name,
                                     const char *request_id)
{
    return ask_webhook_by_name(f, AS(OPERATOR_DEMO), "RedeliverWebhook", name, request_id);
}

static void delivers_once_more_with_the_same_id(void **state)
{
    struct rpc_fixture *f = *state;
    struct receiver *receiver = receiver_new();
    const char *endpoint = given_endpoint(f, receiver, NULL);
    const char *customer = given_customer(f, "");
    const Delivery *delivery = await_delivery(f, endpoint, customer, DELIVERY_STATE(SUCCEEDED), 1);
    const char *request_id = new_request_id(f);

    const Delivery *again = must_reply(ask(f, delivery->name, request_id));
    await_delivery(f, endpoint, customer, DELIVERY_STATE(SUCCEEDED), 2);
    const struct dues_answer *repeated = ask(f, delivery->name, request_id);

    assert_int_equal(again->state, DELIVERY_STATE(PENDING));
    assert_true(is_replayed(repeated));
    assert_int_equal(receiver_count(receiver), 2);
    struct received first = receiver_get(receiver, 0);
    struct received second = receiver_get(receiver, 1);
    assert_string_equal(first.id, second.id);
    assert_string_equal(first.body, second.body);
    receiver_free(receiver);
}

static void tries_at_once_what_waits_for_its_next_attempt(void **state)
{
    struct rpc_fixture *f = *state;
    struct receiver *receiver = receiver_new();
    const char *endpoint = given_endpoint(f, receiver, NULL);

    receiver_answer(receiver, "500 Oops");
    const char *customer = given_customer(f, "");
    const Delivery *delivery = await_delivery(f, endpoint, customer, DELIVERY_STATE(PENDING), 1);
    receiver_answer(receiver, "200 OK");
    must_reply(ask(f, delivery->name, ""));

    await_delivery(f, endpoint, customer, DELIVERY_STATE(SUCCEEDED), 2);
    receiver_free(receiver);
}

static void refuses_what_it_does_not_know(void **state)
{
    struct rpc_fixture *f = *state;
    struct receiver *receiver = receiver_new();
    const char *endpoint = given_endpoint(f, receiver, NULL);
    const char *customer = given_customer(f, "");
    const Delivery *delivery = await_delivery(f, endpoint, customer, DELIVERY_STATE(SUCCEEDED), 1);

    assert_string_equal(
        ask(f, rpc_printf(f, "%s/deliveries/%s-2", endpoint, customer + 10), "")->reason,
        "WEBHOOK_DELIVERY_NOT_FOUND");
    assert_string_equal(
        ask(f,
            rpc_printf(f, "webhookEndpoints/018f0000-0000-7000-8000-000000000000/deliveries/%s-1",
                       customer + 10),
            "")
            ->reason,
        "WEBHOOK_ENDPOINT_NOT_FOUND");
    assert_true(answer_names(ask(f, endpoint, ""), "name"));
    assert_true(answer_names(ask(f, rpc_printf(f, "%s0", delivery->name), ""), "name") == false);
    assert_true(answer_names(
        ask(f, rpc_printf(f, "%s/deliveries/%s-01", endpoint, customer + 10), ""), "name"));

    struct endpoint_wish wish = wished_endpoint();
    wish.state = ENDPOINT_STATE(DISABLED);
    must_reply(ask_update(f, endpoint, &wish, "state"));
    const struct dues_answer *disabled = ask(f, delivery->name, "");
    assert_int_equal(disabled->status, DUES_FAILED_PRECONDITION);
    assert_string_equal(disabled->reason, "WEBHOOK_ENDPOINT_DISABLED");
    assert_int_equal(receiver_count(receiver), 1);
    receiver_free(receiver);
}

#define TEST(test) cmocka_unit_test_setup(test, fresh)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(delivers_once_more_with_the_same_id),
        TEST(tries_at_once_what_waits_for_its_next_attempt),
        TEST(refuses_what_it_does_not_know),
    };
    return cmocka_run_group_tests_name("RedeliverWebhook", tests, members_setup, rpc_teardown);
}
