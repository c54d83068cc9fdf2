/*
 * CreateMembership over the wire: who becomes a member, who does not, and what it costs.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>
#include <pthread.h>

#include "base/time.h"
#include "support/patience.h"
#include "support/rpc_membership.h"
#include "support/rpc_world.h"

#define MONTHLY "plans/premium-monthly"
#define YEARLY  "plans/premium-yearly"
#define FREE    "plans/free"

/* 2026-01-31T10:00:00Z */
#define START "2026-01-31T10:00:00Z"

static const Membership *reply_of(const struct dues_answer *answer)
{
    assert_int_equal(answer->status, DUES_OK);
    return (const Membership *)answer->reply;
}

static int64_t rows_of(struct rpc_fixture *f, const char *table, const char *customer)
{
    return db_count(f->db, db_printf(f->db, "dues.%s WHERE customer_id = '%s'", table,
                                     customer_id_of(f, customer)));
}

static void charges_the_first_period_and_grants_access(void **state)
{
    struct rpc_fixture *f = *state;
    const char *customer = given_customer(f, given_clock(f, time_of(START)));
    const char *card = given_card(f, customer, "tok_visa");

    const Membership *membership = reply_of(ask_membership(f, customer, MONTHLY, card, NULL));

    assert_int_equal(membership->state, MEMBERSHIP_STATE(ACTIVE));
    assert_string_equal(membership->tier, "tiers/premium");
    assert_true(time_in(membership->current_period_start_time) == time_of(START));
    assert_true(time_in(membership->current_period_end_time) == time_of("2026-02-28T10:00:00Z"));
    assert_true(time_in(membership->next_charge_time) == time_of("2026-02-28T10:00:00Z"));
    assert_true(access_of(f, customer, "video.hd")->allowed);
    assert_int_equal(charges_of(f, customer), 1);
    const Invoices *invoices = invoices_of(f, customer);
    assert_int_equal(invoices->n_invoices, 1);
    assert_string_equal(invoices->invoices[0]->number, "1");
    assert_int_equal(invoices->invoices[0]->state, INVOICE_STATE(PAID));
    assert_int_equal(invoices->invoices[0]->total->minor_units, 999);
    assert_string_equal(invoices->invoices[0]->name, membership->latest_invoice);
    assert_int_equal(invoices->invoices[0]->n_lines, 1);
}

static void a_free_plan_needs_no_card_and_has_no_end(void **state)
{
    struct rpc_fixture *f = *state;
    const char *customer = given_customer(f, "");

    const Membership *membership = reply_of(ask_membership(f, customer, FREE, "", NULL));

    assert_int_equal(membership->state, MEMBERSHIP_STATE(ACTIVE));
    assert_null(membership->current_period_end_time);
    assert_int_equal(rows_of(f, "invoice", customer), 0);
    assert_int_equal(rows_of(f, "obligation", customer), 0);
}

static void a_paid_plan_takes_the_place_of_a_free_one(void **state)
{
    struct rpc_fixture *f = *state;
    const char *customer = given_customer(f, "");
    const char *card = given_card(f, customer, "tok_visa");
    const Membership *old = reply_of(ask_membership(f, customer, FREE, "", NULL));

    const Membership *membership = reply_of(ask_membership(f, customer, MONTHLY, card, NULL));

    assert_int_equal(membership->state, MEMBERSHIP_STATE(ACTIVE));
    assert_int_equal(membership_now(f, old->name)->state, MEMBERSHIP_STATE(CANCELED));
}

static void a_trial_is_offered_once(void **state)
{
    struct rpc_fixture *f = *state;
    const char *customer = given_customer(f, given_clock(f, time_of(START)));
    const char *card = given_card(f, customer, "tok_visa");

    const Membership *first = reply_of(ask_membership(f, customer, YEARLY, card, NULL));

    assert_int_equal(first->state, MEMBERSHIP_STATE(TRIALING));
    assert_true(time_in(first->trial_end_time) == time_of(START) + 14 * US_PER_DAY);
    assert_true(time_in(first->next_charge_time) == time_in(first->trial_end_time));
    assert_int_equal(charges_of(f, customer), 0);
    assert_int_equal(access_of(f, customer, "video.hd")->cause, CAUSE(TRIAL));

    assert_int_equal(ask_cancel(f, first->name, true, NULL)->status, DUES_OK);
    const Membership *second = reply_of(ask_membership(f, customer, YEARLY, card, NULL));
    assert_int_equal(second->state, MEMBERSHIP_STATE(ACTIVE));
    assert_int_equal(charges_of(f, customer), 1);
}

