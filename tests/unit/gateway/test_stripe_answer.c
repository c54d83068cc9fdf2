/*
 * Answers of Stripe, believed and not believed.  A table of what came back and what it means, and
 * one good answer with each of its members changed.
 */

#include "unit/gateway/stripe_answer_fixture.h"

#define INTENT(more)                                                                               \
    "{\"id\":\"pi_1\",\"object\":\"payment_intent\",\"livemode\":false,\"amount\":1999,"           \
    "\"currency\":\"usd\"," METADATA "," more "}"
#define CHARGE(more) INTENT("\"capture_method\":\"automatic\"," more)
#define HOLD(more)   INTENT("\"capture_method\":\"manual\"," more)
#define PAID         CHARGE("\"status\":\"succeeded\",\"amount_received\":1999")
#define REFUND(more)                                                                               \
    "{\"id\":\"re_1\",\"object\":\"refund\",\"payment_intent\":\"pi_1\",\"amount\":1999,"          \
    "\"currency\":\"usd\"," METADATA "," more "}"

static void a_paid_intent_is_a_success(void **state)
{
    struct fixture *f = *state;

    when_read(f, 200, PAID);

    then(f, GATEWAY_SUCCEEDED);
    assert_string_equal(f->reading.answer.transaction, "pi_1");
    assert_int_equal(f->reading.answer.amount.minor_units, 1999);
    assert_string_equal(f->reading.answer.amount.currency, "USD");
}

static void each_status_of_an_intent_has_its_meaning(void **state)
{
    struct fixture *f = *state;
    static const struct {
        enum gateway_operation operation;
        enum gateway_outcome outcome;
        const char *body;
    } rows[] = {
        {GATEWAY_CHARGE, GATEWAY_IN_FLIGHT, CHARGE("\"status\":\"processing\"")},
        {GATEWAY_CHARGE, GATEWAY_IN_FLIGHT, CHARGE("\"status\":\"requires_confirmation\"")},
        {GATEWAY_CHARGE, GATEWAY_IN_FLIGHT, CHARGE("\"status\":\"requires_payment_method\"")},
        {GATEWAY_CHARGE, GATEWAY_DECLINED,
         CHARGE("\"status\":\"requires_payment_method\",\"last_payment_error\":{\"code\":"
                "\"card_declined\"}")},
        {GATEWAY_CHARGE, GATEWAY_DECLINED, CHARGE("\"status\":\"canceled\"")},
        {GATEWAY_CHARGE, GATEWAY_UNKNOWN, CHARGE("\"status\":\"requires_capture\"")},
        {GATEWAY_CHARGE, GATEWAY_UNKNOWN, CHARGE("\"status\":\"of_tomorrow\"")},
        {GATEWAY_CHARGE, GATEWAY_UNKNOWN, CHARGE("\"status\":7")},
        {GATEWAY_CHARGE, GATEWAY_UNKNOWN, CHARGE("\"status\":\"succeeded\"")},
        {GATEWAY_CHARGE, GATEWAY_UNKNOWN,
         HOLD("\"status\":\"succeeded\",\"amount_received\":1999")},
        {GATEWAY_AUTHORIZE, GATEWAY_SUCCEEDED,
         HOLD("\"status\":\"requires_capture\",\"amount_capturable\":1999,\"amount_received\":0")},
        {GATEWAY_AUTHORIZE, GATEWAY_SUCCEEDED,
         HOLD("\"status\":\"succeeded\",\"amount_received\":5")},
        {GATEWAY_AUTHORIZE, GATEWAY_UNKNOWN,
         HOLD("\"status\":\"requires_capture\",\"amount_received\":0")},
        {GATEWAY_REFUND, GATEWAY_SUCCEEDED, REFUND("\"status\":\"succeeded\"")},
        {GATEWAY_REFUND, GATEWAY_IN_FLIGHT, REFUND("\"status\":\"pending\"")},
        {GATEWAY_REFUND, GATEWAY_IN_FLIGHT, REFUND("\"status\":\"requires_action\"")},
        {GATEWAY_REFUND, GATEWAY_DECLINED,
         REFUND("\"status\":\"failed\",\"failure_reason\":\"lost_or_stolen_card\"")},
        {GATEWAY_REFUND, GATEWAY_FAILED, REFUND("\"status\":\"canceled\"")},
        {GATEWAY_REFUND, GATEWAY_UNKNOWN, REFUND("\"status\":\"of_tomorrow\"")},
        {GATEWAY_VOID, GATEWAY_SUCCEEDED, INTENT("\"status\":\"canceled\"")},
        {GATEWAY_VOID, GATEWAY_FAILED, INTENT("\"status\":\"succeeded\"")},
        {GATEWAY_VOID, GATEWAY_UNKNOWN, INTENT("\"status\":\"requires_capture\"")},
    };

    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        given_operation(f, rows[i].operation);
        when_read(f, 200, rows[i].body);
        then(f, rows[i].outcome);
    }
}

