/*
 * Every operation of the Stripe gateway against dues-simulator, and what is found of it afterwards.
 */

#include "stripe/gateway_fixture.h"

#define SETTLE_US (700 * US_PER_MS)

static void a_card_is_described_and_charged(void **state)
{
    struct fixture *f = *state;

    given_charge(f, "pm_card_visa");

    assert_string_equal(f->card.brand, "visa");
    assert_string_equal(f->card.last4, "4242");
    assert_true(text_starts_with(f->answer.transaction, "pi_"));
    assert_int_equal(f->answer.amount.minor_units, AMOUNT);
    when_asked(f, false);
    then(f, GATEWAY_SUCCEEDED);
    when_asked(f, true);
    then(f, GATEWAY_SUCCEEDED);
}

static void a_repeated_call_describes_the_same_method(void **state)
{
    struct fixture *f = *state;
    given_card(f, "pm_card_visa");
    const char *first = f->request.token;
    f->request.token = "pm_card_visa";

    fiber_run(f->fibers, run_describe, f);

    assert_null(f->error);
    assert_string_equal(f->card.token, first);
}

static void a_described_card_is_its_customers_alone(void **state)
{
    struct fixture *f = *state;
    given_card(f, "pm_card_visa");
    const char *method = strchr(f->request.token, '/') + 1;
    f->request.token = method;
    f->call.request_id = new_id(f);

    fiber_run(f->fibers, run_describe, f);
    assert_null(f->error);
    f->call.customer = "0197a1b2-0000-7000-8000-000000000009";
    fiber_run(f->fibers, run_describe, f);
    assert_non_null(f->error);
    assert_int_equal(f->error->status, STATUS_INVALID_ARGUMENT);
}

/* The card of this call, which is another one each time. */
static const char *token_of_call(struct fixture *f, const char *request_id, const char *customer)
{
    f->call.request_id = request_id;
    f->call.customer = customer;
    f->request = (struct gateway_request){.token = "pm_card_visa"};
    fiber_run(f->fibers, run_describe, f);
    assert_null(f->error);
    return arena_strdup(f->call.arena, f->card.token);
}

static bool share_a_half(const char *one, const char *other)
{
    return strcmp(strchr(one, '/'), strchr(other, '/')) == 0 ||
           strncmp(one, other, (size_t)(strchr(one, '/') - one) + 1) == 0;
}

static void calls_without_a_request_id_are_calls_of_their_own(void **state)
{
    static const char other[] = "0197a1b2-0000-7000-8000-000000000009";
    struct fixture *f = *state;

    const char *first = token_of_call(f, "", CUSTOMER);
    const char *second = token_of_call(f, "", CUSTOMER);
    const char *of_another = token_of_call(f, "", other);

    assert_false(share_a_half(first, second));
    assert_false(share_a_half(first, of_another));
    assert_false(share_a_half(second, of_another));
}

static void the_same_request_id_of_two_customers_is_two_requests(void **state)
{
    struct fixture *f = *state;

    const char *one = token_of_call(f, "the-first-card", CUSTOMER);
    const char *other = token_of_call(f, "the-first-card", "0197a1b2-0000-7000-8000-000000000009");

    assert_false(share_a_half(one, other));
}

static void a_card_that_no_bank_takes_is_refused(void **state)
{
    struct fixture *f = *state;
    f->request = (struct gateway_request){.token = "pm_card_visa_chargeDeclined"};

    fiber_run(f->fibers, run_describe, f);

    assert_non_null(f->error);
    assert_int_equal(f->error->status, STATUS_INVALID_ARGUMENT);
}

static void a_decline_is_one_and_stays_one(void **state)
{
    struct fixture *f = *state;
    given_card(f, "pm_card_chargeCustomerFail");

    when_asked(f, false);
    then(f, GATEWAY_DECLINED);
    assert_string_equal(f->answer.decline_code, "generic_decline");
    when_asked(f, false);
    then(f, GATEWAY_DECLINED);
    when_asked(f, true);
    then(f, GATEWAY_DECLINED);
}