static void a_declined_first_payment_leaves_it_incomplete(void **state)
{
    struct rpc_fixture *f = *state;
    const char *customer = given_customer(f, "");
    const char *card = given_card(f, customer, "tok_chargeDeclinedInsufficientFunds");

    const Membership *membership = reply_of(ask_membership(f, customer, MONTHLY, card, NULL));

    assert_int_equal(membership->state, MEMBERSHIP_STATE(INCOMPLETE));
    assert_string_equal(membership->last_decline->code, "insufficient_funds");
    assert_null(membership->access_end_time);
    const Access *access = access_of(f, customer, "video.hd");
    assert_false(access->allowed);
    assert_int_equal(access->cause, CAUSE(INCOMPLETE));
    assert_int_equal(invoices_of(f, customer)->invoices[0]->state, INVOICE_STATE(OPEN));
}

static void another_try_takes_the_place_of_an_incomplete_one(void **state)
{
    struct rpc_fixture *f = *state;
    const char *customer = given_customer(f, "");
    const char *bad = given_card(f, customer, "tok_chargeDeclined");
    const char *good = given_card(f, customer, "tok_visa");
    const Membership *old = reply_of(ask_membership(f, customer, MONTHLY, bad, NULL));

    const Membership *membership = reply_of(ask_membership(f, customer, MONTHLY, good, NULL));

    assert_int_equal(membership->state, MEMBERSHIP_STATE(ACTIVE));
    assert_int_equal(membership_now(f, old->name)->state, MEMBERSHIP_STATE(EXPIRED));
    const Invoices *invoices = invoices_of(f, customer);
    assert_string_equal(invoices->invoices[0]->number, "2");
    assert_int_equal(invoices->invoices[1]->state, INVOICE_STATE(VOID));
}

static void an_unknown_outcome_is_found_out(void **state)
{
    struct rpc_fixture *f = *state;
    const char *clock = given_clock(f, time_of(START));
    const char *customer = given_customer(f, clock);
    const char *card = given_card(f, customer, "tok_timeoutAfterSuccess");

    const Membership *membership = reply_of(ask_membership(f, customer, MONTHLY, card, NULL));
    assert_int_equal(membership->state, MEMBERSHIP_STATE(INCOMPLETE));
    assert_null(membership->last_decline);
    assert_string_equal(ask_membership(f, customer, MONTHLY, card, NULL)->reason,
                        "MEMBERSHIP_EXISTS");
    assert_string_equal(ask_cancel(f, membership->name, true, NULL)->reason, "CONCURRENT_CHANGE");

    advance(f, clock, time_of(START) + 1);

    assert_int_equal(membership_now(f, membership->name)->state, MEMBERSHIP_STATE(ACTIVE));
    assert_int_equal(charges_of(f, customer), 1);
}

/* A server that died between sending and hearing leaves an attempt whose lease runs out. */
static void what_a_crash_left_in_flight_is_finished_by_the_next_server(void **state)
{
    struct rpc_fixture *f = *state;
    const char *customer = given_customer(f, "");
    const char *id = customer_id_of(f, customer);
    const char *card = given_card(f, customer, "tok_timeoutAfterSuccess");
    const char *request_id = new_request_id(f);
    const Membership *membership = reply_of(ask_membership(f, customer, MONTHLY, card, request_id));
    db_execute(f->db, db_printf(f->db,
                                "UPDATE dues.attempt SET state = 'SENDING',"
                                " lease_until = now() - interval '1 second'"
                                " WHERE customer_id = '%s';"
                                "UPDATE dues.obligation SET due_time = '2020-01-01Z'"
                                " WHERE customer_id = '%s' AND kind = 'payment.resolve'",
                                id, id));

    rpc_restart(f);
    AWAIT(membership_now(f, membership->name)->state == MEMBERSHIP_STATE(ACTIVE));

    assert_int_equal(membership_now(f, membership->name)->state, MEMBERSHIP_STATE(ACTIVE));
    assert_int_equal(charges_of(f, customer), 1);
    const struct dues_answer *again = ask_membership(f, customer, MONTHLY, card, request_id);
    assert_true(again->replayed);
    assert_int_equal(((const Membership *)again->reply)->state, MEMBERSHIP_STATE(ACTIVE));
}

