/*
 * GetWebhookEndpoint: all but the secret.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support/rpc_webhook.h"

static const struct dues_answer *ask(struct rpc_fixture *f, struct rpc_as as, const char *name)
{
    return ask_webhook_by_name(f, as, "GetWebhookEndpoint", name, "");
}

static void shows_the_endpoint_without_its_secret(void **state)
{
    struct rpc_fixture *f = *state;
    struct endpoint_wish wish = wished_endpoint();

    wish.event_type = "refund.succeeded";
    const Endpoint *made = must_reply(ask_endpoint(f, &wish));
    const Endpoint *read = must_reply(ask(f, AS(OPERATOR_DEMO), made->name));

    assert_string_equal(read->name, made->name);
    assert_string_equal(read->url, made->url);
    assert_string_equal(read->event_types[0], "refund.succeeded");
    assert_string_equal(read->secret, "");
    assert_true(time_in(read->create_time) == time_in(made->create_time));
    assert_null(read->previous_secret_expire_time);
    assert_null(read->failing_since_time);
}

static void finds_nothing_under_another_name(void **state)
{
    struct rpc_fixture *f = *state;

    const struct dues_answer *unknown =
        ask(f, AS(SERVICE_BILLING), "webhookEndpoints/018f0000-0000-7000-8000-000000000000");
    const struct dues_answer *malformed = ask(f, AS(SERVICE_BILLING), "webhookEndpoints/1");

    assert_int_equal(unknown->status, DUES_NOT_FOUND);
    assert_string_equal(unknown->reason, "WEBHOOK_ENDPOINT_NOT_FOUND");
    assert_true(answer_names(malformed, "name"));
}

static void is_not_for_apps(void **state)
{
    struct rpc_fixture *f = *state;

    const struct dues_answer *answer =
        ask(f, AS(APP_DEMO), "webhookEndpoints/018f0000-0000-7000-8000-000000000000");

    assert_string_equal(answer->reason, "CALLER_NOT_ALLOWED");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shows_the_endpoint_without_its_secret),
        cmocka_unit_test(finds_nothing_under_another_name),
        cmocka_unit_test(is_not_for_apps),
    };
    return cmocka_run_group_tests_name("GetWebhookEndpoint", tests, members_setup, rpc_teardown);
}
