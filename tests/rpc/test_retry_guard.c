/*
 * The card networks' rule, kept where attempts are made: at most 15 tries that are declined in 30
 * days of one card, none after the bank said stop; in the customer's time, for payments and
 * renewals, and whoever races.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/text.h"
#include "base/time.h"
#include "support/rpc_card.h"

#define TRIES_MAX 15
#define START     "2026-01-10T10:00:00Z"

/* A customer in its own time. */
struct tester {
    const char *clock;
    struct payer payer;
};

static struct tester given_tester(struct rpc_fixture *f, const char *token)
{
    struct tester tester = {.clock = given_clock(f, time_of(START))};

    tester.payer.customer = given_customer(f, tester.clock);
    tester.payer.card = given_card(f, tester.payer.customer, token);
    return tester;
}

static void decline(struct rpc_fixture *f, struct payer payer, int times)
{
    for (int i = 0; i < times; i++) {
        const Payment *payment = must_reply(ask_payment(f, payer, new_request_id(f)));
        assert_int_equal(payment->state, PAYMENT_STATE(FAILED));
    }
}

static void assert_refused(const struct dues_answer *answer, const char *reason)
{
    assert_int_equal(answer->status, DUES_FAILED_PRECONDITION);
    assert_string_equal(answer->reason, reason);
}

static const char *value_of(const struct dues_answer *answer, const char *key)
{
    for (size_t i = 0; i < answer->metadata_count; i++) {
        if (text_equal(answer->metadata[i].key, key))
            return answer->metadata[i].value;
    }
    return "";
}

static void refuses_the_sixteenth_try_and_says_until_when(void **state)
{
    struct rpc_fixture *f = *state;
    struct tester tester = given_tester(f, "tok_chargeDeclined");
    decline(f, tester.payer, TRIES_MAX);

    const struct dues_answer *answer = ask_payment(f, tester.payer, new_request_id(f));

    assert_refused(answer, "PAYMENT_METHOD_RETRY_LIMIT");
    assert_string_equal(value_of(answer, "retry_time"), "2026-02-09T10:00:00.000000Z");
    assert_int_equal(tries_of(f, tester.payer.customer), TRIES_MAX);
    const PaymentMethod *card = card_now(f, tester.payer.card);
    assert_int_equal(card->state, CARD_STATE(ACTIVE));
    assert_true(time_in(card->retry_time) == time_of("2026-02-09T10:00:00Z"));
}

static void lets_the_window_slide_in_the_customers_time(void **state)
{
    struct rpc_fixture *f = *state;
    struct tester tester = given_tester(f, "tok_chargeDeclined");
    decline(f, tester.payer, 1);
    advance(f, tester.clock, time_of("2026-01-20T10:00:00Z"));
    decline(f, tester.payer, TRIES_MAX - 1);

    advance(f, tester.clock, time_of("2026-02-09T10:00:00Z") - 1);
    assert_refused(ask_payment(f, tester.payer, new_request_id(f)), "PAYMENT_METHOD_RETRY_LIMIT");

    /* The first of the fifteen has left the window: there is room for one. */
    advance(f, tester.clock, time_of("2026-02-09T10:00:00Z"));
    decline(f, tester.payer, 1);
    const struct dues_answer *answer = ask_payment(f, tester.payer, new_request_id(f));
    assert_refused(answer, "PAYMENT_METHOD_RETRY_LIMIT");
    assert_string_equal(value_of(answer, "retry_time"), "2026-02-19T10:00:00.000000Z");
    assert_int_equal(tries_of(f, tester.payer.customer), TRIES_MAX + 1);
}

static void does_not_count_what_succeeded(void **state)
{
    struct rpc_fixture *f = *state;
    struct tester tester = given_tester(f, "tok_visa");

    for (int i = 0; i < TRIES_MAX + 3; i++)
        given_payment(f, tester.payer);

    assert_null(card_now(f, tester.payer.card)->retry_time);
    assert_int_equal(charges_of(f, tester.payer.customer), TRIES_MAX + 3);
}

