/*
 * A membership that is given up while its customer authenticates the payment: the gateway lets go
 * at once, and a customer who was faster gets the money back.
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
#include "support/rpc_incident.h"

#define PAID_FOR_NOTHING "count(*) FILTER (WHERE kind = 'PAID_NOT_GRANTED') FROM dues.incident"

struct member {
    struct payer payer;
    const char *membership;
    const char *payment;
};

static const char *last_payment(struct rpc_fixture *f, const char *customer)
{
    return rpc_printf(f, "%s/payments/%s", customer,
                      db_text(f->db, db_printf(f->db,
                                               "SELECT payment_id FROM dues.payment"
                                               " WHERE customer_id = '%s'"
                                               " ORDER BY create_time DESC LIMIT 1",
                                               customer_id_of(f, customer))));
}

/* Whose first payment waits for the bank's question to be answered. */
static struct member given_authenticating(struct rpc_fixture *f, const char *clock,
                                          const char *token)
{
    const char *customer = given_customer(f, clock);
    struct member member = {.payer = {customer, given_card(f, customer, token)}};
    const Membership *membership = must_reply(
        ask_membership(f, customer, "plans/platinum-monthly", member.payer.card, "first"));

    assert_int_equal(membership->state, MEMBERSHIP_STATE(INCOMPLETE));
    member.membership = membership->name;
    member.payment = last_payment(f, customer);
    assert_int_equal(payment_now(f, member.payment)->state, PAYMENT_STATE(REQUIRES_ACTION));
    return member;
}

/* In wall time, of which none passes: what is not done at once is not done. */
static const Payment *await_end_of_wait(struct rpc_fixture *f, const char *name)
{
    const Payment *payment = payment_now(f, name);

    for (struct patience patience = {0};
         payment->state == PAYMENT_STATE(REQUIRES_ACTION) && patience_lasts(&patience);)
        payment = payment_now(f, name);
    return payment;
}

static const char *invoice_state(struct rpc_fixture *f, const char *customer)
{
    return db_text(f->db,
                   db_printf(f->db, "SELECT state FROM dues.invoice WHERE customer_id = '%s'",
                             customer_id_of(f, customer)));
}

static void the_gateway_lets_go_at_once(void **state)
{
    struct rpc_fixture *f = *state;
    struct member member = given_authenticating(f, "", "tok_authenticationRequired");

    must_reply(ask_cancel(f, member.membership, true, "give-up"));
    const Payment *payment = await_end_of_wait(f, member.payment);

    assert_int_equal(payment->state, PAYMENT_STATE(FAILED));
    assert_string_equal(payment->decline->code, "authentication_not_handled");
    assert_string_equal(invoice_state(f, member.payer.customer), "VOID");
    assert_int_equal(charges_of(f, member.payer.customer), 0);
    assert_int_equal(number_of(f, member.payer.customer, "count(*) FROM dues.payment_action"), 0);
    assert_int_equal(number_of(f, member.payer.customer, "count(*) FROM dues.obligation"), 0);
    assert_int_equal(number_of(f, member.payer.customer, "count(*) FROM dues.incident"), 0);
    assert_int_equal(number_of(f, member.payer.customer,
                               "coalesce(sum(amount), 0)::bigint FROM dues.ledger_entry"),
                     0);
}

static void another_plan_gives_up_the_first_as_well(void **state)
{
    struct rpc_fixture *f = *state;
    struct member member = given_authenticating(f, "", "tok_authenticationRequired");

    const char *good = given_card(f, member.payer.customer, "tok_visa");
    const Membership *second = must_reply(
        ask_membership(f, member.payer.customer, "plans/premium-monthly", good, "second"));
    const Payment *payment = await_end_of_wait(f, member.payment);

    assert_int_equal(second->state, MEMBERSHIP_STATE(ACTIVE));
    assert_int_equal(payment->state, PAYMENT_STATE(FAILED));
    assert_int_equal(charges_of(f, member.payer.customer), 1);
    assert_int_equal(number_of(f, member.payer.customer, "count(*) FROM dues.incident"), 0);
}

/* Asked for another one, which only then is charged. */
static void assert_is_member_of_first(struct rpc_fixture *f, const struct member *member,
                                      const struct dues_answer *refused)
{
    assert_string_equal(refused->reason, "MEMBERSHIP_EXISTS");
    assert_int_equal(membership_now(f, member->membership)->state, MEMBERSHIP_STATE(ACTIVE));
    assert_int_equal(payment_now(f, member->payment)->state, PAYMENT_STATE(SUCCEEDED));
    assert_string_equal(invoice_state(f, member->payer.customer), "PAID");
    assert_int_equal(charges_of(f, member->payer.customer), 1);
    assert_int_equal(number_of(f, member->payer.customer, "count(*) FROM dues.incident"), 0);
}

