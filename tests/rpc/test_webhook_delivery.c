/*
 * Deliveries, as a receiver meets them: what comes, in which order, when it comes again, and when
 * no more.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/text.h"
#include "base/time.h"
#include "support/patience.h"
#include "support/rpc_webhook.h"

static int fresh(void **state)
{
    no_endpoints(*state);
    return 0;
}

/* A customer with two payments: customer.created, payment.succeeded, payment.succeeded. */
static const char *given_three_events(struct rpc_fixture *f)
{
    struct payer payer = given_payer(f, "tok_visa");

    given_payment(f, payer);
    given_payment(f, payer);
    return payer.customer;
}

static bool await_no_obligation(struct rpc_fixture *f)
{
    for (int i = 0; i < 1000; i++) {
        if (db_count(f->db, "dues.obligation") == 0)
            return true;
        usleep(20000);
    }
    return false;
}

static void tells_what_happened_in_its_order(void **state)
{
    struct rpc_fixture *f = *state;
    struct receiver *receiver = receiver_new();
    struct endpoint_wish wish = wished_endpoint();

    wish.url = rpc_printf(f, "http://localhost:%d/hook?x=1", receiver_port(receiver));
    const Endpoint *endpoint = must_reply(ask_endpoint(f, &wish));
    const char *customer = given_three_events(f);

    assert_true(receiver_wait(receiver, 3));
    for (size_t i = 0; i < 3; i++) {
        struct received received = receiver_get(receiver, i);
        assert_string_equal(received.sequence, rpc_printf(f, "%zu", i + 1));
        assert_true(is_signed_with(f, &received, endpoint->secret));
        assert_non_null(
            strstr(received.body, i == 0 ? "{\"type\":\"customer.created\",\"timestamp\":\""
                                         : "{\"type\":\"payment.succeeded\",\"timestamp\":\""));
        assert_non_null(strstr(received.body, rpc_printf(f, "\"customer\":\"%s\"", customer)));
    }
    struct received payment = receiver_get(receiver, 1);
    assert_non_null(strstr(payment.body, rpc_printf(f, "\"subject\":\"%s/payments/", customer)));
    assert_non_null(strstr(payment.body, "\"amount\": 999"));
    assert_true(await_no_obligation(f));
    receiver_free(receiver);
}

static void a_failure_holds_back_what_comes_after_it(void **state)
{
    struct rpc_fixture *f = *state;
    struct receiver *receiver = receiver_new();
    const char *endpoint = given_endpoint(f, receiver, NULL);

    receiver_answer(receiver, "500 Oops");
    const char *customer = given_three_events(f);
    assert_true(receiver_wait(receiver, 1));
    usleep(700000); /* more than job_poll_ms */
    assert_int_equal(receiver_count(receiver), 1);
    receiver_answer(receiver, "200 OK");
    fake_clock_advance(f->clock, 6 * US_PER_SECOND);

    await_delivery(f, endpoint, customer, DELIVERY_STATE(SUCCEEDED), 1);
    assert_int_equal(receiver_count(receiver), 4);
    struct received first = receiver_get(receiver, 0);
    struct received again = receiver_get(receiver, 1);
    assert_string_equal(first.id, again.id);
    assert_string_equal(first.body, again.body);
    assert_true(strtoll(again.timestamp, NULL, 10) == strtoll(first.timestamp, NULL, 10) + 6);
    assert_string_equal(receiver_get(receiver, 2).sequence, "2");
    assert_string_equal(receiver_get(receiver, 3).sequence, "3");
    receiver_free(receiver);
}

static void another_customer_does_not_wait(void **state)
{
    struct rpc_fixture *f = *state;
    struct receiver *receiver = receiver_new();
    const char *endpoint = given_endpoint(f, receiver, NULL);

    receiver_answer(receiver, "400 No");
    await_delivery(f, endpoint, given_customer(f, ""), DELIVERY_STATE(PENDING), 1);
    receiver_answer(receiver, "200 OK");

    await_delivery(f, endpoint, given_customer(f, ""), DELIVERY_STATE(SUCCEEDED), 1);
    receiver_free(receiver);
}

static void tells_only_what_is_wanted(void **state)
{
    struct rpc_fixture *f = *state;
    struct receiver *receiver = receiver_new();
    const char *endpoint = given_endpoint(f, receiver, "payment.*");

    const char *customer = given_three_events(f);
    await_delivery(f, endpoint, customer, DELIVERY_STATE(SUCCEEDED), 1);
    assert_true(receiver_wait(receiver, 2));

    assert_string_equal(receiver_get(receiver, 0).sequence, "2");
    assert_string_equal(receiver_get(receiver, 1).sequence, "3");
    assert_int_equal(deliveries_of(f, endpoint, customer)->n_webhook_deliveries, 2);
    receiver_free(receiver);
}

