/*
 * What the sandbox holds, captures and lets go of, and what happens between two requests.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "unit/gateway/sandbox_fixture.h"

static struct gateway_request authorize_of(const char *key, const char *token, int64_t minor_units)
{
    struct gateway_request request = charge_of(key, token, minor_units);

    request.operation = GATEWAY_AUTHORIZE;
    return request;
}

static struct gateway_request act_on(enum gateway_operation operation, const char *key,
                                     const char *transaction, int64_t minor_units)
{
    struct gateway_request request = refund_of(key, transaction, minor_units);

    request.operation = operation;
    return request;
}

static void captures_what_it_holds_and_no_more(void **state)
{
    struct fixture *f = *state;
    struct gateway_answer held = ask(f, authorize_of("a1", "tok_visa", 1000));
    struct gateway_request last = act_on(GATEWAY_CAPTURE, "c3", held.transaction, 100);

    last.final = true;
    struct gateway_answer part = ask(f, act_on(GATEWAY_CAPTURE, "c1", held.transaction, 600));
    struct gateway_answer more = ask(f, act_on(GATEWAY_CAPTURE, "c2", held.transaction, 401));
    crash_and_open(f);
    struct gateway_answer final = ask(f, last);
    struct gateway_answer after = ask(f, act_on(GATEWAY_CAPTURE, "c4", held.transaction, 1));
    struct gateway_answer back = ask(f, refund_of("r1", held.transaction, 700));
    struct gateway_answer too_much = ask(f, refund_of("r2", held.transaction, 1));

    assert_int_equal(held.outcome, GATEWAY_SUCCEEDED);
    assert_true(held.authorization_expires_us > 0);
    assert_int_equal(part.outcome, GATEWAY_SUCCEEDED);
    assert_int_equal(more.outcome, GATEWAY_FAILED);
    assert_int_equal(final.outcome, GATEWAY_SUCCEEDED);
    assert_int_equal(after.outcome, GATEWAY_FAILED);
    assert_int_equal(back.outcome, GATEWAY_SUCCEEDED);
    assert_int_equal(too_much.outcome, GATEWAY_FAILED);
}

static void lets_go_of_what_it_holds(void **state)
{
    struct fixture *f = *state;
    struct gateway_answer held = ask(f, authorize_of("a1", "tok_visa", 1000));
    struct gateway_answer charge = ask(f, charge_of("k1", "tok_visa", 1000));

    struct gateway_answer released = ask(f, act_on(GATEWAY_VOID, "v1", held.transaction, 1000));
    crash_and_open(f);
    struct gateway_answer capture = ask(f, act_on(GATEWAY_CAPTURE, "c1", held.transaction, 1));
    struct gateway_answer again = ask(f, act_on(GATEWAY_VOID, "v2", held.transaction, 1000));
    struct gateway_answer taken = ask(f, act_on(GATEWAY_VOID, "v3", charge.transaction, 1000));

    assert_int_equal(released.outcome, GATEWAY_SUCCEEDED);
    assert_int_equal(capture.outcome, GATEWAY_FAILED);
    assert_int_equal(again.outcome, GATEWAY_SUCCEEDED);
    assert_int_equal(taken.outcome, GATEWAY_FAILED);
}

static void the_customer_has_done_it_when_it_is_asked(void **state)
{
    struct fixture *f = *state;
    struct gateway_request request = charge_of("k1", "tok_threeDSecureRequired", 999);

    struct gateway_answer waiting = ask(f, request);
    struct gateway_answer again = ask(f, request);
    struct gateway_answer done = query(f, request);
    crash_and_open(f);
    struct gateway_answer still = query(f, request);

    assert_int_equal(waiting.outcome, GATEWAY_REQUIRES_ACTION);
    assert_int_equal(waiting.action.kind, GATEWAY_ACTION_REDIRECT);
    assert_int_equal(again.outcome, GATEWAY_REQUIRES_ACTION);
    assert_int_equal(done.outcome, GATEWAY_SUCCEEDED);
    assert_string_equal(done.transaction, waiting.transaction);
    assert_int_equal(still.outcome, GATEWAY_SUCCEEDED);
    assert_int_equal(approved_count(f, "attempt-of-charge"), 1);
}

static void nobody_authenticates_what_was_let_go_of(void **state)
{
    struct fixture *f = *state;
    struct gateway_request request = charge_of("k1", "tok_threeDSecureRequired", 999);
    struct gateway_answer waiting = ask(f, request);

    struct gateway_answer released = ask(f, act_on(GATEWAY_VOID, "v1", waiting.transaction, 999));
    struct gateway_answer answer = query(f, request);

    assert_int_equal(released.outcome, GATEWAY_SUCCEEDED);
    assert_int_equal(answer.outcome, GATEWAY_DECLINED);
    assert_string_equal(answer.decline_code, "authentication_not_handled");
    assert_int_equal(approved_count(f, "attempt-of-charge"), 0);
}

static void a_refund_fails_after_it_has_succeeded(void **state)
{
    struct fixture *f = *state;
    struct gateway_answer charge = ask(f, charge_of("k1", "tok_refundFailsLater", 999));

    struct gateway_answer refund = ask(f, refund_of("r1", charge.transaction, 999));
    struct gateway_answer later = query(f, refund_of("r1", charge.transaction, 999));
    crash_and_open(f);
    struct gateway_answer again = ask(f, refund_of("r2", charge.transaction, 999));

    assert_int_equal(refund.outcome, GATEWAY_SUCCEEDED);
    assert_int_equal(later.outcome, GATEWAY_DECLINED);
    assert_string_equal(later.transaction, refund.transaction);
    assert_string_equal(later.decline_code, "lost_or_stolen_card");
    assert_int_equal(again.outcome, GATEWAY_SUCCEEDED);
}

static void says_what_the_network_said(void **state)
{
    struct fixture *f = *state;

    struct gateway_answer funds = ask(f, charge_of("k1", "tok_chargeDeclinedInsufficientFunds", 1));
    struct gateway_answer stolen = ask(f, charge_of("k2", "tok_chargeDeclinedStolenCard", 1));

    assert_string_equal(funds.network_decline_code, "51");
    assert_string_equal(funds.advice, "try_again_later");
    assert_string_equal(stolen.advice, "do_not_try_again");
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(captures_what_it_holds_and_no_more),
        TEST(lets_go_of_what_it_holds),
        TEST(the_customer_has_done_it_when_it_is_asked),
        TEST(nobody_authenticates_what_was_let_go_of),
        TEST(a_refund_fails_after_it_has_succeeded),
        TEST(says_what_the_network_said),
    };
    return cmocka_run_group_tests_name("sandbox authorizations", tests, NULL, NULL);
}
