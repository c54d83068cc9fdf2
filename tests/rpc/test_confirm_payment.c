/*
 * ConfirmPayment: what the customer did, whoever asks; and customers who never come back.
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

static const Payment *given_waiting(struct rpc_fixture *f, struct payer payer)
{
    const Payment *payment = must_reply(ask_payment(f, payer, new_request_id(f)));

    assert_int_equal(payment->state, PAYMENT_STATE(REQUIRES_ACTION));
    return payment;
}

static struct payer given_payer_on(struct rpc_fixture *f, const char *clock, const char *token)
{
    const char *customer = given_customer(f, clock);

    return (struct payer){customer, given_card(f, customer, token)};
}

static void takes_the_money_when_the_customer_has_authenticated(void **state)
{
    struct rpc_fixture *f = *state;
    struct payer payer = given_payer(f, "tok_threeDSecureInApp");
    const Payment *waiting = must_reply(ask_payment(f, payer, "three-d"));
    const Payment *read = payment_now(f, waiting->name);

    const Payment *paid = must_reply(ask_confirm(f, AS(SERVICE_BILLING), waiting->name));
    const Payment *again = must_reply(ask_confirm(f, AS(SERVICE_BILLING), waiting->name));
    const struct dues_answer *repeat = ask_payment(f, payer, "three-d");

    assert_int_equal(waiting->action->kind, DUES__PAYMENT__V1__PAYMENT_ACTION__KIND__KIND_SDK);
    assert_true(strlen(waiting->action->client_secret) > 0);
    assert_string_equal(read->action->client_secret, waiting->action->client_secret);
    assert_int_equal(read->action->expire_time->seconds, waiting->create_time->seconds + 86400);
    assert_int_equal(paid->state, PAYMENT_STATE(SUCCEEDED));
    assert_int_equal(paid->amount_captured->minor_units, 999);
    assert_null(paid->action);
    assert_null(paid->decline);
    assert_int_equal(again->state, PAYMENT_STATE(SUCCEEDED));
    assert_true(is_replayed(repeat));
    assert_int_equal(((const Payment *)must_reply(repeat))->state, PAYMENT_STATE(SUCCEEDED));
    assert_int_equal(charges_of(f, payer.customer), 1);
    assert_int_equal(number_of(f, payer.customer, "count(*) FROM dues.payment_action"), 0);
    assert_int_equal(number_of(f, payer.customer, "count(*) FROM dues.obligation"), 0);
}

static void keeps_no_secret_in_the_open(void **state)
{
    struct rpc_fixture *f = *state;
    struct payer payer = given_payer(f, "tok_threeDSecureInApp");
    const Payment *waiting = must_reply(ask_payment(f, payer, new_request_id(f)));

    assert_int_equal(number_of(f, payer.customer,
                               rpc_printf(f,
                                          "count(*) FILTER (WHERE position('%s'::bytea IN"
                                          " action_sealed) > 0) FROM dues.payment_action",
                                          waiting->action->client_secret)),
                     0);
    assert_int_equal(number_of(f, payer.customer, "count(answer) FROM dues.recorded_request"), 0);
}

static void a_repeat_shows_how_it_stands_until_it_is_over(void **state)
{
    struct rpc_fixture *f = *state;
    struct payer payer = given_payer(f, "tok_authenticationRequired");

    const Payment *first = must_reply(ask_payment(f, payer, "stands"));
    const struct dues_answer *repeat = ask_payment(f, payer, "stands");
    const Payment *second = must_reply(repeat);

    assert_false(is_replayed(repeat));
    assert_string_equal(second->name, first->name);
    assert_string_equal(second->action->redirect_url, first->action->redirect_url);
    assert_int_equal(number_of(f, payer.customer, "count(*) FROM dues.payment"), 1);
}

static void authorizes_when_that_is_what_was_asked(void **state)
{
    struct rpc_fixture *f = *state;
    struct payer payer = given_payer(f, "tok_threeDSecureRequired");
    struct payment_wish wish = wish_of(payer, "manual");

    wish.capture_mode = DUES__PAYMENT__V1__PAYMENT__CAPTURE_MODE__CAPTURE_MODE_MANUAL;
    const Payment *waiting = must_reply(ask_wished(f, &wish));
    const Payment *held = must_reply(ask_confirm(f, AS(SERVICE_BILLING), waiting->name));
    const Payment *paid = must_reply(ask_capture(f, held->name, 0, false, "capture"));

    assert_int_equal(waiting->state, PAYMENT_STATE(REQUIRES_ACTION));
    assert_int_equal(held->state, PAYMENT_STATE(REQUIRES_CAPTURE));
    assert_int_equal(held->amount_capturable->minor_units, 999);
    assert_int_equal(paid->state, PAYMENT_STATE(SUCCEEDED));
}

static void tells_that_the_bank_declined_after_all(void **state)
{
    struct rpc_fixture *f = *state;
    struct payer payer = given_payer(f, "tok_authenticationThenInsufficientFunds");
    const Payment *waiting = given_waiting(f, payer);

    const Payment *failed = must_reply(ask_confirm(f, AS(SERVICE_BILLING), waiting->name));

    assert_int_equal(failed->state, PAYMENT_STATE(FAILED));
    assert_string_equal(failed->decline->code, "insufficient_funds");
    assert_int_equal(charges_of(f, payer.customer), 0);
}

static void a_customer_who_has_not_done_it_may_still_do_it(void **state)
{
    struct rpc_fixture *f = *state;
    const Payment *waiting = given_waiting(f, given_payer(f, "tok_authenticationRequired"));

    const Payment *still = must_reply(ask_confirm(f, AS(SERVICE_BILLING), waiting->name));
    const Payment *again = must_reply(ask_confirm(f, AS(SERVICE_BILLING), waiting->name));

    assert_int_equal(still->state, PAYMENT_STATE(REQUIRES_ACTION));
    assert_string_equal(still->action->redirect_url, waiting->action->redirect_url);
    assert_int_equal(again->state, PAYMENT_STATE(REQUIRES_ACTION));
}

/* Somebody has taken the attempt over and asks, until `until` at most. */
static void given_somebody_who_asks(struct rpc_fixture *f, const char *payment, const char *until)
{
    db_execute(f->db, db_printf(f->db,
                                "UPDATE dues.attempt SET state = 'RESOLVING', epoch = epoch + 1,"
                                " lease_until = %s WHERE payment_id = '%s'",
                                until, strrchr(payment, '/') + 1));
}