static void follows_no_redirect(void **state)
{
    struct rpc_fixture *f = *state;
    struct receiver *target = receiver_new();
    struct receiver *receiver = receiver_new();
    const char *endpoint = given_endpoint(f, receiver, NULL);

    receiver_answer(receiver, rpc_printf(f, "307 There\r\nLocation: http://127.0.0.1:%d/",
                                         receiver_port(target)));
    const Delivery *delivery =
        await_delivery(f, endpoint, given_customer(f, ""), DELIVERY_STATE(PENDING), 1);

    assert_string_equal(delivery->attempts[0]->problem, "answered 307; redirects are not followed");
    assert_int_equal(receiver_connections(target), 0);
    receiver_free(receiver);
    receiver_free(target);
}

static void waits_as_long_as_it_is_asked_to(void **state)
{
    struct rpc_fixture *f = *state;
    struct receiver *receiver = receiver_new();
    const char *endpoint = given_endpoint(f, receiver, NULL);

    receiver_answer(receiver, "429 Slowly\r\nRetry-After: 600");
    const Delivery *delivery =
        await_delivery(f, endpoint, given_customer(f, ""), DELIVERY_STATE(PENDING), 1);

    assert_true(time_in(delivery->next_attempt_time) >=
                time_in(delivery->attempts[0]->attempt_time) + 600 * US_PER_SECOND);
    receiver_free(receiver);
}

static void an_endpoint_that_is_gone_is_disabled(void **state)
{
    struct rpc_fixture *f = *state;
    struct receiver *receiver = receiver_new();
    const char *name = given_endpoint(f, receiver, NULL);

    receiver_answer(receiver, "410 Gone");
    const char *customer = given_customer(f, "");
    assert_true(receiver_wait(receiver, 1));
    AWAIT(endpoint_now(f, name)->state != ENDPOINT_STATE(ENABLED));

    const Endpoint *endpoint = endpoint_now(f, name);
    assert_int_equal(endpoint->state, ENDPOINT_STATE(DISABLED));
    assert_int_equal(endpoint->disable_reason, DISABLED_BY(GONE));
    const Deliveries *waiting = deliveries_of(f, name, customer);
    for (size_t i = 0; i < waiting->n_webhook_deliveries; i++)
        assert_null(waiting->webhook_deliveries[i]->next_attempt_time);
    assert_int_equal(db_count(f->db, db_printf(f->db,
                                               "dues.event WHERE customer_id = '%s' AND type ="
                                               " 'webhook_endpoint.disabled' AND data ->> 'reason'"
                                               " = 'gone'",
                                               customer + strlen("customers/"))),
                     1);
    assert_true(rpc_log_has(f, "webhook.endpoint_disabled"));

    /* Enabled again it goes on where it stopped, with what happened meanwhile. */
    receiver_answer(receiver, "200 OK");
    struct endpoint_wish wish = wished_endpoint();
    wish.state = ENDPOINT_STATE(ENABLED);
    must_reply(ask_update(f, name, &wish, "state"));
    assert_true(receiver_wait(receiver, 3));
    assert_string_equal(receiver_get(receiver, 1).id, receiver_get(receiver, 0).id);
    assert_non_null(strstr(receiver_get(receiver, 2).body, "webhook_endpoint.disabled"));
    assert_true(await_no_obligation(f));
    receiver_free(receiver);
}

/* The tenth attempt is the last; three days without any success end the endpoint. */
static void gives_up_after_three_days_and_disables(void **state)
{
    static const int64_t delays_s[] = {5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400};
    struct rpc_fixture *f = *state;
    struct receiver *receiver = receiver_new();
    const char *name = given_endpoint(f, receiver, NULL);

    receiver_answer(receiver, "500 Oops");
    const char *customer = given_customer(f, "");
    await_delivery(f, name, customer, DELIVERY_STATE(PENDING), 1);
    for (size_t i = 0; i < ARRAY_LENGTH(delays_s); i++) {
        const Delivery *waiting = deliveries_of(f, name, customer)->webhook_deliveries[0];
        int64_t delay_us =
            time_in(waiting->next_attempt_time) - time_in(waiting->attempts[i]->attempt_time);
        assert_true(delay_us >= delays_s[i] * US_PER_SECOND &&
                    delay_us <= delays_s[i] * US_PER_SECOND * 11 / 10);
        fake_clock_set(f->clock, time_in(waiting->next_attempt_time) + US_PER_MINUTE);
        assert_true(receiver_wait(receiver, i + 2));
        if (i + 1 < ARRAY_LENGTH(delays_s))
            await_delivery(f, name, customer, DELIVERY_STATE(PENDING), (int32_t)i + 2);
    }
    AWAIT(endpoint_now(f, name)->state != ENDPOINT_STATE(ENABLED));

    const Endpoint *endpoint = endpoint_now(f, name);
    assert_int_equal(endpoint->disable_reason, DISABLED_BY(FAILING));
    assert_non_null(endpoint->failing_since_time);
    const Deliveries *list = deliveries_of(f, name, customer);
    assert_int_equal(list->n_webhook_deliveries, 2); /* the event of the disabling waits */
    assert_int_equal(list->webhook_deliveries[1]->state, DELIVERY_STATE(FAILED));
    assert_int_equal(list->webhook_deliveries[1]->attempt_count, 10);
    assert_int_equal(list->webhook_deliveries[0]->state, DELIVERY_STATE(PENDING));
    assert_int_equal(receiver_count(receiver), 10);
    receiver_free(receiver);
}

