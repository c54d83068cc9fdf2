/*
 * UpdateWebhookEndpoint: what the mask names, and no more.
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

static const char *given_any(struct rpc_fixture *f)
{
    struct endpoint_wish wish = wished_endpoint();

    wish.event_type = "payment.*";
    wish.description = "before";
    return ((const Endpoint *)must_reply(ask_endpoint(f, &wish)))->name;
}

static void changes_what_is_set(void **state)
{
    struct rpc_fixture *f = *state;
    const char *name = given_any(f);
    struct endpoint_wish wish = {.as = AS(SERVICE_BILLING),
                                 .url = "https://example.com/new",
                                 .description = "",
                                 .request_id = ""};

    fake_clock_advance(f->clock, 1000000);
    const Endpoint *changed = must_reply(ask_update(f, name, &wish, NULL));

    assert_string_equal(changed->url, "https://example.com/new");
    assert_string_equal(changed->description, "before");
    assert_string_equal(changed->event_types[0], "payment.*");
    assert_true(time_in(changed->update_time) == time_in(changed->create_time) + 1000000);
    assert_string_equal(endpoint_now(f, name)->url, "https://example.com/new");
}

static void empties_what_the_mask_names(void **state)
{
    struct rpc_fixture *f = *state;
    const char *name = given_any(f);
    struct endpoint_wish wish = wished_endpoint();

    wish.url = "https://example.com/ignored";
    must_reply(ask_update(f, name, &wish, "event_types"));
    must_reply(ask_update(f, name, &wish, "description"));

    const Endpoint *now = endpoint_now(f, name);
    assert_int_equal(now->n_event_types, 0);
    assert_string_equal(now->description, "");
    assert_string_equal(now->url, "https://example.com/hook");
}

static void disables_and_enables(void **state)
{
    struct rpc_fixture *f = *state;
    const char *name = given_any(f);
    struct endpoint_wish wish = wished_endpoint();

    wish.state = ENDPOINT_STATE(DISABLED);
    const Endpoint *disabled = must_reply(ask_update(f, name, &wish, "state"));
    assert_int_equal(disabled->state, ENDPOINT_STATE(DISABLED));
    assert_int_equal(disabled->disable_reason, DISABLED_BY(REQUESTED));

    wish.state = ENDPOINT_STATE(ENABLED);
    const Endpoint *enabled = must_reply(ask_update(f, name, &wish, "state"));
    assert_int_equal(enabled->state, ENDPOINT_STATE(ENABLED));
    assert_int_equal(enabled->disable_reason, DISABLED_BY(UNSPECIFIED));
}

static void answers_a_repeated_request_as_the_first_time(void **state)
{
    struct rpc_fixture *f = *state;
    const char *name = given_any(f);
    struct endpoint_wish wish = wished_endpoint();

    wish.description = "once";
    wish.request_id = new_request_id(f);
    const struct dues_answer *first = ask_update(f, name, &wish, "description");
    struct endpoint_wish other = wished_endpoint();
    other.description = "twice";
    must_reply(ask_update(f, name, &other, "description"));
    const struct dues_answer *second = ask_update(f, name, &wish, "description");

    assert_true(is_replayed(second));
    assert_memory_equal(second->reply_bytes, first->reply_bytes, first->reply_size);
    assert_string_equal(endpoint_now(f, name)->description, "twice");
}

static void refuses_wrong_fields_and_unknown_endpoints(void **state)
{
    struct rpc_fixture *f = *state;
    const char *name = given_any(f);
    struct endpoint_wish wish = wished_endpoint();

    assert_true(answer_names(ask_update(f, name, &wish, "signing"), "update_mask.paths[0]"));
    assert_true(answer_names(ask_update(f, name, &wish, "state"), "webhook_endpoint.state"));
    wish.url = "https://127.1/";
    assert_true(answer_names(ask_update(f, name, &wish, NULL), "webhook_endpoint.url"));
    wish = wished_endpoint();
    const struct dues_answer *unknown =
        ask_update(f, "webhookEndpoints/018f0000-0000-7000-8000-000000000000", &wish, NULL);
    assert_string_equal(unknown->reason, "WEBHOOK_ENDPOINT_NOT_FOUND");
    wish.as = AS(APP_DEMO);
    assert_string_equal(ask_update(f, name, &wish, NULL)->reason, "CALLER_NOT_ALLOWED");
    assert_string_equal(endpoint_now(f, name)->url, "https://example.com/hook");
}

#define TEST(test) cmocka_unit_test_setup(test, fresh)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(changes_what_is_set),
        TEST(empties_what_the_mask_names),
        TEST(disables_and_enables),
        TEST(answers_a_repeated_request_as_the_first_time),
        TEST(refuses_wrong_fields_and_unknown_endpoints),
    };
    return cmocka_run_group_tests_name("UpdateWebhookEndpoint", tests, members_setup, rpc_teardown);
}
