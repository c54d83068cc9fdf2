/*
 * CapturePayment: never more than is held, each once, and the rest is let go of.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/text.h"
#include "base/time.h"
#include "support/rpc_payment.h"

static void takes_all_that_is_held(void **state)
{
    struct rpc_fixture *f = *state;
    struct payer payer = given_payer(f, "tok_visa");
    const char *held = given_held(f, payer);

    const Payment *payment = must_reply(ask_capture(f, held, 0, false, "all"));

    assert_int_equal(payment->state, PAYMENT_STATE(SUCCEEDED));
    assert_int_equal(payment->amount_captured->minor_units, 999);
    assert_int_equal(payment->amount_capturable->minor_units, 0);
    assert_null(payment->amount_capture_pending);
    assert_int_equal(number_of(f, payer.customer, "sum(amount) FROM dues.ledger_entry"), 0);
    assert_int_equal(number_of(f, payer.customer, "max(amount) FROM dues.ledger_entry"), 999);
    assert_int_equal(number_of(f, payer.customer, "count(*) FROM dues.obligation"), 0);
}

static void takes_it_in_parts(void **state)
{
    struct rpc_fixture *f = *state;
    struct payer payer = given_payer(f, "tok_visa");
    const char *held = given_held(f, payer);

    const Payment *first = must_reply(ask_capture(f, held, 300, false, "part-1"));
    const Payment *second = must_reply(ask_capture(f, held, 200, false, "part-2"));
    const Payment *last = must_reply(ask_capture(f, held, 0, false, "part-3"));

    assert_int_equal(first->state, PAYMENT_STATE(REQUIRES_CAPTURE));
    assert_int_equal(first->amount_captured->minor_units, 300);
    assert_int_equal(first->amount_capturable->minor_units, 699);
    assert_int_equal(second->amount_captured->minor_units, 500);
    assert_int_equal(last->state, PAYMENT_STATE(SUCCEEDED));
    assert_int_equal(last->amount_captured->minor_units, 999);
    assert_int_equal(number_of(f, payer.customer,
                               "sum(amount) FILTER (WHERE amount > 0) FROM dues.ledger_entry"),
                     999);
    assert_int_equal(number_of(f, payer.customer,
                               "count(*) FILTER (WHERE type = 'payment.captured') FROM dues.event"),
                     3);
}

static void what_was_captured_is_returned_once_nothing_is_held(void **state)
{
    struct rpc_fixture *f = *state;
    const char *held = given_held(f, given_payer(f, "tok_visa"));

    must_reply(ask_capture(f, held, 600, false, new_request_id(f)));
    const struct dues_answer *early = ask_refund(f, held, 100, new_request_id(f));
    must_reply(ask_cancel_payment(f, held, new_request_id(f)));
    const Refund *refund = must_reply(ask_refund(f, held, 0, new_request_id(f)));

    assert_string_equal(early->reason, "PAYMENT_NOT_REFUNDABLE");
    assert_non_null(strstr(early->message, "let go of"));
    assert_int_equal(refund->amount->minor_units, 600);
}

static void a_final_capture_lets_go_of_the_rest(void **state)
{
    struct rpc_fixture *f = *state;
    struct payer payer = given_payer(f, "tok_visa");
    const char *held = given_held(f, payer);

    const Payment *payment = must_reply(ask_capture(f, held, 400, true, "final"));
    const struct dues_answer *more = ask_capture(f, held, 1, false, "more");
    const Refund *refund = must_reply(ask_refund(f, held, 0, "back"));

    assert_int_equal(payment->state, PAYMENT_STATE(SUCCEEDED));
    assert_int_equal(payment->amount_captured->minor_units, 400);
    assert_string_equal(more->reason, "PAYMENT_NOT_CAPTURABLE");
    assert_int_equal(refund->state, REFUND_STATE(SUCCEEDED));
    assert_int_equal(refund->amount->minor_units, 400);
}

static void refuses_more_than_is_left_and_says_how_much_is(void **state)
{
    struct rpc_fixture *f = *state;
    const char *held = given_held(f, given_payer(f, "tok_visa"));

    must_reply(ask_capture(f, held, 900, false, "most"));
    const struct dues_answer *answer = ask_capture(f, held, 100, false, "too-much");

    assert_int_equal(answer->status, DUES_FAILED_PRECONDITION);
    assert_string_equal(answer->reason, "CAPTURE_EXCEEDS_AUTHORIZATION");
    assert_string_equal(answer->metadata[0].key, "capturable_minor_units");
    assert_string_equal(answer->metadata[0].value, "99");
    assert_int_equal(payment_now(f, held)->amount_captured->minor_units, 900);
}

static void refuses_what_is_not_held(void **state)
{
    struct rpc_fixture *f = *state;
    struct payer payer = given_payer(f, "tok_visa");
    const char *taken = given_payment(f, payer);
    const char *absent =
        rpc_printf(f, "%s/payments/%s", payer.customer, db_uuid_text(f->db, db_uuid(f->db)));

    const struct dues_answer *automatic = ask_capture(f, taken, 1, false, "taken");
    const struct dues_answer *nothing = ask_capture(f, absent, 1, false, "absent");
    const struct dues_answer *no_id = ask_capture(f, taken, 1, false, "");
    const struct dues_answer *wrong = ask_capture(f, given_held(f, payer), -1, false, "wrong");

    assert_int_equal(automatic->status, DUES_FAILED_PRECONDITION);
    assert_string_equal(automatic->reason, "PAYMENT_NOT_CAPTURABLE");
    assert_string_equal(nothing->reason, "PAYMENT_NOT_FOUND");
    assert_string_equal(no_id->reason, "REQUEST_ID_REQUIRED");
    assert_true(answer_names(wrong, "amount.minor_units"));
    assert_int_equal(charges_of(f, payer.customer), 1);
}

static void answers_a_repeat_byte_for_byte_also_after_a_restart(void **state)
{
    struct rpc_fixture *f = *state;
    const char *held = given_held(f, given_payer(f, "tok_visa"));

    const struct dues_answer *first = ask_capture(f, held, 300, false, "once");
    must_reply(ask_capture(f, held, 300, false, "another"));
    rpc_restart(f);
    const struct dues_answer *second = ask_capture(f, held, 300, false, "once");
    const struct dues_answer *other = ask_capture(f, held, 301, false, "once");

    assert_true(is_replayed(second));
    assert_int_equal(second->reply_size, first->reply_size);
    assert_memory_equal(second->reply_bytes, first->reply_bytes, first->reply_size);
    assert_string_equal(other->reason, "REQUEST_ID_REUSED");
    assert_int_equal(payment_now(f, held)->amount_captured->minor_units, 600);
}

#define RACERS 100

struct racer {
    struct rpc_fixture *f;
    const char *payment;
    const char *request_id;
    const struct dues_answer *answer;
};

static void *race(void *arg)
{
    struct racer *racer = arg;

    racer->answer = ask_capture(racer->f, racer->payment, 100, false, racer->request_id);
    return NULL;
}

static void racing_captures_never_take_more_than_is_held(void **state)
{
    struct rpc_fixture *f = *state;
    struct payer payer = given_payer(f, "tok_visa");
    const char *held = given_held(f, payer); /* 9.99: nine of them fit */
    struct racer racers[RACERS];
    int taken = 0;

    for (size_t i = 0; i < RACERS; i++)
        racers[i] = (struct racer){f, held, rpc_printf(f, "race-%zu", i), NULL};
    rpc_race(race, racers, RACERS, sizeof(racers[0]));

    for (size_t i = 0; i < RACERS; i++) {
        taken += racers[i].answer->status == DUES_OK;
        if (racers[i].answer->status != DUES_OK)
            assert_true(text_equal(racers[i].answer->reason, "CAPTURE_EXCEEDS_AUTHORIZATION") ||
                        text_equal(racers[i].answer->reason, "CAPTURE_IN_PROGRESS"));
    }
    const Payment *payment = payment_now(f, held);
    assert_int_equal(taken, 9);
    assert_int_equal(payment->amount_captured->minor_units, 900);
    assert_int_equal(payment->amount_capturable->minor_units, 99);
    assert_int_equal(number_of(f, payer.customer,
                               "sum(amount) FILTER (WHERE amount > 0)"
                               " FROM dues.ledger_entry"),
                     900);
}

