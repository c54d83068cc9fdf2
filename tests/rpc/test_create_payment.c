/*
 * CreatePayment: once, and the truth about it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>
#include <pthread.h>

#include "base/text.h"
#include "support/rpc_auth.h"
#include "support/rpc_payment.h"

static int64_t payment_count(struct rpc_fixture *f, const char *customer)
{
    return db_count(f->db, db_printf(f->db, "dues.payment WHERE customer_id = '%s'",
                                     customer_id_of(f, customer)));
}

static void charges_a_good_card(void **state)
{
    struct rpc_fixture *f = *state;
    struct payer payer = given_payer(f, "tok_visa");
    struct payment_wish wish = wish_of(payer, new_request_id(f));

    wish.description = "Socks, wool";
    const Payment *payment = must_reply(ask_wished(f, &wish));

    assert_true(text_starts_with(payment->name, rpc_printf(f, "%s/payments/", payer.customer)));
    assert_int_equal(payment->state, PAYMENT_STATE(SUCCEEDED));
    assert_string_equal(payment->amount->currency_code, "USD");
    assert_int_equal(payment->amount->minor_units, 999);
    assert_int_equal(payment->amount_captured->minor_units, 999);
    assert_int_equal(payment->amount_refunded->minor_units, 0);
    assert_string_equal(payment->payment_method, payer.card);
    assert_string_equal(payment->description, "Socks, wool");
    assert_string_equal(payment->invoice, "");
    assert_int_equal(payment->capture_mode,
                     DUES__PAYMENT__V1__PAYMENT__CAPTURE_MODE__CAPTURE_MODE_AUTOMATIC);
    assert_null(payment->decline);
    assert_int_equal(charges_of(f, payer.customer), 1);
}

static void a_user_pays_as_me(void **state)
{
    struct rpc_fixture *f = *state;
    struct rpc_world *world = world_new(f);
    struct payer payer = {world->owner.customer, given_card(f, world->owner.customer, "tok_visa")};
    struct payment_wish wish = wish_of(payer, "user-1");

    wish.as = user_of(world);
    wish.parent = "customers/me";
    const Payment *payment = must_reply(ask_wished(f, &wish));

    assert_int_equal(payment->state, PAYMENT_STATE(SUCCEEDED));
    assert_true(text_starts_with(payment->name, world->owner.customer));
    world_free(world);
}

static struct rpc_as logged_in_on(struct rpc_fixture *f, const struct rpc_user *user,
                                  struct enrolled_device device)
{
    struct rpc_as as = {.client = device.client};
    const SessionAnswer *session = must_reply(ask_log_in(f, as, user->email, user->password, NULL));

    as.token = session->access_token;
    return as;
}

static void a_users_new_device_repeats_the_request_of_the_old(void **state)
{
    struct rpc_fixture *f = *state;
    struct rpc_user user = rpc_given_user(f);
    struct enrolled_device old = given_device(f, &user);
    struct enrolled_device new = given_device(f, &user);
    struct payer payer = {user.customer, given_card(f, user.customer, "tok_visa")};
    struct payment_wish wish = wish_of(payer, "one-payment");

    wish.as = logged_in_on(f, &user, old);
    const struct dues_answer *first = ask_wished(f, &wish);
    wish.as = logged_in_on(f, &user, new);
    const struct dues_answer *again = ask_wished(f, &wish);
    dues_client_close(old.client);
    dues_client_close(new.client);

    assert_replay(first, again);
    assert_int_equal(charges_of(f, user.customer), 1);
}

static void one_request_id_for_two_customers_is_two_payments(void **state)
{
    struct rpc_fixture *f = *state;
    struct payer one = given_payer(f, "tok_visa");
    struct payer other = given_payer(f, "tok_visa");
    const char *request_id = new_request_id(f);

    const Payment *first = must_reply(ask_payment(f, one, request_id));
    const Payment *second = must_reply(ask_payment(f, other, request_id));

    assert_string_not_equal(first->name, second->name);
    assert_int_equal(charges_of(f, one.customer), 1);
    assert_int_equal(charges_of(f, other.customer), 1);
}

static void a_decline_is_an_answer_and_says_who_must_act(void **state)
{
    struct rpc_fixture *f = *state;
    struct payer payer = given_payer(f, "tok_chargeDeclinedInsufficientFunds");

    const Payment *payment = must_reply(ask_payment(f, payer, new_request_id(f)));

    assert_int_equal(payment->state, PAYMENT_STATE(FAILED));
    assert_string_equal(payment->decline->code, "insufficient_funds");
    assert_int_equal(payment->decline->decline_class,
                     DUES__PAYMENT__V1__DECLINE__DECLINE_CLASS__DECLINE_CLASS_RETRY_LATER);
    assert_int_equal(payment->decline->actor, DUES__PAYMENT__V1__DECLINE__ACTOR__ACTOR_CUSTOMER);
    assert_true(strlen(payment->decline->customer_message) > 10);
    assert_int_equal(payment->amount_captured->minor_units, 0);
    assert_int_equal(charges_of(f, payer.customer), 0);
}

static void asks_for_authentication(void **state)
{
    struct rpc_fixture *f = *state;
    struct payer payer = given_payer(f, "tok_authenticationRequired");

    const Payment *payment = must_reply(ask_payment(f, payer, new_request_id(f)));

    assert_int_equal(payment->state, PAYMENT_STATE(REQUIRES_ACTION));
    assert_string_equal(payment->decline->code, "authentication_required");
    assert_int_equal(payment->action->kind, DUES__PAYMENT__V1__PAYMENT_ACTION__KIND__KIND_REDIRECT);
    assert_true(text_starts_with(payment->action->redirect_url, "https://"));
    assert_int_equal(charges_of(f, payer.customer), 0);
}

static void refuses_wrong_fields_all_at_once(void **state)
{
    struct rpc_fixture *f = *state;
    struct payer payer = given_payer(f, "tok_visa");
    struct payment_wish wish = wish_of(payer, new_request_id(f));

    wish.parent = "customers/nobody";
    wish.currency = "XXY";
    wish.minor_units = 0;
    wish.payment_method = "visa";
    const struct dues_answer *answer = ask_wished(f, &wish);

    assert_int_equal(answer->status, DUES_INVALID_ARGUMENT);
    assert_string_equal(answer->reason, "INVALID_FIELD");
    assert_true(answer_names(answer, "parent"));
    assert_true(answer_names(answer, "payment.amount.currency_code"));
    assert_true(answer_names(answer, "payment.amount.minor_units"));
    assert_true(answer_names(answer, "payment.payment_method"));
    assert_int_equal(payment_count(f, payer.customer), 0);
}

static void needs_a_request_id(void **state)
{
    struct rpc_fixture *f = *state;
    struct payer payer = given_payer(f, "tok_visa");

    const struct dues_answer *answer = ask_payment(f, payer, "");

    assert_int_equal(answer->status, DUES_INVALID_ARGUMENT);
    assert_string_equal(answer->reason, "REQUEST_ID_REQUIRED");
    assert_int_equal(payment_count(f, payer.customer), 0);
}

static void only_authorizes_with_manual_capture(void **state)
{
    struct rpc_fixture *f = *state;
    struct payer payer = given_payer(f, "tok_visa");
    struct payment_wish wish = wish_of(payer, new_request_id(f));

    wish.capture_mode = DUES__PAYMENT__V1__PAYMENT__CAPTURE_MODE__CAPTURE_MODE_MANUAL;
    const Payment *payment = must_reply(ask_wished(f, &wish));

    assert_int_equal(payment->state, PAYMENT_STATE(REQUIRES_CAPTURE));
    assert_int_equal(payment->capture_mode,
                     DUES__PAYMENT__V1__PAYMENT__CAPTURE_MODE__CAPTURE_MODE_MANUAL);
    assert_int_equal(payment->amount_captured->minor_units, 0);
    assert_int_equal(payment->amount_capturable->minor_units, 999);
    assert_int_equal(payment->authorization_expire_time->seconds - payment->create_time->seconds,
                     7 * 86400);
    assert_int_equal(charges_of(f, payer.customer), 0);
}

static void finds_nothing_of_somebody_else(void **state)
{
    struct rpc_fixture *f = *state;
    struct rpc_world *world = world_new(f);
    struct payer other = given_payer(f, "tok_visa");
    struct payment_wish foreign_customer = wish_of(other, new_request_id(f));
    struct payment_wish foreign_card = wish_of(other, new_request_id(f));

    foreign_customer.as = user_of(world);
    foreign_card.as = user_of(world);
    foreign_card.parent = world->owner.customer;
    const struct dues_answer *customer = ask_wished(f, &foreign_customer);
    const struct dues_answer *card = ask_wished(f, &foreign_card);

    assert_int_equal(customer->status, DUES_NOT_FOUND);
    assert_string_equal(customer->reason, "CUSTOMER_NOT_FOUND");
    assert_int_equal(card->status, DUES_NOT_FOUND);
    assert_string_equal(card->reason, "PAYMENT_METHOD_NOT_FOUND");
    assert_int_equal(charges_of(f, other.customer), 0);
    world_free(world);
}

static void refuses_an_unusable_card(void **state)
{
    struct rpc_fixture *f = *state;
    struct payer payer = given_payer(f, "tok_chargeDeclinedStolenCard");

    const Payment *first = must_reply(ask_payment(f, payer, new_request_id(f)));
    const struct dues_answer *second = ask_payment(f, payer, new_request_id(f));

    assert_int_equal(first->state, PAYMENT_STATE(FAILED));
    assert_int_equal(second->status, DUES_FAILED_PRECONDITION);
    assert_string_equal(second->reason, "PAYMENT_METHOD_UNUSABLE");
}

static void answers_a_repeat_byte_for_byte_also_after_a_restart(void **state)
{
    struct rpc_fixture *f = *state;
    struct payer payer = given_payer(f, "tok_visa");
    struct payment_wish other = wish_of(payer, "pay-1");

    other.minor_units = 998;
    const struct dues_answer *first = ask_payment(f, payer, "pay-1");
    const struct dues_answer *second = ask_payment(f, payer, "pay-1");
    rpc_restart(f);
    const struct dues_answer *third = ask_payment(f, payer, "pay-1");
    const struct dues_answer *reused = ask_wished(f, &other);

    assert_false(is_replayed(first));
    assert_true(is_replayed(second));
    assert_true(is_replayed(third));
    assert_int_equal(second->reply_size, first->reply_size);
    assert_memory_equal(second->reply_bytes, first->reply_bytes, first->reply_size);
    assert_int_equal(third->reply_size, first->reply_size);
    assert_memory_equal(third->reply_bytes, first->reply_bytes, first->reply_size);
    assert_int_equal(reused->status, DUES_INVALID_ARGUMENT);
    assert_string_equal(reused->reason, "REQUEST_ID_REUSED");
    assert_int_equal(charges_of(f, payer.customer), 1);
}

struct racer {
    struct rpc_fixture *f;
    struct payer payer;
    const struct dues_answer *answer;
};

static void *race(void *arg)
{
    struct racer *racer = arg;

    racer->answer = ask_payment(racer->f, racer->payer, "race-1");
    return NULL;
}

static void two_at_once_charge_once(void **state)
{
    struct rpc_fixture *f = *state;
    struct payer payer = given_payer(f, "tok_visa");
    struct racer racers[2] = {{f, payer, NULL}, {f, payer, NULL}};

    rpc_race(race, racers, 2, sizeof(racers[0]));

    const struct dues_answer *a = racers[0].answer;
    const struct dues_answer *b = racers[1].answer;
    assert_true(a->status == DUES_OK || b->status == DUES_OK);
    if (a->status == DUES_OK && b->status == DUES_OK)
        assert_memory_equal(a->reply_bytes, b->reply_bytes, a->reply_size);
    else
        assert_string_equal(a->status == DUES_OK ? b->reason : a->reason, "REQUEST_IN_PROGRESS");
    assert_int_equal(charges_of(f, payer.customer), 1);
    assert_int_equal(payment_count(f, payer.customer), 1);
}

/* The resolver runs by itself once the clock has moved on; gives up after a minute. */
static const Payment *payment_when_resolved(struct rpc_fixture *f, const char *name)
{
    const Payment *payment = NULL;

    for (int tries = 0; tries < 600; tries++) {
        fake_clock_advance(f->clock, 10000000);
        payment = must_reply(ask_payment_by_name(f, AS(SERVICE_BILLING), "GetPayment", name));
        if (payment->state != PAYMENT_STATE(PROCESSING))
            break;
        usleep(100000);
    }
    return payment;
}

