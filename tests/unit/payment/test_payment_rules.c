/*
 * The tables of moves, pair by pair: a new state cannot be forgotten.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/text.h"
#include "payment/capture.h"
#include "payment/payment.h"
#include "payment/refund.h"

static bool is_listed(const char *const *list, const char *name)
{
    for (; *list != NULL; list++) {
        if (text_equal(*list, name))
            return true;
    }
    return false;
}

static void moves_payments_as_drawn(void **state)
{
    static const char *const legal[] = {"PROCESSING>REQUIRES_ACTION",
                                        "PROCESSING>REQUIRES_CAPTURE",
                                        "PROCESSING>SUCCEEDED",
                                        "PROCESSING>FAILED",
                                        "REQUIRES_ACTION>REQUIRES_CAPTURE",
                                        "REQUIRES_ACTION>SUCCEEDED",
                                        "REQUIRES_ACTION>FAILED",
                                        "REQUIRES_ACTION>CANCELED",
                                        "REQUIRES_CAPTURE>SUCCEEDED",
                                        "REQUIRES_CAPTURE>CANCELED",
                                        NULL};
    char pair[64];

    (void)state;
    for (int from = 0; from < PAYMENT_STATE_COUNT; from++) {
        for (int to = 0; to < PAYMENT_STATE_COUNT; to++) {
            snprintf(pair, sizeof pair, "%s>%s", payment_state_name((enum payment_state)from),
                     payment_state_name((enum payment_state)to));
            assert_int_equal(payment_may_move((enum payment_state)from, (enum payment_state)to),
                             is_listed(legal, pair));
        }
    }
}

static void moves_attempts_as_drawn(void **state)
{
    static const char *const legal[] = {"SENDING>UNKNOWN",
                                        "SENDING>RESOLVING",
                                        "SENDING>SUCCEEDED",
                                        "SENDING>DECLINED",
                                        "SENDING>FAILED",
                                        "SENDING>REQUIRES_ACTION",
                                        "SENDING>MANUAL",
                                        "UNKNOWN>RESOLVING",
                                        "UNKNOWN>SUCCEEDED",
                                        "UNKNOWN>DECLINED",
                                        "UNKNOWN>FAILED",
                                        "UNKNOWN>REQUIRES_ACTION",
                                        "UNKNOWN>MANUAL",
                                        "RESOLVING>UNKNOWN",
                                        "RESOLVING>RESOLVING",
                                        "RESOLVING>SUCCEEDED",
                                        "RESOLVING>DECLINED",
                                        "RESOLVING>FAILED",
                                        "RESOLVING>REQUIRES_ACTION",
                                        "RESOLVING>MANUAL",
                                        "SUCCEEDED>MANUAL",
                                        "DECLINED>MANUAL",
                                        "FAILED>MANUAL",
                                        "REQUIRES_ACTION>RESOLVING",
                                        "REQUIRES_ACTION>MANUAL",
                                        NULL};
    char pair[64];

    (void)state;
    for (int from = 0; from < ATTEMPT_STATE_COUNT; from++) {
        for (int to = 0; to < ATTEMPT_STATE_COUNT; to++) {
            snprintf(pair, sizeof pair, "%s>%s", attempt_state_name((enum attempt_state)from),
                     attempt_state_name((enum attempt_state)to));
            assert_int_equal(attempt_may_move((enum attempt_state)from, (enum attempt_state)to),
                             is_listed(legal, pair));
        }
    }
}

static void moves_refunds_as_drawn(void **state)
{
    (void)state;
    for (int from = 0; from < REFUND_STATE_COUNT; from++) {
        for (int to = 0; to < REFUND_STATE_COUNT; to++)
            assert_int_equal(refund_may_move((enum refund_state)from, (enum refund_state)to),
                             (from == REFUND_PENDING && to != REFUND_PENDING) ||
                                 (from == REFUND_SUCCEEDED && to == REFUND_FAILED));
    }
}

static void a_result_is_nothing_for_machines_any_more(void **state)
{
    (void)state;
    for (int i = 0; i < ATTEMPT_STATE_COUNT; i++)
        assert_int_equal(attempt_is_over((enum attempt_state)i), i >= ATTEMPT_SUCCEEDED);
}

static void reads_every_name_it_writes(void **state)
{
    enum payment_state payment;
    enum attempt_state attempt;
    enum refund_state refund;

    (void)state;
    for (int i = 0; i < PAYMENT_STATE_COUNT; i++) {
        assert_true(payment_state_parse(payment_state_name((enum payment_state)i), &payment));
        assert_int_equal(payment, i);
    }
    for (int i = 0; i < ATTEMPT_STATE_COUNT; i++) {
        assert_true(attempt_state_parse(attempt_state_name((enum attempt_state)i), &attempt));
        assert_int_equal(attempt, i);
    }
    for (int i = 0; i < REFUND_STATE_COUNT; i++) {
        assert_true(refund_state_parse(refund_state_name((enum refund_state)i), &refund));
        assert_int_equal(refund, i);
    }
    assert_false(payment_state_parse("succeeded", &payment));
}

static const struct payment held = {
    .state = PAYMENT_REQUIRES_CAPTURE,
    .is_manual = true,
    .amount = {"USD", 1000},
    .capturable_minor = 0,
    .captured_minor = 300,
    .capture_pending_minor = 700,
};

static void a_final_capture_lets_go_of_the_rest(void **state)
{
    const struct capture capture = {
        .operation = GATEWAY_CAPTURE, .amount = {"USD", 200}, .is_final = true};
    const struct gateway_answer done = {.outcome = GATEWAY_SUCCEEDED, .amount = {"USD", 200}};
    const struct gateway_answer not_done = {.outcome = GATEWAY_DECLINED};

    (void)state;
    struct payment taken = payment_after_capture(&held, &capture, &done, 5);
    struct payment refused = payment_after_capture(&held, &capture, &not_done, 5);

    assert_int_equal(taken.state, PAYMENT_SUCCEEDED);
    assert_int_equal(taken.captured_minor, 500);
    assert_int_equal(taken.capture_pending_minor, 0);
    assert_int_equal(refused.state, PAYMENT_REQUIRES_CAPTURE);
    assert_int_equal(refused.capturable_minor, 700);
    assert_int_equal(refused.update_time_us, 5);
}

static void a_part_leaves_the_rest_to_be_captured(void **state)
{
    const struct capture part = {.operation = GATEWAY_CAPTURE, .amount = {"USD", 200}};
    const struct capture rest = {.operation = GATEWAY_CAPTURE, .amount = {"USD", 500}};
    const struct gateway_answer part_done = {.outcome = GATEWAY_SUCCEEDED, .amount = {"USD", 200}};
    const struct gateway_answer rest_done = {.outcome = GATEWAY_SUCCEEDED, .amount = {"USD", 500}};

    (void)state;
    struct payment after = payment_after_capture(&held, &part, &part_done, 5);
    struct payment whole = payment_after_capture(&after, &rest, &rest_done, 6);

    assert_int_equal(after.state, PAYMENT_REQUIRES_CAPTURE);
    assert_int_equal(after.capture_pending_minor, 500);
    assert_int_equal(whole.state, PAYMENT_SUCCEEDED);
    assert_int_equal(whole.captured_minor, 1000);
}

/* Two operators have said that it is true. */
static void what_was_taken_is_what_the_gateway_says(void **state)
{
    const struct capture part = {.operation = GATEWAY_CAPTURE, .amount = {"USD", 200}};
    const struct gateway_answer less = {.outcome = GATEWAY_SUCCEEDED, .amount = {"USD", 150}};
    const struct gateway_answer more = {.outcome = GATEWAY_SUCCEEDED, .amount = {"USD", 250}};

    (void)state;
    struct payment little = payment_after_capture(&held, &part, &less, 5);
    struct payment much = payment_after_capture(&held, &part, &more, 5);

    assert_int_equal(little.captured_minor, 450);
    assert_int_equal(little.capturable_minor, 50);
    assert_int_equal(little.capture_pending_minor, 500);
    assert_int_equal(much.captured_minor, 550);
    assert_int_equal(much.capturable_minor, 0);
    assert_int_equal(much.state, PAYMENT_REQUIRES_CAPTURE);
}