static void counts_the_card_and_not_the_row(void **state)
{
    struct rpc_fixture *f = *state;
    struct tester tester = given_tester(f, "tok_chargeDeclined");
    struct payer again = {tester.payer.customer,
                          given_card(f, tester.payer.customer, "tok_chargeDeclined")};
    decline(f, tester.payer, TRIES_MAX - 1);
    decline(f, again, 1);

    struct payer stored_after = {tester.payer.customer,
                                 given_card(f, tester.payer.customer, "tok_chargeDeclined")};
    struct payer other = {tester.payer.customer, given_card(f, tester.payer.customer, "tok_visa")};

    assert_refused(ask_payment(f, tester.payer, new_request_id(f)), "PAYMENT_METHOD_RETRY_LIMIT");
    assert_refused(ask_payment(f, again, new_request_id(f)), "PAYMENT_METHOD_RETRY_LIMIT");
    assert_refused(ask_payment(f, stored_after, new_request_id(f)), "PAYMENT_METHOD_RETRY_LIMIT");
    given_payment(f, other);
    assert_int_equal(tries_of(f, tester.payer.customer), TRIES_MAX + 1);
}

static void answers_a_repeated_request_as_the_first_time(void **state)
{
    struct rpc_fixture *f = *state;
    struct tester tester = given_tester(f, "tok_chargeDeclined");
    decline(f, tester.payer, TRIES_MAX - 1);
    const char *request_id = new_request_id(f);

    const struct dues_answer *last = ask_payment(f, tester.payer, request_id);
    assert_refused(ask_payment(f, tester.payer, new_request_id(f)), "PAYMENT_METHOD_RETRY_LIMIT");
    const struct dues_answer *repeat = ask_payment(f, tester.payer, request_id);

    assert_true(is_replayed(repeat));
    assert_int_equal(repeat->reply_size, last->reply_size);
    assert_memory_equal(repeat->reply_bytes, last->reply_bytes, last->reply_size);
}

struct racer {
    struct rpc_fixture *f;
    struct payer payer;
    const char *request_id;
    const struct dues_answer *answer;
};

static void *race(void *arg)
{
    struct racer *racer = arg;

    racer->answer = ask_payment(racer->f, racer->payer, racer->request_id);
    return NULL;
}

#define RACERS 30

/* How many of the racers were charged; the others were refused in words. */
static int race_all(struct rpc_fixture *f, struct payer payer)
{
    struct racer racers[RACERS];
    int charged = 0;

    for (int i = 0; i < RACERS; i++)
        racers[i] = (struct racer){f, payer, new_request_id(f), NULL};
    rpc_race(race, racers, RACERS, sizeof(racers[0]));
    for (int i = 0; i < RACERS; i++) {
        if (racers[i].answer->status == DUES_OK)
            charged++;
        else if (racers[i].answer->status != DUES_ABORTED)
            assert_refused(racers[i].answer, "PAYMENT_METHOD_RETRY_LIMIT");
    }
    return charged;
}

static void of_many_at_once_as_many_pass_as_there_is_room(void **state)
{
    struct rpc_fixture *f = *state;
    struct tester tester = given_tester(f, "tok_chargeDeclined");
    decline(f, tester.payer, TRIES_MAX - 2);

    int charged = race_all(f, tester.payer);

    assert_int_equal(charged, 2);
    assert_int_equal(tries_of(f, tester.payer.customer), TRIES_MAX);
}

static void not_even_the_first_tries_pass_the_limit_together(void **state)
{
    struct rpc_fixture *f = *state;
    struct tester tester = given_tester(f, "tok_chargeDeclined");

    int charged = race_all(f, tester.payer);

    assert_true(charged <= TRIES_MAX);
    assert_int_equal(tries_of(f, tester.payer.customer), charged);
}

static void many_good_charges_at_once_all_pass(void **state)
{
    struct rpc_fixture *f = *state;
    struct tester tester = given_tester(f, "tok_visa");

    int charged = race_all(f, tester.payer);

    assert_int_equal(charged, RACERS);
    assert_int_equal(charges_of(f, tester.payer.customer), RACERS);
}

static void stops_after_the_bank_said_so(void **state)
{
    struct rpc_fixture *f = *state;
    struct tester tester = given_tester(f, "tok_chargeDeclinedFraudulentCard");
    decline(f, tester.payer, 1);

    const struct dues_answer *answer = ask_payment(f, tester.payer, new_request_id(f));

    assert_refused(answer, "PAYMENT_METHOD_UNUSABLE");
    assert_int_equal(card_now(f, tester.payer.card)->state, CARD_STATE(STOPPED));
    assert_int_equal(tries_of(f, tester.payer.customer), 1);
}

