/*
 * CreateRefund: at most what was captured, and each once.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>
#include <pthread.h>

#include "base/text.h"
#include "base/time.h"
#include "support/patience.h"
#include "support/rpc_payment.h"

static int64_t refund_count(struct rpc_fixture *f, const char *payment)
{
    return db_count(f->db, db_printf(f->db, "dues.refund WHERE payment_id = '%s'",
                                     strstr(payment, "/payments/") + strlen("/payments/")));
}

static void returns_a_part_and_then_all_that_is_left(void **state)
{
    struct rpc_fixture *f = *state;
    const char *payment = given_payment(f, given_payer(f, "tok_visa"));

    const Refund *part = must_reply(ask_refund(f, payment, 300, "part"));
    const Refund *rest = must_reply(ask_refund(f, payment, 0, "rest"));
    const Payment *after =
        must_reply(ask_payment_by_name(f, AS(OPERATOR_DEMO), "GetPayment", payment));

    assert_true(text_starts_with(part->name, rpc_printf(f, "%s/refunds/", payment)));
    assert_int_equal(part->state, REFUND_STATE(SUCCEEDED));
    assert_int_equal(part->amount->minor_units, 300);
    assert_int_equal(part->reason, DUES__PAYMENT__V1__REFUND__REASON__REASON_REQUESTED_BY_CUSTOMER);
    assert_int_equal(rest->amount->minor_units, 699);
    assert_int_equal(after->amount_refunded->minor_units, 999);
    assert_int_equal(after->state, PAYMENT_STATE(SUCCEEDED));
}

static void refuses_wrong_fields(void **state)
{
    struct rpc_fixture *f = *state;
    const char *payment = given_payment(f, given_payer(f, "tok_visa"));

    const struct dues_answer *parent = ask_refund(f, "customers/me", 1, "wrong-1");
    const struct dues_answer *amount = ask_refund(f, payment, -1, "wrong-2");
    const struct dues_answer *no_id = ask_refund(f, payment, 1, "");

    assert_true(answer_names(parent, "parent"));
    assert_true(answer_names(amount, "refund.amount.minor_units"));
    assert_string_equal(no_id->reason, "REQUEST_ID_REQUIRED");
    assert_int_equal(refund_count(f, payment), 0);
}

static void finds_no_payment_that_does_not_exist(void **state)
{
    struct rpc_fixture *f = *state;
    const char *absent =
        rpc_printf(f, "%s/payments/%s", given_customer(f, ""), db_uuid_text(f->db, db_uuid(f->db)));

    const struct dues_answer *answer = ask_refund(f, absent, 1, new_request_id(f));

    assert_int_equal(answer->status, DUES_NOT_FOUND);
    assert_string_equal(answer->reason, "PAYMENT_NOT_FOUND");
}

static void refuses_a_payment_that_took_nothing(void **state)
{
    struct rpc_fixture *f = *state;
    const Payment *declined =
        must_reply(ask_payment(f, given_payer(f, "tok_chargeDeclined"), new_request_id(f)));

    const struct dues_answer *answer = ask_refund(f, declined->name, 1, new_request_id(f));

    assert_int_equal(answer->status, DUES_FAILED_PRECONDITION);
    assert_string_equal(answer->reason, "PAYMENT_NOT_REFUNDABLE");
}

static void refuses_another_currency(void **state)
{
    struct rpc_fixture *f = *state;
    struct payment_wish wish = wish_of(given_payer(f, "tok_visa"), new_request_id(f));

    wish.currency = "EUR";
    const Payment *payment = must_reply(ask_wished(f, &wish));
    const struct dues_answer *answer = ask_refund(f, payment->name, 1, new_request_id(f));

    assert_int_equal(answer->status, DUES_INVALID_ARGUMENT);
    assert_string_equal(answer->reason, "CURRENCY_MISMATCH");
}

static void refuses_more_than_is_left_and_says_how_much_is(void **state)
{
    struct rpc_fixture *f = *state;
    const char *payment = given_payment(f, given_payer(f, "tok_visa"));

    given_refund(f, payment, 900);
    const struct dues_answer *answer = ask_refund(f, payment, 100, new_request_id(f));

    assert_int_equal(answer->status, DUES_FAILED_PRECONDITION);
    assert_string_equal(answer->reason, "REFUND_EXCEEDS_CAPTURE");
    assert_string_equal(answer->metadata[0].key, "refundable_minor_units");
    assert_string_equal(answer->metadata[0].value, "99");
    assert_int_equal(refund_count(f, payment), 1);
}

static void answers_a_repeat_byte_for_byte_also_after_a_restart(void **state)
{
    struct rpc_fixture *f = *state;
    const char *payment = given_payment(f, given_payer(f, "tok_visa"));

    const struct dues_answer *first = ask_refund(f, payment, 999, "back-1");
    rpc_restart(f);
    const struct dues_answer *second = ask_refund(f, payment, 999, "back-1");
    const struct dues_answer *other = ask_refund(f, payment, 998, "back-1");

    assert_true(is_replayed(second));
    assert_int_equal(second->reply_size, first->reply_size);
    assert_memory_equal(second->reply_bytes, first->reply_bytes, first->reply_size);
    assert_string_equal(other->reason, "REQUEST_ID_REUSED");
    assert_int_equal(refund_count(f, payment), 1);
}

struct racer {
    struct rpc_fixture *f;
    const char *payment;
    const char *request_id;
    const struct dues_answer *answer;
};

static void *race(void *arg)
{
    struct racer *racer = arg;

    racer->answer = ask_refund(racer->f, racer->payment, 600, racer->request_id);
    return NULL;
}

static void of_two_at_once_one_exceeds(void **state)
{
    struct rpc_fixture *f = *state;
    const char *payment = given_payment(f, given_payer(f, "tok_visa"));
    struct racer racers[2] = {{f, payment, "left", NULL}, {f, payment, "right", NULL}};

    rpc_race(race, racers, 2, sizeof(racers[0]));

    const struct dues_answer *a = racers[0].answer;
    const struct dues_answer *b = racers[1].answer;
    assert_int_equal((a->status == DUES_OK) + (b->status == DUES_OK), 1);
    assert_string_equal(a->status == DUES_OK ? b->reason : a->reason, "REFUND_EXCEEDS_CAPTURE");
    assert_int_equal(refund_count(f, payment), 1);
}

/* What one of them has reserved is no reason to refuse the others. */
static void of_many_at_once_with_one_id_none_is_refused(void **state)
{
    enum { ROUNDS = 20, RACERS_OF_ROUND = 24 };
    struct rpc_fixture *f = *state;
    const struct payer payer = given_payer(f, "tok_visa");

    for (int round = 0; round < ROUNDS; round++) {
        const char *payment = given_payment(f, payer);
        const char *id = rpc_printf(f, "twins-%d", round);
        struct racer racers[RACERS_OF_ROUND];
        for (size_t i = 0; i < RACERS_OF_ROUND; i++)
            racers[i] = (struct racer){f, payment, id, NULL};

        rpc_race(race, racers, RACERS_OF_ROUND, sizeof(racers[0]));

        const char *name = ((const Refund *)must_reply(racers[0].answer))->name;
        for (size_t i = 1; i < RACERS_OF_ROUND; i++)
            assert_string_equal(((const Refund *)must_reply(racers[i].answer))->name, name);
        assert_int_equal(refund_count(f, payment), 1);
    }
}