static void an_amount_that_differs_is_handed_on_as_it_is(void **state)
{
    struct fixture *f = *state;

    when_read(f, 200, CHARGE("\"status\":\"succeeded\",\"amount_received\":2099"));

    then(f, GATEWAY_SUCCEEDED); /* whoever asked compares */
    assert_int_equal(f->reading.answer.amount.minor_units, 2099);
}

static void what_is_about_something_else_is_not_believed(void **state)
{
    struct fixture *f = *state;
    static const char *const changes[][2] = {
        {"\"pi_1\"", "\"ch_1\""},
        {"\"pi_1\"", "\"pi_1/../x\""},
        {"\"pi_1\"", "7"},
        {"payment_intent\"", "setup_intent\""},
        {"\"livemode\":false", "\"livemode\":true"},
        {REFERENCE, "0197a1b2-0000-7000-8000-000000000009"},
        {PAYMENT, "0197a1b2-0000-7000-8000-000000000009"},
        {"\"metadata\"", "\"elsewhere\""},
        {"\"usd\"", "\"xxz\""},
        {"\"usd\"", "null"},
        {"\"amount\":1999", "\"amount\":\"1999\""},
        {"\"amount\":1999", "\"amount\":19.99"},
        {"\"amount\":1999", "\"amount\":99999999999999999999"},
        {"\"amount_received\":1999", "\"amount_received\":1e3"},
        {"\"amount_received\":1999", "\"amount_received\":1999,\"amount_received\":1999"},
        {"\"automatic\"", "\"manual\""},
        {"\"succeeded\"", "\"succeeded\\u0000\""},
    };

    for (size_t i = 0; i < ARRAY_LENGTH(changes); i++) {
        const char *at = strstr(PAID, changes[i][0]);
        assert_non_null(at);
        const char *body = arena_printf(f->arena, "%.*s%s%s", (int)(at - (const char *)PAID), PAID,
                                        changes[i][1], at + strlen(changes[i][0]));
        when_read(f, 200, body);
        then(f, GATEWAY_UNKNOWN);
    }
}

static void what_is_cut_or_no_json_is_unknown(void **state)
{
    struct fixture *f = *state;
    size_t size = strlen(PAID);

    for (size_t i = 0; i < size; i++) {
        f->reply.body = PAID;
        f->reply.body_size = i;
        stripe_read(&f->question, &f->reply, &f->reading);
        then(f, GATEWAY_UNKNOWN);
    }
    when_read(f, 200, "[]");
    then(f, GATEWAY_UNKNOWN);
    when_read(f, 200, "\"\xff\"");
    then(f, GATEWAY_UNKNOWN);
}

static void nesting_is_bounded(void **state)
{
    struct fixture *f = *state;
    char deep[8192] = "{\"a\":";
    size_t used = strlen(deep);

    memset(deep + used, '[', 2000);
    memset(deep + used + 2000, ']', 2000);
    strncat(deep, "}", 2);
    when_read(f, 200, deep);
    then(f, GATEWAY_UNKNOWN);
    assert_null(stripe_json(deep, strlen(deep)));
}

static void each_error_has_its_meaning(void **state)
{
    struct fixture *f = *state;
    static const struct {
        int status;
        enum gateway_outcome outcome;
        const char *body;
    } rows[] = {
        {402, GATEWAY_DECLINED, "{\"error\":{\"type\":\"card_error\",\"code\":\"card_declined\"}}"},
        {400, GATEWAY_FAILED, "{\"error\":{\"type\":\"invalid_request_error\"}}"},
        {404, GATEWAY_FAILED, "{\"error\":{\"type\":\"invalid_request_error\"}}"},
        {400, GATEWAY_UNKNOWN, "{\"error\":{\"type\":\"idempotency_error\"}}"},
        {409, GATEWAY_IN_FLIGHT, "{\"error\":{\"type\":\"invalid_request_error\"}}"},
        {401, GATEWAY_NOT_SENT, "{\"error\":{\"type\":\"invalid_request_error\"}}"},
        {403, GATEWAY_NOT_SENT, "{\"error\":{\"type\":\"invalid_request_error\"}}"},
        {429, GATEWAY_NOT_SENT, ""},
        {302, GATEWAY_FAILED, ""},
        {400, GATEWAY_UNKNOWN, ""},
        {402, GATEWAY_UNKNOWN, "{\"error\":"},
        {402, GATEWAY_UNKNOWN, "{}"},
        {201, GATEWAY_UNKNOWN, PAID},
        {500, GATEWAY_UNKNOWN, "{\"error\":{\"type\":\"api_error\"}}"},
        {502, GATEWAY_UNKNOWN, "<html>"},
        {503, GATEWAY_UNKNOWN, ""},
    };

    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        when_read(f, rows[i].status, rows[i].body);
        then(f, rows[i].outcome);
    }
}