static void what_somebody_asked_before_is_not_what_is_told(void **state)
{
    struct rpc_fixture *f = *state;
    struct payer payer = given_payer(f, "tok_threeDSecureRequired");
    const Payment *waiting = given_waiting(f, payer);

    given_somebody_who_asks(f, waiting->name, "clock_timestamp() + interval '700 ms'");
    const Payment *paid = must_reply(ask_confirm(f, AS(SERVICE_BILLING), waiting->name));

    assert_int_equal(paid->state, PAYMENT_STATE(SUCCEEDED));
    assert_int_equal(charges_of(f, payer.customer), 1);
}

static void says_that_it_does_not_know_while_somebody_asks(void **state)
{
    struct rpc_fixture *f = *state;
    const Payment *waiting = given_waiting(f, given_payer(f, "tok_threeDSecureRequired"));

    given_somebody_who_asks(f, waiting->name, "clock_timestamp() + interval '1 hour'");
    const struct dues_answer *refused = ask_confirm(f, AS(SERVICE_BILLING), waiting->name);

    assert_int_equal(refused->status, DUES_ABORTED);
    assert_string_equal(refused->reason, "CONFIRMATION_IN_PROGRESS");
    assert_true(refused->retry_after_ms > 0);
}

/* A gateway that is not configured says nothing. */
static void give_gateway(struct rpc_fixture *f, const char *payment, const char *gateway)
{
    db_execute(f->db,
               db_printf(f->db, "UPDATE dues.attempt SET gateway = '%s' WHERE payment_id = '%s'",
                         gateway, strrchr(payment, '/') + 1));
}

static void says_that_it_does_not_know_when_the_gateway_does_not_say(void **state)
{
    struct rpc_fixture *f = *state;
    const Payment *waiting = given_waiting(f, given_payer(f, "tok_threeDSecureRequired"));

    give_gateway(f, waiting->name, "elsewhere");
    const struct dues_answer *refused = ask_confirm(f, AS(SERVICE_BILLING), waiting->name);
    int32_t meanwhile = (int32_t)payment_now(f, waiting->name)->state;
    give_gateway(f, waiting->name, "sandbox");
    const Payment *paid = must_reply(ask_confirm(f, AS(SERVICE_BILLING), waiting->name));

    assert_int_equal(refused->status, DUES_ABORTED);
    assert_string_equal(refused->reason, "CONFIRMATION_IN_PROGRESS");
    assert_int_equal(meanwhile, PAYMENT_STATE(REQUIRES_ACTION));
    assert_int_equal(paid->state, PAYMENT_STATE(SUCCEEDED));
}