static void who_was_faster_than_another_plan_pays_once(void **state)
{
    struct rpc_fixture *f = *state;
    struct member member = given_authenticating(f, "", "tok_threeDSecureRequired");

    const char *good = given_card(f, member.payer.customer, "tok_visa");
    const struct dues_answer *second =
        ask_membership(f, member.payer.customer, "plans/premium-monthly", good, "second");

    assert_is_member_of_first(f, &member, second);
}

static void who_was_faster_than_a_plan_for_nothing_has_paid(void **state)
{
    struct rpc_fixture *f = *state;
    struct member member = given_authenticating(f, "", "tok_threeDSecureRequired");

    const struct dues_answer *second =
        ask_membership(f, member.payer.customer, "plans/free", "", "second");

    assert_is_member_of_first(f, &member, second);
}

/* Somebody else asks the gateway, and learns nothing. */
static void nothing_gives_way_while_it_is_not_known(void **state)
{
    struct rpc_fixture *f = *state;
    struct member member = given_authenticating(f, "", "tok_threeDSecureRequired");
    const char *good = given_card(f, member.payer.customer, "tok_visa");
    db_execute(f->db, "UPDATE dues.attempt SET state = 'RESOLVING', epoch = epoch + 1,"
                      " lease_until = clock_timestamp() + interval '1 hour'"
                      " WHERE state = 'REQUIRES_ACTION'");

    const struct dues_answer *early =
        ask_membership(f, member.payer.customer, "plans/premium-monthly", good, "second");
    int64_t charged = charges_of(f, member.payer.customer);
    int32_t first = (int32_t)membership_now(f, member.membership)->state;
    db_execute(f->db, "UPDATE dues.attempt SET state = 'REQUIRES_ACTION', lease_until = NULL"
                      " WHERE state = 'RESOLVING'");
    const struct dues_answer *late =
        ask_membership(f, member.payer.customer, "plans/premium-monthly", good, "second");

    assert_int_equal(early->status, DUES_ABORTED);
    assert_string_equal(early->reason, "CONCURRENT_CHANGE");
    assert_int_equal(first, MEMBERSHIP_STATE(INCOMPLETE));
    assert_int_equal(charged, 0);
    assert_is_member_of_first(f, &member, late);
}

/* The first look is due when the time for the first payment is over. */
static void who_authenticated_before_the_expiry_is_a_member(void **state)
{
    struct rpc_fixture *f = *state;
    int64_t begin_us = time_of("2026-01-01T00:00:00Z");
    const char *clock = given_clock(f, begin_us);
    struct member member = given_authenticating(f, clock, "tok_threeDSecureRequired");

    advance(f, clock, begin_us + US_PER_HOUR);

    assert_int_equal(membership_now(f, member.membership)->state, MEMBERSHIP_STATE(ACTIVE));
    assert_int_equal(payment_now(f, member.payment)->state, PAYMENT_STATE(SUCCEEDED));
    assert_string_equal(invoice_state(f, member.payer.customer), "PAID");
    assert_int_equal(number_of(f, member.payer.customer, "count(*) FROM dues.incident"), 0);
}

static void nobody_waits_longer_than_for_the_first_payment(void **state)
{
    struct rpc_fixture *f = *state;
    int64_t begin_us = time_of("2026-01-01T00:00:00Z");
    const char *clock = given_clock(f, begin_us);
    struct member member = given_authenticating(f, clock, "tok_authenticationRequired");

    int64_t expire_us = time_in(payment_now(f, member.payment)->action->expire_time);
    advance(f, clock, begin_us + US_PER_HOUR);
    const Payment *payment = payment_now(f, member.payment);

    assert_int_equal(expire_us, begin_us + US_PER_MINUTE);
    assert_int_equal(payment->state, PAYMENT_STATE(FAILED));
    assert_string_equal(payment->decline->code, "authentication_not_handled");
    assert_int_equal(membership_now(f, member.membership)->state, MEMBERSHIP_STATE(EXPIRED));
    assert_string_equal(invoice_state(f, member.payer.customer), "VOID");
    assert_int_equal(number_of(f, member.payer.customer, "count(*) FROM dues.obligation"), 0);
    assert_int_equal(number_of(f, member.payer.customer, "count(*) FROM dues.incident"), 0);
}