static void a_request_that_is_not_taken_is_no_decline_of_a_bank(void **state)
{
    struct fixture *f = *state;

    when_read(f, 400,
              "{\"error\":{\"type\":\"invalid_request_error\",\"code\":\"amount_too_small\"}}");
    then(f, GATEWAY_FAILED);
    assert_string_equal(f->reading.answer.decline_code, "invalid_amount");
    when_read(f, 404,
              "{\"error\":{\"type\":\"invalid_request_error\",\"code\":\"resource_missing\"}}");
    then(f, GATEWAY_FAILED);
    assert_string_equal(f->reading.answer.decline_code, "invalid_request");
}

static void a_refund_that_is_not_taken_says_why(void **state)
{
    struct fixture *f = *state;
    static const char *const body =
        "{\"error\":{\"type\":\"invalid_request_error\",\"code\":\"charge_already_refunded\"}}";
    given_operation(f, GATEWAY_REFUND);

    when_read(f, 400, body);
    then(f, GATEWAY_FAILED);
    assert_string_equal(f->reading.answer.decline_code, "charge_already_refunded");
    f->question.is_query = true;
    when_read(f, 400, body);
    assert_string_equal(f->reading.answer.decline_code, "");
}

static void a_decline_names_its_reason(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *error;
        const char *decline_code;
        const char *network;
        const char *advice;
    } rows[] = {
        {"\"code\":\"card_declined\",\"decline_code\":\"insufficient_funds\","
         "\"network_decline_code\":\"51\",\"advice_code\":\"try_again_later\"",
         "insufficient_funds", "51", "try_again_later"},
        {"\"code\":\"expired_card\",\"advice_code\":\"confirm_card_data\"", "expired_card", "",
         "confirm_card_data"},
        {"\"code\":\"authentication_required\",\"decline_code\":\"authentication_required\"",
         "authentication_required", "", ""},
        {"\"code\":\"card_declined\",\"decline_code\":\"of_tomorrow\"", "generic_decline", "", ""},
        {"\"code\":\"card_declined\",\"network_decline_code\":\"<b>\",\"advice_code\":\"x\"",
         "generic_decline", "", ""},
        {"\"code\":\"card_decline_rate_limit_exceeded\"", "card_velocity_exceeded", "", ""},
        {"\"code\":7,\"decline_code\":[]", "generic_decline", "", ""},
    };

    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        when_read(
            f, 402,
            arena_printf(f->arena, "{\"error\":{\"type\":\"card_error\",%s}}", rows[i].error));
        then(f, GATEWAY_DECLINED);
        assert_string_equal(f->reading.answer.decline_code, rows[i].decline_code);
        assert_string_equal(f->reading.answer.network_decline_code, rows[i].network);
        assert_string_equal(f->reading.answer.advice, rows[i].advice);
    }
}

static void a_decline_of_somebody_elses_intent_is_not_believed(void **state)
{
    struct fixture *f = *state;

    when_read(f, 402,
              "{\"error\":{\"type\":\"card_error\",\"code\":\"card_declined\",\"payment_intent\":"
              "{\"id\":\"pi_2\",\"object\":\"payment_intent\",\"metadata\":{}}}}");

    then(f, GATEWAY_UNKNOWN);
}

static void a_replayed_error_is_looked_up(void **state)
{
    struct fixture *f = *state;
    f->header = (struct http_field){"idempotent-replayed", "true"};
    f->reply.headers = &f->header;
    f->reply.header_count = 1;

    when_read(f, 500, "{\"error\":{\"type\":\"api_error\"}}");
    then(f, GATEWAY_UNKNOWN);
    assert_int_equal(f->reading.next, STRIPE_SEARCH);

    when_read(f, 200, CHARGE("\"status\":\"processing\""));
    then(f, GATEWAY_IN_FLIGHT);
    assert_int_equal(f->reading.next, STRIPE_FETCH);
    assert_string_equal(f->reading.object, "pi_1");

    f->question.is_query = true;
    when_read(f, 200, CHARGE("\"status\":\"processing\""));
    assert_int_equal(f->reading.next, STRIPE_DONE);
}

