/*
 * What Stripe is told of a card, over real TLS, against a server that answers from a script.
 */

#include "unit/gateway/stripe_fixture.h"

#define METHOD(customer)                                                                           \
    "{\"id\":\"pm_1\",\"object\":\"payment_method\",\"customer\":" customer "," CARD "}"
#define NOT_ATTACHED                                                                               \
    "{\"error\":{\"type\":\"invalid_request_error\",\"message\":\"not attached to a customer\"}}"
#define DETACH "/v1/payment_methods/pm_1/detach"
#define LOOK   "/v1/payment_methods/pm_1"
#define KEY    "payment_method.detach-1"

static void run_detach(void *argument)
{
    struct fixture *f = argument;

    f->answer.evidence = "";
    f->answer.outcome = f->gateway->detach_card(f->gateway, &f->call, f->token, KEY);
}

static void run_update(void *argument)
{
    static const struct gateway_expiry expiry = {.month = 7, .year = 2039};
    struct fixture *f = argument;

    f->answer.evidence = "";
    f->answer.outcome = f->gateway->update_card(f->gateway, &f->call, f->token, &expiry, KEY);
}

static void a_card_is_detached(void **state)
{
    struct fixture *f = *state;
    f->token = "cus_1/pm_1";
    given(f, 0, post(DETACH, NULL, 200, METHOD("null")));

    fiber_run(f->fibers, run_detach, f);

    then(f, GATEWAY_SUCCEEDED, 1);
    assert_string_equal(f->keys[0], KEY);
}

static void what_is_detached_or_gone_is_detached(void **state)
{
    struct fixture *f = *state;
    f->token = "cus_1/pm_1";
    given(f, 0, post(DETACH, NULL, 400, NOT_ATTACHED));
    given(f, 1, get(LOOK, 200, METHOD("null")));
    given(f, 2, post(DETACH, NULL, 404, NOT_ATTACHED));
    given(f, 3, get(LOOK, 404, NOT_ATTACHED));

    fiber_run(f->fibers, run_detach, f);
    then(f, GATEWAY_SUCCEEDED, 2);
    fiber_run(f->fibers, run_detach, f);

    then(f, GATEWAY_SUCCEEDED, 4);
}

static void a_refusal_for_another_reason_is_not_taken_for_done(void **state)
{
    struct fixture *f = *state;
    f->token = "cus_1/pm_1";
    given(f, 0, post(DETACH, NULL, 400, NOT_ATTACHED));
    given(f, 1, get(LOOK, 200, METHOD("\"cus_1\"")));

    fiber_run(f->fibers, run_detach, f);

    then(f, GATEWAY_FAILED, 2);
}

static void what_nobody_knows_is_done_again(void **state)
{
    static const struct {
        int status;
        const char *answer;
        bool is_lost;
        enum gateway_outcome outcome;
    } rows[] = {
        {200, "", true, GATEWAY_UNKNOWN}, /* first: a connection that was used is tried again */
        {500, "{\"error\":{\"type\":\"api_error\"}}", false, GATEWAY_UNKNOWN},
        {429, "{\"error\":{\"type\":\"invalid_request_error\"}}", false, GATEWAY_NOT_SENT},
        {401, "{\"error\":{\"type\":\"invalid_request_error\"}}", false, GATEWAY_NOT_SENT},
        {409, "{\"error\":{\"type\":\"idempotency_error\"}}", false, GATEWAY_IN_FLIGHT},
        {200, METHOD("\"cus_1\""), false, GATEWAY_UNKNOWN},
        {200, "{\"id\":\"pm_2\",\"object\":\"payment_method\",\"customer\":null}", false,
         GATEWAY_UNKNOWN},
    };
    struct fixture *f = *state;
    f->token = "cus_1/pm_1";

    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        f->asked = 0;
        given(f, 0, post(DETACH, NULL, rows[i].status, rows[i].answer));
        f->steps[0].is_lost = rows[i].is_lost;

        fiber_run(f->fibers, run_detach, f);

        then(f, rows[i].outcome, 1);
    }
}

static void a_new_expiry_is_told(void **state)
{
    struct fixture *f = *state;
    f->token = "cus_1/pm_1";
    given(f, 0,
          post(LOOK, "card%5Bexp_month%5D=7&card%5Bexp_year%5D=2039", 200, METHOD("\"cus_1\"")));
    given(f, 1, post(LOOK, NULL, 402, "{\"error\":{\"type\":\"card_error\"}}"));
    given(f, 2, post(LOOK, NULL, 503, "{}"));

    fiber_run(f->fibers, run_update, f);
    then(f, GATEWAY_SUCCEEDED, 1);
    fiber_run(f->fibers, run_update, f);
    then(f, GATEWAY_FAILED, 2);
    fiber_run(f->fibers, run_update, f);

    then(f, GATEWAY_UNKNOWN, 3);
}

static void a_token_of_somebody_else_is_told_to_nobody(void **state)
{
    static const char *const tokens[] = {"",       "tok_visa",      "pm_1",
                                         "cus_1/", "cus_1/../pm_1", "cus_1/pm_1/x"};
    struct fixture *f = *state;

    for (size_t i = 0; i < ARRAY_LENGTH(tokens); i++) {
        f->token = tokens[i];
        fiber_run(f->fibers, run_detach, f);
        then(f, GATEWAY_FAILED, 0);
        fiber_run(f->fibers, run_update, f);
        then(f, GATEWAY_FAILED, 0);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_card_is_detached),
        TEST(what_is_detached_or_gone_is_detached),
        TEST(a_refusal_for_another_reason_is_not_taken_for_done),
        TEST(what_nobody_knows_is_done_again),
        TEST(a_new_expiry_is_told),
        TEST(a_token_of_somebody_else_is_told_to_nobody),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