struct repeat {
    struct rpc_fixture *f;
    const char *customer;
    const char *card;
    const char *request_id;
    const struct dues_answer *answer;
};

static void *ask_again(void *arg)
{
    struct repeat *repeat = arg;

    repeat->answer =
        ask_membership(repeat->f, repeat->customer, MONTHLY, repeat->card, repeat->request_id);
    return NULL;
}

/* The repeat has seen that the request is running, and then waits for the membership's table. */
static void a_repeat_that_meets_the_settlement_gets_the_recorded_answer(void **state)
{
    static const char *const waits =
        "SELECT count(*) FROM pg_locks l JOIN pg_database d ON d.oid = l.database"
        " WHERE d.datname = current_database() AND l.relation = 'dues.membership'::regclass"
        "   AND NOT l.granted";
    struct rpc_fixture *f = *state;
    const char *customer = given_customer(f, "");
    struct repeat repeat = {.f = f,
                            .customer = customer,
                            .card = given_card(f, customer, "tok_timeoutAfterSuccess"),
                            .request_id = new_request_id(f)};
    const char *id = customer_id_of(f, customer);
    pthread_t thread;
    reply_of(ask_membership(f, customer, MONTHLY, repeat.card, repeat.request_id));

    db_execute(f->db, "BEGIN; LOCK TABLE dues.membership IN ACCESS EXCLUSIVE MODE");
    assert_int_equal(pthread_create(&thread, NULL, ask_again, &repeat), 0);
    AWAIT(db_number(f->db, waits) > 0);
    db_execute(f->db, db_printf(f->db,
                                "UPDATE dues.membership SET pending_payment_id = NULL"
                                " WHERE customer_id = '%s';"
                                "UPDATE dues.recorded_request SET answer = '\\x0a0178'"
                                " WHERE customer_id = '%s' AND answer IS NULL;"
                                "COMMIT",
                                id, id));
    assert_int_equal(pthread_join(thread, NULL), 0);

    assert_true(repeat.answer->replayed);
    assert_string_equal(reply_of(repeat.answer)->name, "x");
}

static void an_unpaid_one_expires_after_23_hours(void **state)
{
    struct rpc_fixture *f = *state;
    const char *clock = given_clock(f, time_of(START));
    const char *customer = given_customer(f, clock);
    const char *card = given_card(f, customer, "tok_chargeDeclined");
    const Membership *membership = reply_of(ask_membership(f, customer, MONTHLY, card, NULL));

    advance(f, clock, time_of(START) + 23 * US_PER_HOUR - 1);
    assert_int_equal(membership_now(f, membership->name)->state, MEMBERSHIP_STATE(INCOMPLETE));
    advance(f, clock, time_of(START) + 23 * US_PER_HOUR);

    assert_int_equal(membership_now(f, membership->name)->state, MEMBERSHIP_STATE(EXPIRED));
    assert_int_equal(invoices_of(f, customer)->invoices[0]->state, INVOICE_STATE(VOID));
    assert_int_equal(rows_of(f, "obligation", customer), 0);
}

static void names_what_is_wrong_with_the_request(void **state)
{
    struct rpc_fixture *f = *state;
    const char *customer = given_customer(f, "");
    const char *other = given_customer(f, "");
    const char *card = given_card(f, other, "tok_visa");

    const struct dues_answer *answer = ask_membership(f, "customers/x", "gold", "", NULL);
    assert_int_equal(answer->status, DUES_INVALID_ARGUMENT);
    assert_true(answer_names(answer, "parent"));
    assert_true(answer_names(answer, "membership.plan"));

    answer = ask_membership(f, customer, MONTHLY, "", NULL);
    assert_true(answer_names(answer, "membership.payment_method"));
    answer = ask_membership(f, customer, MONTHLY, card, NULL);
    assert_true(answer_names(answer, "membership.payment_method"));
    assert_string_equal(ask_membership(f, customer, MONTHLY, card, "")->reason,
                        "REQUEST_ID_REQUIRED");
    assert_int_equal(rows_of(f, "membership", customer), 0);
}