static void a_transaction_the_gateway_does_not_have_is_no_outcome(void **state)
{
    struct fixture *f = *state;
    f->question.is_query = true;

    when_read(f, 404, "{\"error\":{\"type\":\"invalid_request_error\"}}");
    then(f, GATEWAY_UNKNOWN);
    assert_true(f->reading.answer.is_no_transaction);

    when_read(f, 400, "{\"error\":{\"type\":\"invalid_request_error\"}}");
    then(f, GATEWAY_UNKNOWN);
    assert_false(f->reading.answer.is_no_transaction);
}

static void an_action_is_a_redirect_or_the_sdks(void **state)
{
    struct fixture *f = *state;

    when_read(f, 200,
              CHARGE("\"status\":\"requires_action\",\"client_secret\":\"pi_1_secret_x\","
                     "\"next_action\":{\"type\":\"use_stripe_sdk\",\"use_stripe_sdk\":{}}"));
    then(f, GATEWAY_REQUIRES_ACTION);
    assert_int_equal(f->reading.answer.action.kind, GATEWAY_ACTION_SDK);
    assert_string_equal(f->reading.answer.action.client_secret, "pi_1_secret_x");

    when_read(f, 200,
              CHARGE("\"status\":\"requires_action\",\"client_secret\":\"pi_1_secret_x\","
                     "\"next_action\":{\"type\":\"redirect_to_url\",\"redirect_to_url\":{\"url\":"
                     "\"https://hooks.example/3ds\"}}"));
    then(f, GATEWAY_REQUIRES_ACTION);
    assert_int_equal(f->reading.answer.action.kind, GATEWAY_ACTION_REDIRECT);
    assert_string_equal(f->reading.answer.action.redirect_url, "https://hooks.example/3ds");

    when_read(f, 200,
              CHARGE("\"status\":\"requires_action\",\"client_secret\":\"pi_2_secret_x\","
                     "\"next_action\":{\"redirect_to_url\":{\"url\":\"javascript:x\"}}"));
    then(f, GATEWAY_IN_FLIGHT);
}

static void an_authorization_tells_when_it_ends(void **state)
{
    struct fixture *f = *state;
    given_operation(f, GATEWAY_AUTHORIZE);

    when_read(f, 200,
              HOLD("\"status\":\"requires_capture\",\"amount_capturable\":1999,"
                   "\"amount_received\":0,\"latest_charge\":{\"payment_method_details\":"
                   "{\"card\":{\"capture_before\":1800000000}}}"));

    then(f, GATEWAY_SUCCEEDED);
    assert_int_equal(f->reading.answer.authorization_expires_us, 1800000000LL * 1000000);
}

static void a_refund_of_another_payment_is_not_believed(void **state)
{
    struct fixture *f = *state;
    given_operation(f, GATEWAY_REFUND);
    f->request.transaction = "pi_2";

    when_read(f, 200, REFUND("\"status\":\"succeeded\""));

    then(f, GATEWAY_UNKNOWN);
}

static void what_the_client_could_not_do_is_told(void **state)
{
    struct fixture *f = *state;
    f->reply.problem = "libcurl 7";

    f->reply.result = HTTP_NOT_SENT;
    when_read(f, 0, "");
    then(f, GATEWAY_NOT_SENT);

    f->reply.result = HTTP_FORBIDDEN;
    when_read(f, 0, "");
    then(f, GATEWAY_NOT_SENT);

    f->reply.result = HTTP_UNKNOWN;
    when_read(f, 200, PAID);
    then(f, GATEWAY_UNKNOWN);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_paid_intent_is_a_success),
        TEST(each_status_of_an_intent_has_its_meaning),
        TEST(an_amount_that_differs_is_handed_on_as_it_is),
        TEST(what_is_about_something_else_is_not_believed),
        TEST(what_is_cut_or_no_json_is_unknown),
        TEST(nesting_is_bounded),
        TEST(each_error_has_its_meaning),
        TEST(a_request_that_is_not_taken_is_no_decline_of_a_bank),
        TEST(a_refund_that_is_not_taken_says_why),
        TEST(a_decline_names_its_reason),
        TEST(a_decline_of_somebody_elses_intent_is_not_believed),
        TEST(a_replayed_error_is_looked_up),
        TEST(a_transaction_the_gateway_does_not_have_is_no_outcome),
        TEST(an_action_is_a_redirect_or_the_sdks),
        TEST(an_authorization_tells_when_it_ends),
        TEST(a_refund_of_another_payment_is_not_believed),
        TEST(what_the_client_could_not_do_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