static void authenticate(struct fixture *f, const char *result)
{
    tell(f, "POST",
         arena_printf(f->call.arena, "/_simulator/stripe/challenge/%s?client_secret=%s",
                      f->answer.transaction, f->answer.action.client_secret),
         arena_printf(f->call.arena, "result=%s", result));
}

static void a_customer_who_authenticates_has_paid(void **state)
{
    struct fixture *f = *state;
    given_card(f, "pm_card_authenticationRequired");

    when_asked(f, false);
    then(f, GATEWAY_REQUIRES_ACTION);
    assert_int_equal(f->answer.action.kind, GATEWAY_ACTION_SDK);
    when_asked(f, true);
    then(f, GATEWAY_REQUIRES_ACTION);

    authenticate(f, "succeeded");
    when_asked(f, true);
    then(f, GATEWAY_SUCCEEDED);
    when_asked(f, false);
    then(f, GATEWAY_SUCCEEDED);
}

static void a_customer_who_does_not_authenticate_is_declined(void **state)
{
    struct fixture *f = *state;
    given_card(f, "pm_card_authenticationRequired");
    when_asked(f, false);
    then(f, GATEWAY_REQUIRES_ACTION);

    authenticate(f, "failed");
    f->request.transaction = f->answer.transaction;
    when_asked(f, true);

    then(f, GATEWAY_DECLINED);
    assert_string_equal(f->answer.decline_code, "authentication_not_handled");
}

static void nobody_can_authenticate_when_nobody_is_there(void **state)
{
    struct fixture *f = *state;
    given_card(f, "pm_card_authenticationRequired");
    f->request.off_session = true;

    when_asked(f, false);

    then(f, GATEWAY_DECLINED);
    assert_string_equal(f->answer.decline_code, "authentication_required");
}

static void without_the_card_nothing_is_called_never_executed(void **state)
{
    struct fixture *f = *state;
    given_card(f, "pm_card_visa");
    f->request.token = "";

    when_asked(f, true);
    then(f, GATEWAY_UNKNOWN);
    when_asked(f, false);
    then(f, GATEWAY_UNKNOWN);
    f->request.token = "tok_visa"; /* never was Stripe's */
    when_asked(f, true);
    then(f, GATEWAY_UNKNOWN);
    when_asked(f, false);
    then(f, GATEWAY_FAILED);
}

static void an_action_can_be_let_go_of(void **state)
{
    struct fixture *f = *state;
    given_card(f, "pm_card_authenticationRequired");
    when_asked(f, false);
    struct gateway_request charge = f->request;
    given_next(f, GATEWAY_VOID, AMOUNT);

    when_asked(f, false);
    then(f, GATEWAY_SUCCEEDED);
    f->request = charge;
    when_asked(f, true);
    then(f, GATEWAY_DECLINED);
}

static void what_is_held_is_taken_in_parts(void **state)
{
    struct fixture *f = *state;
    given_authorization(f);
    assert_true(f->answer.authorization_expires_us >= 0);

    for (int part = 0; part < 3; part++) {
        given_next(f, GATEWAY_CAPTURE, 1000);
        f->request.final = part == 2;
        when_asked(f, true);
        then(f, GATEWAY_FAILED);
        when_asked(f, false);
        then(f, GATEWAY_SUCCEEDED);
        assert_int_equal(f->answer.amount.minor_units, 1000);
        when_asked(f, false);
        then(f, GATEWAY_SUCCEEDED);
        when_asked(f, true);
        then(f, GATEWAY_SUCCEEDED);
        assert_int_equal(f->answer.amount.minor_units, 1000);
    }
    given_next(f, GATEWAY_CAPTURE, 1000);
    when_asked(f, false);
    assert_int_not_equal(f->answer.outcome, GATEWAY_SUCCEEDED);
    given_next(f, GATEWAY_VOID, 1000);
    f->request.transaction = f->request.transaction[0] != '\0' ? f->request.transaction : "pi_0";
    when_asked(f, false);
    then(f, GATEWAY_FAILED);
}