static void refuses_what_does_not_exist(void **state)
{
    struct rpc_fixture *f = *state;
    const char *customer = given_customer(f, "");
    const char *nobody = rpc_printf(f, "customers/%s", db_uuid_text(f->db, db_uuid(f->db)));
    const char *no_card =
        rpc_printf(f, "%s/paymentMethods/%s", customer, db_uuid_text(f->db, db_uuid(f->db)));

    assert_string_equal(ask_membership(f, nobody, FREE, "", NULL)->reason, "CUSTOMER_NOT_FOUND");
    assert_string_equal(ask_membership(f, customer, "plans/gold", "", NULL)->reason,
                        "PLAN_NOT_FOUND");
    assert_string_equal(ask_membership(f, customer, MONTHLY, no_card, NULL)->reason,
                        "PAYMENT_METHOD_NOT_FOUND");
    assert_int_equal(rows_of(f, "membership", customer), 0);
    assert_int_equal(rows_of(f, "recorded_request", customer), 0);
}

static void refuses_a_second_membership(void **state)
{
    struct rpc_fixture *f = *state;
    const char *customer = given_customer(f, "");
    const char *card = given_card(f, customer, "tok_visa");
    const Membership *first = given_membership(f, customer, MONTHLY, card);

    const struct dues_answer *answer = ask_membership(f, customer, MONTHLY, card, NULL);

    assert_int_equal(answer->status, DUES_ALREADY_EXISTS);
    assert_string_equal(answer->reason, "MEMBERSHIP_EXISTS");
    assert_string_equal(answer->metadata[0].value, first->name);
    assert_int_equal(charges_of(f, customer), 1);
    assert_string_equal(ask_membership(f, customer, FREE, "", NULL)->reason, "MEMBERSHIP_EXISTS");
}

static void answers_a_repeated_request_byte_for_byte(void **state)
{
    struct rpc_fixture *f = *state;
    const char *customer = given_customer(f, "");
    const char *card = given_card(f, customer, "tok_visa");
    const char *request_id = new_request_id(f);
    const struct dues_answer *first = ask_membership(f, customer, MONTHLY, card, request_id);

    rpc_restart(f);
    const struct dues_answer *second = ask_membership(f, customer, MONTHLY, card, request_id);

    assert_int_equal(second->status, DUES_OK);
    assert_false(first->replayed);
    assert_true(second->replayed);
    assert_int_equal(second->reply_size, first->reply_size);
    assert_memory_equal(second->reply_bytes, first->reply_bytes, first->reply_size);
    assert_int_equal(charges_of(f, customer), 1);
}

static void answers_a_repeated_trial_and_decline_byte_for_byte(void **state)
{
    struct rpc_fixture *f = *state;
    const char *tokens[] = {"tok_visa", "tok_chargeDeclined"};
    const char *plans[] = {YEARLY, MONTHLY};

    for (int i = 0; i < 2; i++) {
        const char *customer = given_customer(f, "");
        const char *card = given_card(f, customer, tokens[i]);
        const char *request_id = new_request_id(f);
        const struct dues_answer *first = ask_membership(f, customer, plans[i], card, request_id);
        const struct dues_answer *second = ask_membership(f, customer, plans[i], card, request_id);

        assert_true(second->replayed);
        assert_int_equal(second->reply_size, first->reply_size);
        assert_memory_equal(second->reply_bytes, first->reply_bytes, first->reply_size);
    }
}

static void refuses_another_request_under_the_same_id(void **state)
{
    struct rpc_fixture *f = *state;
    const char *customer = given_customer(f, "");
    const char *card = given_card(f, customer, "tok_visa");
    const char *request_id = new_request_id(f);
    ask_membership(f, customer, MONTHLY, card, request_id);

    const struct dues_answer *answer = ask_membership(f, customer, YEARLY, card, request_id);

    assert_int_equal(answer->status, DUES_INVALID_ARGUMENT);
    assert_string_equal(answer->reason, "REQUEST_ID_REUSED");
}