static void a_void_cancels_only_what_took_nothing(void **state)
{
    const struct capture capture = {
        .operation = GATEWAY_VOID, .amount = {"USD", 700}, .is_final = true};
    const struct gateway_answer done = {.outcome = GATEWAY_SUCCEEDED, .amount = {"USD", 700}};
    struct payment untouched = held;

    (void)state;
    untouched.captured_minor = 0;
    untouched.capture_pending_minor = 1000;
    assert_int_equal(payment_after_capture(&held, &capture, &done, 5).state, PAYMENT_SUCCEEDED);
    assert_int_equal(payment_after_capture(&untouched, &capture, &done, 5).state, PAYMENT_CANCELED);
}

static void counts_what_is_left_to_refund(void **state)
{
    struct payment payment = {.state = PAYMENT_SUCCEEDED,
                              .captured_minor = 1000,
                              .refunded_minor = 300,
                              .refund_pending_minor = 200};

    (void)state;
    assert_int_equal(payment_refundable(&payment), 500);
    payment.state = PAYMENT_FAILED;
    assert_int_equal(payment_refundable(&payment), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(moves_payments_as_drawn),
        cmocka_unit_test(moves_attempts_as_drawn),
        cmocka_unit_test(moves_refunds_as_drawn),
        cmocka_unit_test(a_result_is_nothing_for_machines_any_more),
        cmocka_unit_test(reads_every_name_it_writes),
        cmocka_unit_test(a_final_capture_lets_go_of_the_rest),
        cmocka_unit_test(a_part_leaves_the_rest_to_be_captured),
        cmocka_unit_test(what_was_taken_is_what_the_gateway_says),
        cmocka_unit_test(a_void_cancels_only_what_took_nothing),
        cmocka_unit_test(counts_what_is_left_to_refund),
    };
    return cmocka_run_group_tests_name("payment rules", tests, NULL, NULL);
}