/* All at once: each hears what was asked after it came, whoever asked. */
struct asker {
    struct rpc_fixture *f;
    const char *payment;
    const struct dues_answer *answer;
};

static void *confirm(void *arg)
{
    struct asker *asker = arg;

    do
        asker->answer = ask_confirm(asker->f, AS(SERVICE_BILLING), asker->payment);
    while (asker->answer->status == DUES_ABORTED);
    return NULL;
}

static void many_who_ask_at_once_hear_the_same(void **state)
{
    static const struct {
        const char *token;
        int32_t state;
    } stories[] = {
        {"tok_threeDSecureRequired", PAYMENT_STATE(SUCCEEDED)},
        {"tok_authenticationRequired", PAYMENT_STATE(REQUIRES_ACTION)},
    };
    struct rpc_fixture *f = *state;

    for (size_t i = 0; i < ARRAY_LENGTH(stories); i++) {
        const Payment *waiting = given_waiting(f, given_payer(f, stories[i].token));
        struct asker askers[8];
        for (size_t k = 0; k < ARRAY_LENGTH(askers); k++)
            askers[k] = (struct asker){f, waiting->name, NULL};

        rpc_race(confirm, askers, ARRAY_LENGTH(askers), sizeof askers[0]);

        for (size_t k = 0; k < ARRAY_LENGTH(askers); k++) {
            const Payment *told = must_reply(askers[k].answer);
            assert_int_equal(told->state, stories[i].state);
        }
    }
}

static void answers_any_other_payment_as_it_stands(void **state)
{
    struct rpc_fixture *f = *state;
    struct payer payer = given_payer(f, "tok_visa");
    const char *absent =
        rpc_printf(f, "%s/payments/%s", payer.customer, db_uuid_text(f->db, db_uuid(f->db)));

    const Payment *paid = must_reply(ask_confirm(f, AS(SERVICE_BILLING), given_payment(f, payer)));
    const struct dues_answer *nothing = ask_confirm(f, AS(SERVICE_BILLING), absent);
    const struct dues_answer *wrong = ask_confirm(f, AS(SERVICE_BILLING), "payments/1");

    assert_int_equal(paid->state, PAYMENT_STATE(SUCCEEDED));
    assert_string_equal(nothing->reason, "PAYMENT_NOT_FOUND");
    assert_true(answer_names(wrong, "name"));
}

static void a_user_confirms_its_own_and_no_other(void **state)
{
    struct rpc_fixture *f = *state;
    struct rpc_world *world = world_new(f);
    struct payer payer = {world->owner.customer,
                          given_card(f, world->owner.customer, "tok_threeDSecureRequired")};
    const Payment *waiting = given_waiting(f, payer);
    const Payment *foreign = given_waiting(f, given_payer(f, "tok_threeDSecureRequired"));

    const struct dues_answer *refused = ask_confirm(f, user_of(world), foreign->name);
    const Payment *paid = must_reply(ask_confirm(f, user_of(world), waiting->name));

    assert_string_equal(refused->reason, "PAYMENT_NOT_FOUND");
    assert_int_equal(payment_now(f, foreign->name)->state, PAYMENT_STATE(REQUIRES_ACTION));
    assert_int_equal(paid->state, PAYMENT_STATE(SUCCEEDED));
    world_free(world);
}

static void it_is_found_out_when_the_app_never_comes_back(void **state)
{
    struct rpc_fixture *f = *state;
    int64_t begin_us = time_of("2026-01-01T00:00:00Z");
    const char *clock = given_clock(f, begin_us);
    const Payment *done = given_waiting(f, given_payer_on(f, clock, "tok_threeDSecureRequired"));
    const Payment *never = given_waiting(f, given_payer_on(f, clock, "tok_authenticationRequired"));

    advance(f, clock, begin_us + US_PER_HOUR);
    int done_state = (int)payment_now(f, done->name)->state;
    int never_state = (int)payment_now(f, never->name)->state;
    advance(f, clock, begin_us + 25 * US_PER_HOUR);
    const Payment *failed = payment_now(f, never->name);

    assert_int_equal(done_state, PAYMENT_STATE(SUCCEEDED));
    assert_int_equal(never_state, PAYMENT_STATE(REQUIRES_ACTION));
    assert_int_equal(failed->state, PAYMENT_STATE(FAILED));
    assert_string_equal(failed->decline->code, "authentication_not_handled");
    assert_int_equal(failed->update_time->seconds, begin_us / US_PER_SECOND + 86400);
    assert_int_equal(number_of(f, never->name, "count(*) FROM dues.obligation"), 0);
}