static void keeps_what_happens_while_it_is_disabled(void **state)
{
    struct rpc_fixture *f = *state;
    struct receiver *receiver = receiver_new();
    const char *name = given_endpoint(f, receiver, NULL);
    struct endpoint_wish wish = wished_endpoint();

    wish.state = ENDPOINT_STATE(DISABLED);
    must_reply(ask_update(f, name, &wish, "state"));
    given_three_events(f);
    usleep(700000);
    assert_int_equal(receiver_count(receiver), 0);
    wish.state = ENDPOINT_STATE(ENABLED);
    must_reply(ask_update(f, name, &wish, "state"));

    assert_true(receiver_wait(receiver, 3));
    for (size_t i = 0; i < 3; i++)
        assert_string_equal(receiver_get(receiver, i).sequence, rpc_printf(f, "%zu", i + 1));
    assert_true(await_no_obligation(f));
    receiver_free(receiver);
}

/* A clock far ahead, and one far behind, of the wall's. */
static void a_test_clock_neither_delays_a_delivery_nor_waits_for_it(void **state)
{
    static const char *const times[] = {"2020-01-31T10:00:00Z", "2030-01-31T10:00:00Z"};
    struct rpc_fixture *f = *state;
    struct receiver *receiver = receiver_new();

    given_endpoint(f, receiver, NULL);
    receiver_answer(receiver, "500 Oops");
    for (size_t i = 0; i < 2; i++) {
        const char *clock = given_clock(f, time_of(times[i]));
        given_customer(f, clock);
        assert_true(receiver_wait(receiver, i + 1));
        advance(f, clock, time_of(times[i]) + US_PER_DAY);
    }
    assert_int_equal(receiver_count(receiver), 2);
    receiver_free(receiver);
}

static void what_is_not_recorded_is_sent_again_after_a_restart(void **state)
{
    struct rpc_fixture *f = *state;
    struct receiver *receiver = receiver_new();
    const char *endpoint = given_endpoint(f, receiver, NULL);

    receiver_answer(receiver, "500 Oops");
    const char *customer = given_three_events(f);
    assert_true(receiver_wait(receiver, 1));
    rpc_restart(f);
    receiver_answer(receiver, "200 OK");
    fake_clock_advance(f->clock, 2 * US_PER_MINUTE);

    const Delivery *last = await_delivery(f, endpoint, customer, DELIVERY_STATE(SUCCEEDED), 1);
    assert_int_equal(last->sequence, 3);
    assert_string_equal(receiver_get(receiver, 1).id, receiver_get(receiver, 0).id);
    receiver_free(receiver);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(tells_what_happened_in_its_order, fresh),
        cmocka_unit_test_setup(a_failure_holds_back_what_comes_after_it, fresh),
        cmocka_unit_test_setup(another_customer_does_not_wait, fresh),
        cmocka_unit_test_setup(tells_only_what_is_wanted, fresh),
        cmocka_unit_test_setup(follows_no_redirect, fresh),
        cmocka_unit_test_setup(waits_as_long_as_it_is_asked_to, fresh),
        cmocka_unit_test_setup(an_endpoint_that_is_gone_is_disabled, fresh),
        cmocka_unit_test_setup(gives_up_after_three_days_and_disables, fresh),
        cmocka_unit_test_setup(keeps_what_happens_while_it_is_disabled, fresh),
        cmocka_unit_test_setup(a_test_clock_neither_delays_a_delivery_nor_waits_for_it, fresh),
        cmocka_unit_test_setup(what_is_not_recorded_is_sent_again_after_a_restart, fresh),
    };
    return cmocka_run_group_tests_name("webhook delivery", tests, members_setup, rpc_teardown);
}