static void somebody_else_is_not_found(void **state)
{
    struct rpc_fixture *f = *state;
    struct rpc_world *world = world_new(f);
    struct rpc_as user = {.client = world->device, .token = world->device_token};
    Dues__Membership__V1__CreateMembershipRequest request =
        DUES__MEMBERSHIP__V1__CREATE_MEMBERSHIP_REQUEST__INIT;
    Membership membership = DUES__MEMBERSHIP__V1__MEMBERSHIP__INIT;
    char plan[] = FREE;
    char request_id[] = "somebody-else";

    request.parent = member_text(f, world->other.customer);
    membership.plan = plan;
    request.membership = &membership;
    request.request_id = request_id;
    const struct dues_answer *answer =
        rpc_ask(f, user, &dues__membership__v1__membership_service__descriptor, "CreateMembership",
                &request.base);
    world_free(world);

    assert_int_equal(answer->status, DUES_NOT_FOUND);
    assert_string_equal(answer->reason, "CUSTOMER_NOT_FOUND");
    assert_int_equal(rows_of(f, "membership", request.parent), 0);
}

struct racer {
    struct rpc_fixture *f;
    const char *customer;
    const char *card;
    const char *request_id; /* NULL: its own */
    const struct dues_answer *answer;
};

static void *race(void *arg)
{
    struct racer *racer = arg;

    racer->answer =
        ask_membership(racer->f, racer->customer, MONTHLY, racer->card, racer->request_id);
    return NULL;
}

#define RACERS 6

static void one_of_many_racing_callers_wins(void **state)
{
    struct rpc_fixture *f = *state;
    const char *customer = given_customer(f, "");
    const char *card = given_card(f, customer, "tok_visa");
    struct racer racers[RACERS];
    int won = 0;

    for (int i = 0; i < RACERS; i++)
        racers[i] = (struct racer){.f = f, .customer = customer, .card = card};
    rpc_race(race, racers, RACERS, sizeof(racers[0]));

    for (int i = 0; i < RACERS; i++) {
        if (racers[i].answer->status == DUES_OK)
            won++;
        else
            assert_string_equal(racers[i].answer->reason, "MEMBERSHIP_EXISTS");
    }
    assert_int_equal(won, 1);
    assert_int_equal(charges_of(f, customer), 1);
    assert_int_equal(rows_of(f, "membership", customer), 1);
}

static void one_request_sent_many_times_at_once_charges_once(void **state)
{
    struct rpc_fixture *f = *state;
    const char *customer = given_customer(f, "");
    const char *card = given_card(f, customer, "tok_visa");
    const char *request_id = new_request_id(f);
    struct racer racers[RACERS];

    for (int i = 0; i < RACERS; i++)
        racers[i] =
            (struct racer){.f = f, .customer = customer, .card = card, .request_id = request_id};
    rpc_race(race, racers, RACERS, sizeof(racers[0]));

    for (int i = 0; i < RACERS; i++) {
        if (racers[i].answer->status != DUES_OK)
            assert_string_equal(racers[i].answer->reason, "REQUEST_IN_PROGRESS");
    }
    assert_int_equal(charges_of(f, customer), 1);
    assert_int_equal(rows_of(f, "membership", customer), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(charges_the_first_period_and_grants_access),
        cmocka_unit_test(a_free_plan_needs_no_card_and_has_no_end),
        cmocka_unit_test(a_paid_plan_takes_the_place_of_a_free_one),
        cmocka_unit_test(a_trial_is_offered_once),
        cmocka_unit_test(a_declined_first_payment_leaves_it_incomplete),
        cmocka_unit_test(another_try_takes_the_place_of_an_incomplete_one),
        cmocka_unit_test(an_unknown_outcome_is_found_out),
        cmocka_unit_test(what_a_crash_left_in_flight_is_finished_by_the_next_server),
        cmocka_unit_test(a_repeat_that_meets_the_settlement_gets_the_recorded_answer),
        cmocka_unit_test(an_unpaid_one_expires_after_23_hours),
        cmocka_unit_test(names_what_is_wrong_with_the_request),
        cmocka_unit_test(refuses_what_does_not_exist),
        cmocka_unit_test(refuses_a_second_membership),
        cmocka_unit_test(answers_a_repeated_request_byte_for_byte),
        cmocka_unit_test(answers_a_repeated_trial_and_decline_byte_for_byte),
        cmocka_unit_test(refuses_another_request_under_the_same_id),
        cmocka_unit_test(somebody_else_is_not_found),
        cmocka_unit_test(one_of_many_racing_callers_wins),
        cmocka_unit_test(one_request_sent_many_times_at_once_charges_once),
    };
    return cmocka_run_group_tests_name("CreateMembership", tests, members_setup, rpc_teardown);
}
