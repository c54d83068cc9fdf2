/*
 * CreateWebhookEndpoint: who is told, what is checked, and the secret that is shown once.
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

static const struct dues_answer *ask_url(struct rpc_fixture *f, const char *url)
{
    struct endpoint_wish wish = wished_endpoint();

    wish.url = url;
    return ask_endpoint(f, &wish);
}

static void makes_an_endpoint_and_tells_its_secret(void **state)
{
    struct rpc_fixture *f = *state;
    struct endpoint_wish wish = wished_endpoint();

    wish.event_type = "payment.*";
    wish.description = "the warehouse";
    const Endpoint *made = must_reply(ask_endpoint(f, &wish));

    assert_true(text_starts_with(made->name, "webhookEndpoints/"));
    assert_string_equal(made->url, "https://example.com/hook");
    assert_int_equal(made->n_event_types, 1);
    assert_string_equal(made->event_types[0], "payment.*");
    assert_string_equal(made->description, "the warehouse");
    assert_int_equal(made->signing, SIGNED_BY(HMAC));
    assert_int_equal(made->state, ENDPOINT_STATE(ENABLED));
    assert_int_equal(made->disable_reason, DISABLED_BY(UNSPECIFIED));
    assert_true(text_starts_with(made->secret, "whsec_"));
    assert_int_equal(strlen(made->secret), strlen("whsec_") + 44);
    assert_string_equal(made->public_key, "");
}

static void an_ed25519_endpoint_tells_its_public_key_alone(void **state)
{
    struct rpc_fixture *f = *state;
    struct endpoint_wish wish = wished_endpoint();

    wish.signing = SIGNED_BY(ED25519);
    const Endpoint *made = must_reply(ask_endpoint(f, &wish));

    assert_string_equal(made->secret, "");
    assert_true(text_starts_with(made->public_key, "whpk_"));
    assert_string_equal(endpoint_now(f, made->name)->public_key, made->public_key);
}

static void a_repeated_request_gets_the_same_secret_again(void **state)
{
    struct rpc_fixture *f = *state;
    struct endpoint_wish wish = wished_endpoint();

    wish.request_id = new_request_id(f);
    const struct dues_answer *first = ask_endpoint(f, &wish);
    const struct dues_answer *second = ask_endpoint(f, &wish);
    wish.description = "another";
    const struct dues_answer *other = ask_endpoint(f, &wish);

    assert_int_equal(first->status, DUES_OK);
    assert_true(is_replayed(second));
    assert_int_equal(second->reply_size, first->reply_size);
    assert_memory_equal(second->reply_bytes, first->reply_bytes, first->reply_size);
    assert_string_equal(other->reason, "REQUEST_ID_REUSED");
    assert_int_equal(db_count(f->db, "dues.webhook_endpoint"), 1);
}

static void no_table_holds_the_secret(void **state)
{
    struct rpc_fixture *f = *state;
    struct endpoint_wish wish = wished_endpoint();

    wish.request_id = new_request_id(f);
    const Endpoint *made = must_reply(ask_endpoint(f, &wish));
    const char *base64 = made->secret + strlen("whsec_");

    assert_int_equal(db_count(f->db, db_printf(f->db,
                                               "dues.webhook_endpoint WHERE position(decode('%s',"
                                               " 'base64') IN secret_sealed) > 0",
                                               base64)),
                     0);
    assert_int_equal(db_count(f->db, db_printf(f->db,
                                               "dues.recorded_request WHERE position("
                                               "convert_to('%s', 'UTF8') IN answer) > 0",
                                               base64)),
                     0);
    assert_false(rpc_log_has(f, base64));
}

static void refuses_wrong_fields_all_at_once(void **state)
{
    struct rpc_fixture *f = *state;
    struct endpoint_wish wish = wished_endpoint();

    wish.url = "ftp://example.com/";
    wish.event_type = "payment succeeded";
    wish.description = rpc_printf(f, "%0256d", 0);
    const struct dues_answer *answer = ask_endpoint(f, &wish);

    assert_int_equal(answer->status, DUES_INVALID_ARGUMENT);
    assert_true(answer_names(answer, "webhook_endpoint.url"));
    assert_true(answer_names(answer, "webhook_endpoint.event_types[0]"));
    assert_true(answer_names(answer, "webhook_endpoint.description"));
    assert_int_equal(db_count(f->db, "dues.webhook_endpoint"), 0);
}

static void refuses_types_that_no_event_has(void **state)
{
    struct rpc_fixture *f = *state;
    static const char *const types[] = {"payment.nix", "nix.*", "payment", "payment.succeeded.*"};
    struct endpoint_wish wish = wished_endpoint();

    for (size_t i = 0; i < ARRAY_LENGTH(types); i++) {
        wish.event_type = types[i];
        const struct dues_answer *answer = ask_endpoint(f, &wish);
        assert_string_equal(answer->reason, "INVALID_FIELD");
        assert_true(answer_names(answer, "webhook_endpoint.event_types[0]"));
    }

    assert_int_equal(db_count(f->db, "dues.webhook_endpoint"), 0);
}

static void refuses_addresses_that_are_not_public(void **state)
{
    struct rpc_fixture *f = *state;
    static const char *const urls[] = {"https://10.0.0.1/",     "https://169.254.169.254/",
                                       "https://[fd00::1]/",    "https://2130706433/",
                                       "http://example.com/",   "https://example.com:22/",
                                       "https://a@example.com/"};

    for (size_t i = 0; i < ARRAY_LENGTH(urls); i++)
        assert_true(answer_names(ask_url(f, urls[i]), "webhook_endpoint.url"));
    assert_int_equal(ask_url(f, "http://localhost:3000/hook")->status, DUES_OK);
}

static void there_are_sixteen_at_most(void **state)
{
    struct rpc_fixture *f = *state;
    const char *last = NULL;

    for (int i = 0; i < 16; i++)
        last = ((const Endpoint *)must_reply(ask_url(f, "https://example.com/")))->name;
    const struct dues_answer *answer = ask_url(f, "https://example.com/");
    must_reply(ask_webhook_by_name(f, AS(SERVICE_BILLING), "DeleteWebhookEndpoint", last, ""));

    assert_int_equal(answer->status, DUES_RESOURCE_EXHAUSTED);
    assert_string_equal(answer->reason, "WEBHOOK_ENDPOINTS_FULL");
    assert_int_equal(ask_url(f, "https://example.com/")->status, DUES_OK);
}

static void is_for_services_and_operators_alone(void **state)
{
    struct rpc_fixture *f = *state;
    struct endpoint_wish wish = wished_endpoint();

    wish.as = AS(OPERATOR_DEMO);
    assert_int_equal(ask_endpoint(f, &wish)->status, DUES_OK);
    wish.as = AS(APP_DEMO);
    assert_string_equal(ask_endpoint(f, &wish)->reason, "CALLER_NOT_ALLOWED");
    wish.as = AS(SERVICE_POOR);
    assert_string_equal(ask_endpoint(f, &wish)->reason, "SCOPE_MISSING");
}

#define TEST(test) cmocka_unit_test_setup(test, fresh)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(makes_an_endpoint_and_tells_its_secret),
        TEST(an_ed25519_endpoint_tells_its_public_key_alone),
        TEST(a_repeated_request_gets_the_same_secret_again),
        TEST(no_table_holds_the_secret),
        TEST(refuses_wrong_fields_all_at_once),
        TEST(refuses_types_that_no_event_has),
        TEST(refuses_addresses_that_are_not_public),
        TEST(there_are_sixteen_at_most),
        TEST(is_for_services_and_operators_alone),
    };
    return cmocka_run_group_tests_name("CreateWebhookEndpoint", tests, members_setup, rpc_teardown);
}