static void what_the_gateway_refuses_is_free_again(void **state)
{
    struct rpc_fixture *f = *state;
    struct payer payer = given_payer(f, "tok_captureDeclined");
    const char *held = given_held(f, payer);

    const struct dues_answer *answer = ask_capture(f, held, 500, true, "refused");
    const struct dues_answer *again = ask_capture(f, held, 500, true, "refused");
    const Payment *payment = payment_now(f, held);

    assert_int_equal(answer->status, DUES_FAILED_PRECONDITION);
    assert_string_equal(answer->reason, "CAPTURE_DECLINED");
    assert_string_equal(answer->metadata[0].value, "do_not_honor");
    assert_string_equal(again->reason, "CAPTURE_DECLINED");
    assert_int_equal(payment->state, PAYMENT_STATE(REQUIRES_CAPTURE));
    assert_int_equal(payment->amount_capturable->minor_units, 999);
    assert_int_equal(number_of(f, payer.customer, "count(*) FROM dues.ledger_entry"), 0);
}

static void a_refusal_stays_one_when_its_step_is_repeated(void **state)
{
    struct rpc_fixture *f = *state;
    struct payer payer = given_payer(f, "tok_captureDeclined");
    const char *held = given_held(f, payer);

    ask_capture(f, held, 500, true, "refused");
    const char *outcome = db_text(
        f->db,
        "SELECT (dues.capture_settle(a.customer_id, 'CAPTURE', ROW(a.payment_id, a.attempt_id,"
        " a.epoch, 'DECLINED', a.gateway_transaction, a.amount, a.decline_code, 'again', '', '', "
        "NULL,"
        " NULL, NULL)::dues.settlement, NULL, 'CapturePayment', NULL, now())).outcome"
        " FROM dues.attempt a WHERE a.operation = 'CAPTURE' AND a.state = 'DECLINED'"
        " ORDER BY a.create_time DESC LIMIT 1");

    assert_string_equal(outcome, "refused");
}