static void what_is_held_is_let_go_of(void **state)
{
    struct fixture *f = *state;
    given_authorization(f);
    given_next(f, GATEWAY_VOID, PLENTY);

    when_asked(f, true);
    then(f, GATEWAY_FAILED);
    when_asked(f, false);
    then(f, GATEWAY_SUCCEEDED);
    when_asked(f, false);
    then(f, GATEWAY_SUCCEEDED);
    when_asked(f, true);
    then(f, GATEWAY_SUCCEEDED);

    f->request.operation = GATEWAY_CAPTURE;
    f->request.idempotency_key = new_id(f);
    when_asked(f, false);
    then(f, GATEWAY_FAILED);
}

static void a_refund_is_found_again(void **state)
{
    struct fixture *f = *state;
    given_charge(f, "pm_card_visa");
    given_next(f, GATEWAY_REFUND, 500);

    when_asked(f, true);
    then(f, GATEWAY_FAILED);
    when_asked(f, false);
    then(f, GATEWAY_SUCCEEDED);
    assert_true(text_starts_with(f->answer.transaction, "re_"));
    when_asked(f, false);
    then(f, GATEWAY_SUCCEEDED);
    when_asked(f, true);
    then(f, GATEWAY_SUCCEEDED);
    assert_int_equal(f->answer.amount.minor_units, 500);
}

static void more_than_was_paid_is_not_refunded(void **state)
{
    struct fixture *f = *state;
    given_charge(f, "pm_card_visa");
    given_next(f, GATEWAY_REFUND, AMOUNT + 1);

    when_asked(f, false);

    then(f, GATEWAY_FAILED);
}

static void wait_for_the_bank(struct fixture *f)
{
    tell(f, "POST", "/_simulator/clock", "{\"advance_s\":60}");
    usleep((useconds_t)SETTLE_US);
}

static void a_refund_that_pends_arrives_and_one_that_fails_says_so(void **state)
{
    struct fixture *f = *state;
    given_charge(f, "pm_card_pendingRefund");
    given_next(f, GATEWAY_REFUND, AMOUNT);
    when_asked(f, false);
    then(f, GATEWAY_IN_FLIGHT);
    wait_for_the_bank(f);
    when_asked(f, false);
    then(f, GATEWAY_SUCCEEDED);

    given_charge(f, "pm_card_refundFail");
    given_next(f, GATEWAY_REFUND, AMOUNT);
    when_asked(f, false);
    wait_for_the_bank(f);
    when_asked(f, true);
    then(f, GATEWAY_DECLINED);
    assert_true(text_starts_with(f->answer.transaction, "re_"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
    const struct CMUnitTest tests[] = {
        TEST(a_card_is_described_and_charged),
        TEST(a_repeated_call_describes_the_same_method),
        TEST(a_described_card_is_its_customers_alone),
        TEST(calls_without_a_request_id_are_calls_of_their_own),
        TEST(the_same_request_id_of_two_customers_is_two_requests),
        TEST(a_card_that_no_bank_takes_is_refused),
        TEST(a_decline_is_one_and_stays_one),
        TEST(a_customer_who_authenticates_has_paid),
        TEST(a_customer_who_does_not_authenticate_is_declined),
        TEST(nobody_can_authenticate_when_nobody_is_there),
        TEST(without_the_card_nothing_is_called_never_executed),
        TEST(an_action_can_be_let_go_of),
        TEST(what_is_held_is_taken_in_parts),
        TEST(what_is_held_is_let_go_of),
        TEST(a_refund_is_found_again),
        TEST(more_than_was_paid_is_not_refunded),
        TEST(a_refund_that_pends_arrives_and_one_that_fails_says_so),
    };

    return cmocka_run_group_tests(tests, begin_group, end_group);
}