static void a_pending_refund_becomes_one(void **state)
{
    struct rpc_fixture *f = *state;
    const char *payment = given_payment(f, given_payer(f, "pm_card_pendingRefund"));

    const Refund *pending = must_reply(ask_refund(f, payment, 500, "pend-1"));
    const Refund *refund = pending;
    for (struct patience patience = {0};
         refund->state == REFUND_STATE(PENDING) && patience_lasts(&patience);) {
        fake_clock_advance(f->clock, 10000000);
        usleep(50000);
        refund =
            must_reply(ask_payment_by_name(f, AS(SERVICE_BILLING), "GetRefund", pending->name));
    }
    const struct dues_answer *again = ask_refund(f, payment, 500, "pend-1");

    assert_int_equal(pending->state, REFUND_STATE(PENDING));
    assert_int_equal(refund->state, REFUND_STATE(SUCCEEDED));
    assert_true(is_replayed(again));
    assert_int_equal(((const Refund *)must_reply(again))->state, REFUND_STATE(SUCCEEDED));
}

struct repeat {
    struct rpc_fixture *f;
    const char *payment;
    const struct dues_answer *answer;
};

static void *ask_again(void *arg)
{
    struct repeat *repeat = arg;

    repeat->answer = ask_refund(repeat->f, repeat->payment, 500, "meets-1");
    return NULL;
}