static void a_customer_who_was_faster_gets_the_money_back(void **state)
{
    struct rpc_fixture *f = *state;
    struct member member = given_authenticating(f, "", "tok_threeDSecureRequired");

    must_reply(ask_cancel(f, member.membership, true, "give-up"));
    const Payment *paid = await_end_of_wait(f, member.payment);
    const Payment *confirmed = must_reply(ask_confirm(f, AS(SERVICE_BILLING), member.payment));
    const Incident *incident = await_incident(f, member.payer.customer, INCIDENT_STATE(OPEN));

    assert_int_equal(paid->state, PAYMENT_STATE(SUCCEEDED));
    assert_int_equal(confirmed->state, PAYMENT_STATE(SUCCEEDED));
    assert_string_equal(invoice_state(f, member.payer.customer), "VOID");
    assert_int_equal(membership_now(f, member.membership)->state, MEMBERSHIP_STATE(EXPIRED));
    assert_int_equal(incident->kind, INCIDENT_KIND(PAID_NOT_GRANTED));
    assert_string_equal(incident->subject, member.payment);
    assert_int_equal(incident->amount->minor_units, paid->amount_captured->minor_units);
    assert_int_equal(number_of(f, member.payer.customer, PAID_FOR_NOTHING), 1);

    const Refund *refund = must_reply(ask_refund(f, member.payment, 0, "give-back"));
    const Incident *done = resolve_by_two(f, member.payer.customer, RESOLUTION(IGNORE), "");

    assert_int_equal(refund->state, REFUND_STATE(SUCCEEDED));
    assert_int_equal(refund->amount->minor_units, paid->amount_captured->minor_units);
    assert_int_equal(done->state, INCIDENT_STATE(RESOLVED));
    assert_int_equal(number_of(f, member.payer.customer, PAID_FOR_NOTHING), 1);
    assert_int_equal(number_of(f, member.payer.customer,
                               "coalesce(sum(amount) FILTER (WHERE account LIKE"
                               " 'gateway_clearing:%'), 0)::bigint FROM dues.ledger_entry"),
                     0);
    /* The credit that it left is given back; no revenue was made of it. */
    assert_int_equal(number_of(f, member.payer.customer,
                               "sum(amount) FILTER (WHERE account = 'customer_receivable')"
                               "  FROM dues.ledger_entry"),
                     0);
    assert_int_equal(number_of(f, member.payer.customer,
                               "count(*) FILTER (WHERE account = 'refunds')"
                               "  FROM dues.ledger_entry"),
                     0);
}

static void whoever_finds_out_first_it_is_one_incident(void **state)
{
    struct rpc_fixture *f = *state;
    int64_t begin_us = time_of("2026-01-01T00:00:00Z");
    const char *clock = given_clock(f, begin_us);
    struct member member = given_authenticating(f, clock, "tok_threeDSecureRequired");

    must_reply(ask_cancel(f, member.membership, true, "give-up"));
    int32_t before = (int32_t)payment_now(f, member.payment)->state;
    const Payment *confirmed = must_reply(ask_confirm(f, AS(SERVICE_BILLING), member.payment));
    advance(f, clock, begin_us + 2 * US_PER_DAY);

    assert_int_equal(before, PAYMENT_STATE(REQUIRES_ACTION)); /* a test clock stands still */
    assert_int_equal(confirmed->state, PAYMENT_STATE(SUCCEEDED));
    assert_int_equal(number_of(f, member.payer.customer, PAID_FOR_NOTHING), 1);
    assert_int_equal(number_of(f, member.payer.customer,
                               "count(*) FILTER (WHERE type = 'incident.opened') FROM dues.event"),
                     1);
    assert_int_equal(charges_of(f, member.payer.customer), 1);
}

static void who_pays_in_time_is_no_incident(void **state)
{
    struct rpc_fixture *f = *state;
    struct member member = given_authenticating(f, "", "tok_threeDSecureRequired");

    must_reply(ask_confirm(f, AS(SERVICE_BILLING), member.payment));
    must_reply(ask_cancel(f, member.membership, true, "later"));

    assert_string_equal(invoice_state(f, member.payer.customer), "PAID");
    assert_int_equal(number_of(f, member.payer.customer, "count(*) FROM dues.incident"), 0);
}

static int setup(void **state)
{
    return members_setup_with(state, SECOND_OPERATOR "incomplete_seconds = 60\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_gateway_lets_go_at_once),
        cmocka_unit_test(another_plan_gives_up_the_first_as_well),
        cmocka_unit_test(who_was_faster_than_another_plan_pays_once),
        cmocka_unit_test(who_was_faster_than_a_plan_for_nothing_has_paid),
        cmocka_unit_test(nothing_gives_way_while_it_is_not_known),
        cmocka_unit_test(who_authenticated_before_the_expiry_is_a_member),
        cmocka_unit_test(nobody_waits_longer_than_for_the_first_payment),
        cmocka_unit_test(a_customer_who_was_faster_gets_the_money_back),
        cmocka_unit_test(whoever_finds_out_first_it_is_one_incident),
        cmocka_unit_test(who_pays_in_time_is_no_incident),
    };
    return cmocka_run_group_tests_name("given up", tests, setup, rpc_teardown);
}