static void a_membership_begins_when_its_payment_is_confirmed(void **state)
{
    struct rpc_fixture *f = *state;
    struct payer payer = given_payer(f, "tok_threeDSecureRequired");

    const Membership *waiting = must_reply(
        ask_membership(f, payer.customer, "plans/platinum-monthly", payer.card, new_request_id(f)));
    const char *payment = rpc_printf(f, "%s/payments/%s", payer.customer,
                                     db_text(f->db, db_printf(f->db,
                                                              "SELECT payment_id FROM dues.payment"
                                                              " WHERE customer_id = '%s'",
                                                              customer_id_of(f, payer.customer))));
    const Payment *paid = must_reply(ask_confirm(f, AS(SERVICE_BILLING), payment));
    const Membership *member = membership_now(f, waiting->name);

    assert_int_equal(waiting->state, DUES__MEMBERSHIP__V1__MEMBERSHIP__STATE__STATE_INCOMPLETE);
    assert_string_equal(waiting->last_decline->code, "authentication_required");
    assert_int_equal(paid->state, PAYMENT_STATE(SUCCEEDED));
    assert_int_equal(member->state, DUES__MEMBERSHIP__V1__MEMBERSHIP__STATE__STATE_ACTIVE);
    assert_null(member->last_decline);
    assert_int_equal(number_of(f, payer.customer, "sum(amount) FROM dues.ledger_entry"), 0);
    assert_string_equal(db_text(f->db, db_printf(f->db,
                                                 "SELECT state FROM dues.invoice"
                                                 " WHERE customer_id = '%s'",
                                                 customer_id_of(f, payer.customer))),
                        "PAID");
}

static void nobody_pays_for_a_membership_that_was_given_up(void **state)
{
    struct rpc_fixture *f = *state;
    int64_t begin_us = time_of("2026-01-01T00:00:00Z");
    const char *clock = given_clock(f, begin_us);
    struct payer payer = given_payer_on(f, clock, "tok_authenticationRequired");

    const Membership *waiting = must_reply(
        ask_membership(f, payer.customer, "plans/platinum-monthly", payer.card, new_request_id(f)));
    advance(f, clock, begin_us + 24 * US_PER_HOUR);

    assert_int_equal(membership_now(f, waiting->name)->state,
                     DUES__MEMBERSHIP__V1__MEMBERSHIP__STATE__STATE_EXPIRED);
    assert_string_equal(db_text(f->db, db_printf(f->db,
                                                 "SELECT state FROM dues.payment"
                                                 " WHERE customer_id = '%s'",
                                                 customer_id_of(f, payer.customer))),
                        "FAILED");
    assert_int_equal(charges_of(f, payer.customer), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_the_money_when_the_customer_has_authenticated),
        cmocka_unit_test(keeps_no_secret_in_the_open),
        cmocka_unit_test(a_repeat_shows_how_it_stands_until_it_is_over),
        cmocka_unit_test(authorizes_when_that_is_what_was_asked),
        cmocka_unit_test(tells_that_the_bank_declined_after_all),
        cmocka_unit_test(a_customer_who_has_not_done_it_may_still_do_it),
        cmocka_unit_test(what_somebody_asked_before_is_not_what_is_told),
        cmocka_unit_test(says_that_it_does_not_know_while_somebody_asks),
        cmocka_unit_test(says_that_it_does_not_know_when_the_gateway_does_not_say),
        cmocka_unit_test(many_who_ask_at_once_hear_the_same),
        cmocka_unit_test(answers_any_other_payment_as_it_stands),
        cmocka_unit_test(a_user_confirms_its_own_and_no_other),
        cmocka_unit_test(it_is_found_out_when_the_app_never_comes_back),
        cmocka_unit_test(a_membership_begins_when_its_payment_is_confirmed),
        cmocka_unit_test(nobody_pays_for_a_membership_that_was_given_up),
    };
    return cmocka_run_group_tests_name("ConfirmPayment", tests, members_setup, rpc_teardown);
}