static void an_unknown_capture_is_pending_and_found_out(void **state)
{
    struct rpc_fixture *f = *state;
    struct payer payer = given_payer(f, "tok_timeoutAfterSuccess");
    struct payment_wish wish = wish_of(payer, "hold");

    wish.capture_mode = DUES__PAYMENT__V1__PAYMENT__CAPTURE_MODE__CAPTURE_MODE_MANUAL;
    const Payment *payment = must_reply(ask_wished(f, &wish));
    const char *held = payment->name;
    for (int i = 0; i < 600 && payment->state == PAYMENT_STATE(PROCESSING); i++) {
        fake_clock_advance(f->clock, 10 * US_PER_SECOND);
        usleep(50000);
        payment = payment_now(f, held);
    }
    resolver_rests(f);
    const Payment *pending = must_reply(ask_capture(f, held, 300, true, "lost"));
    const struct dues_answer *beside = ask_capture(f, held, 1, false, "beside");
    for (int i = 0; i < 600 && payment->state == PAYMENT_STATE(REQUIRES_CAPTURE); i++) {
        fake_clock_advance(f->clock, 10 * US_PER_SECOND);
        usleep(50000);
        payment = payment_now(f, held);
    }
    const struct dues_answer *again = ask_capture(f, held, 300, true, "lost");

    assert_int_equal(pending->state, PAYMENT_STATE(REQUIRES_CAPTURE));
    assert_int_equal(pending->amount_capture_pending->minor_units, 999);
    assert_string_equal(beside->reason, "CAPTURE_IN_PROGRESS");
    assert_int_equal(payment->state, PAYMENT_STATE(SUCCEEDED));
    assert_int_equal(payment->amount_captured->minor_units, 300);
    assert_true(is_replayed(again));
}

static void what_the_gateway_gave_up_ends_the_payment(void **state)
{
    struct rpc_fixture *f = *state;
    /* The customer's time stands still, the gateway's goes on. */
    const char *customer = given_customer(f, given_clock(f, time_of("2026-01-01T00:00:00Z")));
    struct payer payer = {customer, given_card(f, customer, "tok_visa")};
    const char *held = given_held(f, payer);
    const char *part = given_held(f, payer);

    must_reply(ask_capture(f, part, 100, false, "part"));
    fake_clock_advance(f->clock, 8 * US_PER_DAY);
    const struct dues_answer *late = ask_capture(f, held, 0, false, "late");
    const struct dues_answer *again = ask_capture(f, held, 0, false, "late");
    const struct dues_answer *rest = ask_capture(f, part, 0, false, "rest");

    assert_int_equal(late->status, DUES_FAILED_PRECONDITION);
    assert_string_equal(late->reason, "PAYMENT_NOT_CAPTURABLE");
    assert_string_equal(again->reason, "PAYMENT_NOT_CAPTURABLE");
    assert_string_equal(rest->reason, "PAYMENT_NOT_CAPTURABLE");
    assert_int_equal(payment_now(f, held)->state, PAYMENT_STATE(CANCELED));
    assert_int_equal(payment_now(f, held)->amount_capturable->minor_units, 0);
    assert_int_equal(payment_now(f, part)->state, PAYMENT_STATE(SUCCEEDED));
    assert_int_equal(payment_now(f, part)->amount_captured->minor_units, 100);
    assert_int_equal(number_of(f, customer, "count(*) FROM dues.obligation"), 0);
    assert_int_equal(number_of(f, customer, "count(*) FROM dues.incident"), 0);
    assert_int_equal(
        number_of(f, customer, "count(*) FILTER (WHERE type = 'payment.canceled') FROM dues.event"),
        1);
    assert_int_equal(
        number_of(f, customer, "sum(amount) FILTER (WHERE amount > 0) FROM dues.ledger_entry"),
        100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_all_that_is_held),
        cmocka_unit_test(takes_it_in_parts),
        cmocka_unit_test(what_was_captured_is_returned_once_nothing_is_held),
        cmocka_unit_test(a_final_capture_lets_go_of_the_rest),
        cmocka_unit_test(refuses_more_than_is_left_and_says_how_much_is),
        cmocka_unit_test(refuses_what_is_not_held),
        cmocka_unit_test(answers_a_repeat_byte_for_byte_also_after_a_restart),
        cmocka_unit_test(racing_captures_never_take_more_than_is_held),
        cmocka_unit_test(what_the_gateway_refuses_is_free_again),
        cmocka_unit_test(a_refusal_stays_one_when_its_step_is_repeated),
        cmocka_unit_test(an_unknown_capture_is_pending_and_found_out),
        cmocka_unit_test(what_the_gateway_gave_up_ends_the_payment),
    };
    return cmocka_run_group_tests_name("CapturePayment", tests, members_setup, rpc_teardown);
}