static void finds_out_what_the_gateway_did_when_its_answer_is_lost(void **state)
{
    struct rpc_fixture *f = *state;
    static const char *const tokens[] = {"tok_timeoutAfterSuccess", "tok_timeoutBeforeSuccess"};

    for (size_t i = 0; i < ARRAY_LENGTH(tokens); i++) {
        struct payer payer = given_payer(f, tokens[i]);
        const char *request_id = new_request_id(f);
        resolver_rests(f);

        const Payment *first = must_reply(ask_payment(f, payer, request_id));
        const Payment *meanwhile = must_reply(ask_payment(f, payer, request_id));
        const Payment *resolved = payment_when_resolved(f, first->name);
        const struct dues_answer *second = ask_payment(f, payer, request_id);
        const struct dues_answer *third = ask_payment(f, payer, request_id);

        assert_int_equal(first->state, PAYMENT_STATE(PROCESSING));
        assert_string_equal(meanwhile->name, first->name);
        assert_int_equal(resolved->state, PAYMENT_STATE(SUCCEEDED));
        assert_true(is_replayed(second));
        assert_int_equal(second->reply_size, third->reply_size);
        assert_memory_equal(second->reply_bytes, third->reply_bytes, second->reply_size);
        assert_int_equal(charges_of(f, payer.customer), 1);
        assert_int_equal(payment_count(f, payer.customer), 1);
    }
}