static void other_card_data_end_the_stop(void **state)
{
    struct rpc_fixture *f = *state;
    struct tester tester = given_tester(f, "tok_chargeDeclinedFraudulentCard");
    decline(f, tester.payer, 1);

    const PaymentMethod *same = change_card(
        f, tester.payer.card,
        (struct card_change){.mask = "exp_month,exp_year", .exp_month = 12, .exp_year = 2034});
    assert_int_equal(same->state, CARD_STATE(STOPPED));
    const PaymentMethod *renewed = change_card(
        f, tester.payer.card, (struct card_change){.mask = "exp_year", .exp_year = 2036});

    assert_int_equal(renewed->state, CARD_STATE(ACTIVE));
    decline(f, tester.payer, 1);
    assert_int_equal(tries_of(f, tester.payer.customer), 2);
}

static void a_lost_card_is_not_mended_by_a_date(void **state)
{
    struct rpc_fixture *f = *state;
    struct tester tester = given_tester(f, "tok_chargeDeclinedLostCard");
    decline(f, tester.payer, 1);

    const PaymentMethod *changed = change_card(
        f, tester.payer.card, (struct card_change){.mask = "exp_year", .exp_year = 2036});

    assert_int_equal(changed->state, CARD_STATE(UNUSABLE));
    assert_refused(ask_payment(f, tester.payer, new_request_id(f)), "PAYMENT_METHOD_UNUSABLE");
}

static void a_membership_is_not_begun_with_a_card_that_may_not_be_tried(void **state)
{
    struct rpc_fixture *f = *state;
    struct tester tester = given_tester(f, "tok_chargeDeclined");
    decline(f, tester.payer, TRIES_MAX);

    const struct dues_answer *answer =
        ask_membership(f, tester.payer.customer, "plans/premium-monthly", tester.payer.card, NULL);

    assert_refused(answer, "PAYMENT_METHOD_RETRY_LIMIT");
    assert_int_equal(tries_of(f, tester.payer.customer), TRIES_MAX);
    assert_int_equal(db_count(f->db, db_printf(f->db, "dues.membership WHERE customer_id = '%s'",
                                               customer_id_of(f, tester.payer.customer))),
                     0);
}

/* Fifteen declines on 20 January: the renewal of 10 February and its retries wait for the 19th. */
static void a_renewal_waits_until_there_is_room(void **state)
{
    struct rpc_fixture *f = *state;
    struct tester tester = given_tester(f, "tok_declinesFromSecondCharge");
    const char *membership =
        given_membership(f, tester.payer.customer, "plans/premium-monthly", tester.payer.card)
            ->name;
    advance(f, tester.clock, time_of("2026-01-20T10:00:00Z"));
    decline(f, tester.payer, TRIES_MAX);
    int64_t before = tries_of(f, tester.payer.customer);

    advance(f, tester.clock, time_of("2026-02-10T10:00:00Z"));
    const Membership *due = membership_now(f, membership);
    assert_int_equal(due->state, MEMBERSHIP_STATE(PAST_DUE));
    assert_string_equal(due->last_decline->code, "card_velocity_exceeded");
    assert_true(time_in(due->next_charge_time) == time_of("2026-02-11T10:00:00Z"));
    advance(f, tester.clock, time_of("2026-02-18T10:00:00Z"));
    assert_int_equal(tries_of(f, tester.payer.customer), before);

    advance(f, tester.clock, time_of("2026-02-21T10:00:00Z"));
    assert_int_equal(tries_of(f, tester.payer.customer), before + 1);
    assert_string_equal(membership_now(f, membership)->last_decline->code, "insufficient_funds");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_the_sixteenth_try_and_says_until_when),
        cmocka_unit_test(lets_the_window_slide_in_the_customers_time),
        cmocka_unit_test(does_not_count_what_succeeded),
        cmocka_unit_test(counts_the_card_and_not_the_row),
        cmocka_unit_test(answers_a_repeated_request_as_the_first_time),
        cmocka_unit_test(of_many_at_once_as_many_pass_as_there_is_room),
        cmocka_unit_test(not_even_the_first_tries_pass_the_limit_together),
        cmocka_unit_test(many_good_charges_at_once_all_pass),
        cmocka_unit_test(stops_after_the_bank_said_so),
        cmocka_unit_test(other_card_data_end_the_stop),
        cmocka_unit_test(a_lost_card_is_not_mended_by_a_date),
        cmocka_unit_test(a_membership_is_not_begun_with_a_card_that_may_not_be_tried),
        cmocka_unit_test(a_renewal_waits_until_there_is_room),
    };
    return cmocka_run_group_tests_name("retry guard", tests, members_setup, rpc_teardown);
}