static void a_repeat_that_meets_the_settlement_gets_the_recorded_answer(void **state)
{
    struct rpc_fixture *f = *state;
    struct repeat repeat = {.f = f,
                            .payment = given_payment(f, given_payer(f, "pm_card_pendingRefund"))};
    const char *id = customer_id_of(f, repeat.payment);
    must_reply(ask_refund(f, repeat.payment, 500, "meets-1"));

    meet_settlement(f, "refund", id, ask_again, &repeat);

    assert_true(is_replayed(repeat.answer));
    assert_string_equal(((const Refund *)must_reply(repeat.answer))->name, "x");
}

static void a_failed_refund_says_why_and_frees_its_amount(void **state)
{
    struct rpc_fixture *f = *state;
    const char *payment = given_payment(f, given_payer(f, "tok_refundFail"));

    const Refund *failed = must_reply(ask_refund(f, payment, 999, "fails-1"));
    const Refund *again = must_reply(ask_refund(f, payment, 999, "fails-2"));

    assert_int_equal(failed->state, REFUND_STATE(FAILED));
    assert_string_equal(failed->failure_code, "expired_or_canceled_card");
    assert_int_equal(again->state, REFUND_STATE(FAILED));
}

static void a_refund_that_a_bank_sends_back_fails_after_it_had_succeeded(void **state)
{
    struct rpc_fixture *f = *state;
    int64_t begin_us = time_of("2026-01-01T00:00:00Z");
    const char *clock = given_clock(f, begin_us);
    const char *customer = given_customer(f, clock);
    struct payer payer = {customer, given_card(f, customer, "tok_refundFailsLater")};
    const char *payment = given_payment(f, payer);

    const Refund *refund = must_reply(ask_refund(f, payment, 400, "later-1"));
    int64_t refunded = payment_now(f, payment)->amount_refunded->minor_units;
    advance(f, clock, begin_us + 2 * US_PER_HOUR);
    const Refund *failed =
        must_reply(ask_payment_by_name(f, AS(SERVICE_BILLING), "GetRefund", refund->name));
    const Payment *after = payment_now(f, payment);
    const struct dues_answer *repeat = ask_refund(f, payment, 400, "later-1");
    const Refund *another = must_reply(ask_refund(f, payment, 999, "later-2"));

    assert_int_equal(refund->state, REFUND_STATE(SUCCEEDED));
    assert_int_equal(refunded, 400);
    assert_int_equal(failed->state, REFUND_STATE(FAILED));
    assert_string_equal(failed->failure_code, "lost_or_stolen_card");
    assert_int_equal(after->amount_refunded->minor_units, 0);
    assert_int_equal(after->state, PAYMENT_STATE(SUCCEEDED));
    assert_true(is_replayed(repeat));
    assert_int_equal(another->state, REFUND_STATE(SUCCEEDED));
    assert_int_equal(number_of(f, customer,
                               "count(*) FILTER (WHERE kind = 'refund_reversal')"
                               " FROM dues.ledger_entry"),
                     2);
    assert_int_equal(number_of(f, customer, "sum(amount) FROM dues.ledger_entry"), 0);
    assert_int_equal(number_of(f, customer,
                               "sum(amount) FILTER (WHERE account = 'refunds')"
                               " FROM dues.ledger_entry"),
                     999);
    assert_int_equal(number_of(f, customer,
                               "count(*) FILTER (WHERE type = 'refund.failed')"
                               " FROM dues.event"),
                     1);
}

static void a_refund_that_stays_is_watched_no_longer_than_it_can_fail(void **state)
{
    struct rpc_fixture *f = *state;
    int64_t begin_us = time_of("2026-01-01T00:00:00Z");
    const char *clock = given_clock(f, begin_us);
    const char *customer = given_customer(f, clock);
    struct payer payer = {customer, given_card(f, customer, "tok_visa")};

    const char *refund = given_refund(f, given_payment(f, payer), 400);
    int64_t watched = number_of(f, customer, "count(*) FROM dues.obligation");
    advance(f, clock, begin_us + 2 * US_PER_DAY);
    const Refund *stays =
        must_reply(ask_payment_by_name(f, AS(SERVICE_BILLING), "GetRefund", refund));

    assert_int_equal(watched, 1);
    assert_int_equal(stays->state, REFUND_STATE(SUCCEEDED));
    assert_int_equal(number_of(f, customer, "count(*) FROM dues.obligation"), 0);
}