struct repeat {
    struct rpc_fixture *f;
    struct payer payer;
    const char *request_id;
    const struct dues_answer *answer;
};

static void *ask_again(void *arg)
{
    struct repeat *repeat = arg;

    repeat->answer = ask_payment(repeat->f, repeat->payer, repeat->request_id);
    return NULL;
}

static void a_repeat_that_meets_the_settlement_gets_the_recorded_answer(void **state)
{
    struct rpc_fixture *f = *state;
    struct repeat repeat = {.f = f,
                            .payer = given_payer(f, "tok_timeoutAfterSuccess"),
                            .request_id = new_request_id(f)};
    const char *id = customer_id_of(f, repeat.payer.customer);
    resolver_rests(f);
    must_reply(ask_payment(f, repeat.payer, repeat.request_id));

    meet_settlement(f, "payment", id, ask_again, &repeat);

    assert_true(is_replayed(repeat.answer));
    assert_string_equal(((const Payment *)must_reply(repeat.answer))->name, "x");
}

static void goes_on_when_the_client_has_gone(void **state)
{
    struct rpc_fixture *f = *state;
    struct payer payer = given_payer(f, "tok_timeoutAfterSuccess");
    struct payment_wish wish = wish_of(payer, "gone-1");

    resolver_rests(f);
    wish.as.deadline_ms = 100;
    const struct dues_answer *gone = ask_wished(f, &wish);
    const Payment *payment = NULL;
    for (int tries = 0; tries < 600 && payment == NULL; tries++) {
        const struct dues_answer *again = ask_payment(f, payer, "gone-1");
        if (again->status == DUES_OK)
            payment = must_reply(again);
        usleep(50000);
    }
    assert_non_null(payment);
    const Payment *resolved = payment_when_resolved(f, payment->name);

    assert_int_equal(gone->status, DUES_DEADLINE_EXCEEDED);
    assert_int_equal(resolved->state, PAYMENT_STATE(SUCCEEDED));
    assert_int_equal(charges_of(f, payer.customer), 1);
    assert_int_equal(payment_count(f, payer.customer), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(charges_a_good_card),
        cmocka_unit_test(a_user_pays_as_me),
        cmocka_unit_test(a_users_new_device_repeats_the_request_of_the_old),
        cmocka_unit_test(one_request_id_for_two_customers_is_two_payments),
        cmocka_unit_test(a_decline_is_an_answer_and_says_who_must_act),
        cmocka_unit_test(asks_for_authentication),
        cmocka_unit_test(refuses_wrong_fields_all_at_once),
        cmocka_unit_test(needs_a_request_id),
        cmocka_unit_test(only_authorizes_with_manual_capture),
        cmocka_unit_test(finds_nothing_of_somebody_else),
        cmocka_unit_test(refuses_an_unusable_card),
        cmocka_unit_test(answers_a_repeat_byte_for_byte_also_after_a_restart),
        cmocka_unit_test(two_at_once_charge_once),
        cmocka_unit_test(finds_out_what_the_gateway_did_when_its_answer_is_lost),
        cmocka_unit_test(a_repeat_that_meets_the_settlement_gets_the_recorded_answer),
        cmocka_unit_test(goes_on_when_the_client_has_gone),
    };
    return cmocka_run_group_tests_name("CreatePayment", tests, members_setup, rpc_teardown);
}
