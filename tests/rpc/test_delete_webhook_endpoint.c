/*
 * DeleteWebhookEndpoint: nothing more is sent, and what was pending is forgotten.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "support/rpc_webhook.h"

static const struct dues_answer *ask(struct rpc_fixture *f, struct rpc_as as, const char *name,
                                     const char *request_id)
{
    return ask_webhook_by_name(f, as, "DeleteWebhookEndpoint", name, request_id);
}

static void deletes_it_with_what_is_pending(void **state)
{
    struct rpc_fixture *f = *state;
    struct receiver *receiver = receiver_new();
    const char *name = given_endpoint(f, receiver, NULL);

    receiver_answer(receiver, "500 Oops");
    const char *customer = given_customer(f, "");
    await_delivery(f, name, customer, DELIVERY_STATE(PENDING), 1);
    must_reply(ask(f, AS(SERVICE_BILLING), name, ""));

    const struct dues_answer *gone =
        ask_webhook_by_name(f, AS(SERVICE_BILLING), "GetWebhookEndpoint", name, "");
    assert_string_equal(gone->reason, "WEBHOOK_ENDPOINT_NOT_FOUND");
    for (int i = 0; i < 1000 && db_count(f->db, "dues.obligation") > 0; i++)
        usleep(20000);
    assert_int_equal(db_count(f->db, "dues.obligation"), 0);
    assert_int_equal(db_count(f->db, "dues.webhook_delivery"), 0);
    assert_int_equal(db_count(f->db, "dues.webhook_attempt"), 0);
    assert_int_equal(receiver_count(receiver), 1);
    receiver_free(receiver);
}

static void deletes_once(void **state)
{
    struct rpc_fixture *f = *state;
    struct endpoint_wish wish = wished_endpoint();
    const char *name = ((const Endpoint *)must_reply(ask_endpoint(f, &wish)))->name;
    const char *request_id = new_request_id(f);

    const struct dues_answer *first = ask(f, AS(OPERATOR_DEMO), name, request_id);
    const struct dues_answer *again = ask(f, AS(OPERATOR_DEMO), name, request_id);
    const struct dues_answer *other = ask(f, AS(OPERATOR_DEMO), name, "");

    assert_int_equal(first->status, DUES_OK);
    assert_true(is_replayed(again));
    assert_int_equal(other->status, DUES_NOT_FOUND);
    assert_string_equal(other->reason, "WEBHOOK_ENDPOINT_NOT_FOUND");
}

static void is_not_for_apps(void **state)
{
    struct rpc_fixture *f = *state;
    struct endpoint_wish wish = wished_endpoint();
    const char *name = ((const Endpoint *)must_reply(ask_endpoint(f, &wish)))->name;

    assert_string_equal(ask(f, AS(APP_DEMO), name, "")->reason, "CALLER_NOT_ALLOWED");
    assert_string_equal(endpoint_now(f, name)->name, name);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(deletes_it_with_what_is_pending),
        cmocka_unit_test(deletes_once),
        cmocka_unit_test(is_not_for_apps),
    };
    return cmocka_run_group_tests_name("DeleteWebhookEndpoint", tests, members_setup, rpc_teardown);
}
