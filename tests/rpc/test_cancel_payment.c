/*
 * CancelPayment, and authorizations that end by themselves.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/text.h"
#include "base/time.h"
#include "support/patience.h"
#include "support/rpc_payment.h"

static void lets_go_of_what_is_held(void **state)
{
    struct rpc_fixture *f = *state;
    struct payer payer = given_payer(f, "tok_visa");
    const char *held = given_held(f, payer);

    const struct dues_answer *first = ask_cancel_payment(f, held, "cancel");
    const struct dues_answer *again = ask_cancel_payment(f, held, "cancel");
    const struct dues_answer *other = ask_cancel_payment(f, held, "other");
    const struct dues_answer *capture = ask_capture(f, held, 1, false, "capture");
    const Payment *payment = must_reply(first);

    assert_int_equal(payment->state, PAYMENT_STATE(CANCELED));
    assert_int_equal(payment->amount_captured->minor_units, 0);
    assert_int_equal(payment->amount_capturable->minor_units, 0);
    assert_true(is_replayed(again));
    assert_string_equal(other->reason, "PAYMENT_NOT_CANCELABLE");
    assert_string_equal(capture->reason, "PAYMENT_NOT_CAPTURABLE");
    assert_int_equal(number_of(f, payer.customer, "count(*) FROM dues.ledger_entry"), 0);
    assert_int_equal(number_of(f, payer.customer, "count(*) FROM dues.obligation"), 0);
    assert_int_equal(number_of(f, payer.customer,
                               "count(*) FILTER (WHERE type = 'payment.canceled') FROM dues.event"),
                     1);
}

static void what_was_captured_stays(void **state)
{
    struct rpc_fixture *f = *state;
    const char *held = given_held(f, given_payer(f, "tok_visa"));

    must_reply(ask_capture(f, held, 300, false, "part"));
    const Payment *payment = must_reply(ask_cancel_payment(f, held, "rest"));

    assert_int_equal(payment->state, PAYMENT_STATE(SUCCEEDED));
    assert_int_equal(payment->amount_captured->minor_units, 300);
}

static void refuses_what_holds_nothing(void **state)
{
    struct rpc_fixture *f = *state;
    struct payer payer = given_payer(f, "tok_visa");

    const struct dues_answer *taken = ask_cancel_payment(f, given_payment(f, payer), "taken");
    const struct dues_answer *no_id = ask_cancel_payment(f, given_held(f, payer), "");

    assert_int_equal(taken->status, DUES_FAILED_PRECONDITION);
    assert_string_equal(taken->reason, "PAYMENT_NOT_CANCELABLE");
    assert_string_equal(no_id->reason, "REQUEST_ID_REQUIRED");
}

struct racer {
    struct rpc_fixture *f;
    const char *payment;
    bool cancels;
    const struct dues_answer *answer;
};

static void *race(void *arg)
{
    struct racer *racer = arg;

    racer->answer = racer->cancels
                        ? ask_cancel_payment(racer->f, racer->payment, "race-cancel")
                        : ask_capture(racer->f, racer->payment, 0, false, "race-capture");
    return NULL;
}

static void of_a_capture_and_a_cancellation_one_wins(void **state)
{
    struct rpc_fixture *f = *state;

    for (int i = 0; i < 5; i++) {
        struct payer payer = given_payer(f, "tok_visa");
        const char *held = given_held(f, payer);
        struct racer racers[2] = {{f, held, true, NULL}, {f, held, false, NULL}};

        rpc_race(race, racers, 2, sizeof(racers[0]));

        bool canceled = racers[0].answer->status == DUES_OK;
        const Payment *payment = payment_now(f, held);
        assert_int_not_equal(canceled, racers[1].answer->status == DUES_OK);
        assert_int_equal(payment->state,
                         canceled ? PAYMENT_STATE(CANCELED) : PAYMENT_STATE(SUCCEEDED));
    }
}

static const Payment *given_waiting(struct rpc_fixture *f, struct payer payer, int32_t mode)
{
    struct payment_wish wish = wish_of(payer, new_request_id(f));

    wish.capture_mode = mode;
    const Payment *payment = must_reply(ask_wished(f, &wish));
    assert_int_equal(payment->state, PAYMENT_STATE(REQUIRES_ACTION));
    return payment;
}

#define AUTOMATIC DUES__PAYMENT__V1__PAYMENT__CAPTURE_MODE__CAPTURE_MODE_AUTOMATIC
#define MANUAL    DUES__PAYMENT__V1__PAYMENT__CAPTURE_MODE__CAPTURE_MODE_MANUAL

static void ends_the_wait_for_the_customer(void **state)
{
    static const int32_t modes[] = {AUTOMATIC, MANUAL};
    struct rpc_fixture *f = *state;

    for (size_t i = 0; i < ARRAY_LENGTH(modes); i++) {
        struct payer payer = given_payer(f, "tok_authenticationRequired");
        struct payment_wish wish = wish_of(payer, "waits");
        wish.capture_mode = modes[i];
        const Payment *waiting = must_reply(ask_wished(f, &wish));

        const Payment *canceled = must_reply(ask_cancel_payment(f, waiting->name, "cancel"));
        const struct dues_answer *again = ask_cancel_payment(f, waiting->name, "cancel");
        const struct dues_answer *other = ask_cancel_payment(f, waiting->name, "other");
        const struct dues_answer *first = ask_wished(f, &wish);
        const Payment *confirmed = must_reply(ask_confirm(f, AS(SERVICE_BILLING), waiting->name));

        assert_int_equal(canceled->state, PAYMENT_STATE(CANCELED));
        assert_null(canceled->action);
        assert_null(canceled->decline);
        assert_true(is_replayed(again));
        assert_int_equal(again->reply_size, dues__payment__v1__payment__get_packed_size(canceled));
        assert_string_equal(other->reason, "PAYMENT_NOT_CANCELABLE");
        assert_true(is_replayed(first));
        assert_int_equal(((const Payment *)must_reply(first))->state, PAYMENT_STATE(CANCELED));
        assert_int_equal(confirmed->state, PAYMENT_STATE(CANCELED));
        assert_int_equal(charges_of(f, payer.customer), 0);
        assert_int_equal(number_of(f, payer.customer, "count(*) FROM dues.obligation"), 0);
        assert_int_equal(number_of(f, payer.customer, "count(*) FROM dues.payment_action"), 0);
        assert_int_equal(number_of(f, payer.customer, "count(*) FROM dues.ledger_entry"), 0);
        assert_int_equal(
            number_of(f, payer.customer,
                      "count(*) FILTER (WHERE type = 'payment.canceled') FROM dues.event"),
            1);
        assert_int_equal(
            number_of(f, payer.customer, "count(decline_times) FROM dues.payment_method"), 0);
    }
}

static void a_customer_who_was_faster_has_paid(void **state)
{
    struct rpc_fixture *f = *state;
    struct payer payer = given_payer(f, "tok_threeDSecureRequired");
    const Payment *waiting = given_waiting(f, payer, AUTOMATIC);

    const struct dues_answer *refused = ask_cancel_payment(f, waiting->name, "late");
    const struct dues_answer *again = ask_cancel_payment(f, waiting->name, "late");

    assert_int_equal(refused->status, DUES_FAILED_PRECONDITION);
    assert_string_equal(refused->reason, "PAYMENT_NOT_CANCELABLE");
    assert_string_equal(again->reason, "PAYMENT_NOT_CANCELABLE");
    assert_int_equal(payment_now(f, waiting->name)->state, PAYMENT_STATE(SUCCEEDED));
    assert_int_equal(charges_of(f, payer.customer), 1);
    assert_int_equal(number_of(f, payer.customer,
                               "count(*) FILTER (WHERE answer IS NULL) FROM dues.recorded_request"),
                     0);
}

static void what_a_faster_customer_had_held_is_let_go_of(void **state)
{
    struct rpc_fixture *f = *state;
    struct payer payer = given_payer(f, "tok_threeDSecureRequired");
    const Payment *waiting = given_waiting(f, payer, MANUAL);

    const Payment *canceled = must_reply(ask_cancel_payment(f, waiting->name, "held"));
    const struct dues_answer *again = ask_cancel_payment(f, waiting->name, "held");

    assert_int_equal(canceled->state, PAYMENT_STATE(CANCELED));
    assert_true(is_replayed(again));
    assert_int_equal(number_of(f, payer.customer, "count(*) FROM dues.obligation"), 0);
}

static void the_wait_for_a_membership_ends_with_the_membership(void **state)
{
    struct rpc_fixture *f = *state;
    struct payer payer = given_payer(f, "tok_authenticationRequired");

    must_reply(
        ask_membership(f, payer.customer, "plans/platinum-monthly", payer.card, new_request_id(f)));
    const char *payment = rpc_printf(f, "%s/payments/%s", payer.customer,
                                     db_text(f->db, db_printf(f->db,
                                                              "SELECT payment_id FROM dues.payment"
                                                              " WHERE customer_id = '%s'",
                                                              customer_id_of(f, payer.customer))));
    const struct dues_answer *refused = ask_cancel_payment(f, payment, "invoice");

    assert_string_equal(refused->reason, "PAYMENT_NOT_CANCELABLE");
    assert_int_equal(payment_now(f, payment)->state, PAYMENT_STATE(REQUIRES_ACTION));
}

static void *race_waiting(void *arg)
{
    struct racer *racer = arg;

    racer->answer = racer->cancels ? ask_cancel_payment(racer->f, racer->payment, "race")
                                   : ask_confirm(racer->f, AS(SERVICE_BILLING), racer->payment);
    return NULL;
}

static void of_a_confirmation_and_a_cancellation_one_is_true(void **state)
{
    static const char *const tokens[] = {"tok_authenticationRequired", "tok_threeDSecureRequired"};
    struct rpc_fixture *f = *state;

    for (size_t i = 0; i < 6; i++) {
        struct payer payer = given_payer(f, tokens[i % 2]);
        const char *waiting = given_waiting(f, payer, AUTOMATIC)->name;
        struct racer racers[3] = {
            {f, waiting, true, NULL}, {f, waiting, false, NULL}, {f, waiting, false, NULL}};

        rpc_race(race_waiting, racers, 3, sizeof(racers[0]));

        const struct dues_answer *end = ask_cancel_payment(f, waiting, "race");
        const Payment *payment = payment_now(f, waiting);
        bool is_paid = i % 2 == 1;
        assert_int_equal(payment->state,
                         is_paid ? PAYMENT_STATE(SUCCEEDED) : PAYMENT_STATE(CANCELED));
        assert_int_equal(end->status, is_paid ? DUES_FAILED_PRECONDITION : DUES_OK);
        assert_int_equal(racers[0].answer->status, end->status);
        assert_int_equal(charges_of(f, payer.customer), is_paid ? 1 : 0);
    }
}

static struct payer given_payer_on(struct rpc_fixture *f, const char *clock, const char *token)
{
    const char *customer = given_customer(f, clock);

    return (struct payer){customer, given_card(f, customer, token)};
}

static void an_authorization_ends_by_itself(void **state)
{
    struct rpc_fixture *f = *state;
    int64_t begin_us = time_of("2026-01-01T00:00:00Z");
    const char *clock = given_clock(f, begin_us);
    struct payer payer = given_payer_on(f, clock, "tok_visa");
    const char *untouched = given_held(f, payer);
    const char *part = given_held(f, payer);

    must_reply(ask_capture(f, part, 100, false, "part"));
    advance(f, clock, begin_us + 7 * US_PER_DAY - US_PER_SECOND);
    int before = (int)payment_now(f, untouched)->state;
    advance(f, clock, begin_us + 7 * US_PER_DAY);
    const Payment *ended = payment_now(f, untouched);

    assert_int_equal(before, PAYMENT_STATE(REQUIRES_CAPTURE));
    assert_int_equal(ended->state, PAYMENT_STATE(CANCELED));
    assert_int_equal(ended->update_time->seconds, (begin_us + 7 * US_PER_DAY) / US_PER_SECOND);
    assert_int_equal(payment_now(f, part)->state, PAYMENT_STATE(SUCCEEDED));
    assert_int_equal(number_of(f, payer.customer, "count(*) FROM dues.obligation"), 0);
}

static void an_authorization_ends_in_wall_time_too(void **state)
{
    struct rpc_fixture *f = *state;
    const char *held = given_held(f, given_payer(f, "tok_visa"));
    const Payment *payment = payment_now(f, held);

    fake_clock_advance(f->clock, 7 * US_PER_DAY + US_PER_SECOND);
    for (struct patience patience = {0};
         payment->state == PAYMENT_STATE(REQUIRES_CAPTURE) && patience_lasts(&patience);)
        payment = payment_now(f, held);

    assert_int_equal(payment->state, PAYMENT_STATE(CANCELED));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lets_go_of_what_is_held),
        cmocka_unit_test(what_was_captured_stays),
        cmocka_unit_test(refuses_what_holds_nothing),
        cmocka_unit_test(of_a_capture_and_a_cancellation_one_wins),
        cmocka_unit_test(ends_the_wait_for_the_customer),
        cmocka_unit_test(a_customer_who_was_faster_has_paid),
        cmocka_unit_test(what_a_faster_customer_had_held_is_let_go_of),
        cmocka_unit_test(the_wait_for_a_membership_ends_with_the_membership),
        cmocka_unit_test(of_a_confirmation_and_a_cancellation_one_is_true),
        cmocka_unit_test(an_authorization_ends_by_itself),
        cmocka_unit_test(an_authorization_ends_in_wall_time_too),
    };
    return cmocka_run_group_tests_name("CancelPayment", tests, members_setup, rpc_teardown);
}