/* A gateway that is not configured now may be again, and then says what became of it. */
static void a_refund_is_watched_on_while_its_gateway_is_not_configured(void **state)
{
    struct rpc_fixture *f = *state;
    int64_t begin_us = time_of("2026-01-01T00:00:00Z");
    const char *clock = given_clock(f, begin_us);
    const char *customer = given_customer(f, clock);
    struct payer payer = {customer, given_card(f, customer, "tok_refundFailsLater")};
    const char *payment = given_payment(f, payer);
    const Refund *refund = must_reply(ask_refund(f, payment, 400, new_request_id(f)));
    const char *of_customer =
        rpc_printf(f, "WHERE customer_id = '%s'", customer + strlen("customers/"));

    db_execute(f->db, rpc_printf(f, "UPDATE dues.attempt SET gateway = 'absent' %s", of_customer));
    advance(f, clock, begin_us + 3 * US_PER_DAY);
    int64_t watched = number_of(f, customer, "count(*) FROM dues.obligation");
    db_execute(f->db, rpc_printf(f, "UPDATE dues.attempt SET gateway = 'sandbox' %s", of_customer));
    advance(f, clock, begin_us + 9 * US_PER_DAY);
    const Refund *failed =
        must_reply(ask_payment_by_name(f, AS(SERVICE_BILLING), "GetRefund", refund->name));

    assert_int_equal(watched, 1);
    assert_int_equal(failed->state, REFUND_STATE(FAILED));
    assert_int_equal(number_of(f, customer, "count(*) FROM dues.obligation"), 0);
}

#define RACERS 100

static void *race_for_little(void *arg)
{
    struct racer *racer = arg;

    racer->answer = ask_refund(racer->f, racer->payment, 100, racer->request_id);
    return NULL;
}

static void a_hundred_racing_refunds_return_no_more_than_was_taken(void **state)
{
    struct rpc_fixture *f = *state;
    const char *payment = given_payment(f, given_payer(f, "tok_visa")); /* nine of them fit */
    struct racer racers[RACERS];
    int returned = 0;

    for (size_t i = 0; i < RACERS; i++)
        racers[i] = (struct racer){f, payment, rpc_printf(f, "hundred-%zu", i), NULL};
    rpc_race(race_for_little, racers, RACERS, sizeof(racers[0]));

    for (size_t i = 0; i < RACERS; i++)
        returned += racers[i].answer->status == DUES_OK;
    assert_int_equal(returned, 9);
    assert_int_equal(payment_now(f, payment)->amount_refunded->minor_units, 900);
    assert_int_equal(refund_count(f, payment), 9);
}

static void users_may_not(void **state)
{
    struct rpc_fixture *f = *state;
    struct rpc_world *world = world_new(f);
    struct payer payer = {world->owner.customer, given_card(f, world->owner.customer, "tok_visa")};
    Dues__Payment__V1__CreateRefundRequest request = DUES__PAYMENT__V1__CREATE_REFUND_REQUEST__INIT;

    request.parent = (char *)(uintptr_t)given_payment(f, payer);
    request.request_id = (char *)(uintptr_t) "mine-1";
    const struct dues_answer *answer =
        ask_payment_service(f, user_of(world), "CreateRefund", &request.base);

    assert_int_equal(answer->status, DUES_PERMISSION_DENIED);
    assert_string_equal(answer->reason, "CALLER_NOT_ALLOWED");
    assert_int_equal(refund_count(f, request.parent), 0);
    world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(returns_a_part_and_then_all_that_is_left),
        cmocka_unit_test(refuses_wrong_fields),
        cmocka_unit_test(finds_no_payment_that_does_not_exist),
        cmocka_unit_test(refuses_a_payment_that_took_nothing),
        cmocka_unit_test(refuses_another_currency),
        cmocka_unit_test(refuses_more_than_is_left_and_says_how_much_is),
        cmocka_unit_test(answers_a_repeat_byte_for_byte_also_after_a_restart),
        cmocka_unit_test(of_two_at_once_one_exceeds),
        cmocka_unit_test(of_many_at_once_with_one_id_none_is_refused),
        cmocka_unit_test(a_pending_refund_becomes_one),
        cmocka_unit_test(a_repeat_that_meets_the_settlement_gets_the_recorded_answer),
        cmocka_unit_test(a_failed_refund_says_why_and_frees_its_amount),
        cmocka_unit_test(a_refund_that_a_bank_sends_back_fails_after_it_had_succeeded),
        cmocka_unit_test(a_refund_that_stays_is_watched_no_longer_than_it_can_fail),
        cmocka_unit_test(a_refund_is_watched_on_while_its_gateway_is_not_configured),
        cmocka_unit_test(a_hundred_racing_refunds_return_no_more_than_was_taken),
        cmocka_unit_test(users_may_not),
    };
    return cmocka_run_group_tests_name("CreateRefund", tests, members_setup, rpc_teardown);
}
