/*
 * Renewals over months and years, on test clocks: the days, one charge a period, and what happens
 * when a renewal's outcome is not known.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/time.h"
#include "support/patience.h"
#include "support/rpc_membership.h"

#define MONTHLY "plans/premium-monthly"
#define YEARLY  "plans/premium-yearly"

struct member {
    const char *clock;
    const char *customer;
    const char *name; /* of the membership */
};

static struct member given_member(struct rpc_fixture *f, const char *start, const char *plan,
                                  const char *token)
{
    struct member member = {.clock = given_clock(f, time_of(start))};

    member.customer = given_customer(f, member.clock);
    const char *card = given_card(f, member.customer, token);
    member.name = given_membership(f, member.customer, plan, card)->name;
    return member;
}

/* Invoices are newest first; `starts` is in order of time. */
static void assert_periods(struct rpc_fixture *f, const struct member *member,
                           const char *const *starts, size_t count)
{
    const Invoices *invoices = invoices_of(f, member->customer);

    assert_int_equal(invoices->n_invoices, count - 1);
    for (size_t i = 0; i + 1 < count; i++) {
        const Dues__Membership__V1__Invoice *invoice = invoices->invoices[count - 2 - i];
        assert_string_equal(invoice->number, rpc_printf(f, "%zu", i + 1));
        assert_int_equal(invoice->state, INVOICE_STATE(PAID));
        assert_true(time_in(invoice->period_start_time) == time_of(starts[i]));
        assert_true(time_in(invoice->period_end_time) == time_of(starts[i + 1]));
    }
}

static void twelve_renewals_in_one_advance_of_a_year(void **state)
{
    static const char *const starts[] = {
        "2026-01-31T10:00:00Z", "2026-02-28T10:00:00Z", "2026-03-31T10:00:00Z",
        "2026-04-30T10:00:00Z", "2026-05-31T10:00:00Z", "2026-06-30T10:00:00Z",
        "2026-07-31T10:00:00Z", "2026-08-31T10:00:00Z", "2026-09-30T10:00:00Z",
        "2026-10-31T10:00:00Z", "2026-11-30T10:00:00Z", "2026-12-31T10:00:00Z",
        "2027-01-31T10:00:00Z", "2027-02-28T10:00:00Z"};
    struct rpc_fixture *f = *state;
    struct member member = given_member(f, starts[0], MONTHLY, "tok_visa");

    advance(f, member.clock, time_of("2027-01-31T10:00:00Z"));

    assert_int_equal(charges_of(f, member.customer), 13);
    assert_periods(f, &member, starts, ARRAY_LENGTH(starts));
    const Membership *now = membership_now(f, member.name);
    assert_int_equal(now->state, MEMBERSHIP_STATE(ACTIVE));
    assert_true(time_in(now->current_period_start_time) == time_of(starts[12]));
    assert_true(time_in(now->next_charge_time) == time_of(starts[13]));
}

static void the_31st_comes_back_after_a_leap_february(void **state)
{
    static const char *const starts[] = {"2027-12-31T23:30:00Z", "2028-01-31T23:30:00Z",
                                         "2028-02-29T23:30:00Z", "2028-03-31T23:30:00Z",
                                         "2028-04-30T23:30:00Z"};
    struct rpc_fixture *f = *state;
    struct member member = given_member(f, starts[0], MONTHLY, "tok_visa");

    advance(f, member.clock, time_of("2028-04-01T00:00:00Z"));

    assert_periods(f, &member, starts, ARRAY_LENGTH(starts));
}

static void a_year_from_29_february_comes_back_to_it(void **state)
{
    static const char *const starts[] = {"2024-02-29T00:00:00Z", "2025-02-28T00:00:00Z",
                                         "2026-02-28T00:00:00Z", "2027-02-28T00:00:00Z",
                                         "2028-02-29T00:00:00Z", "2029-02-28T00:00:00Z"};
    struct rpc_fixture *f = *state;
    struct member member = given_member(f, starts[0], YEARLY, "tok_visa");

    advance(f, member.clock, time_of("2026-02-28T00:00:00Z"));
    advance(f, member.clock, time_of("2028-02-29T00:00:00Z"));

    assert_periods(f, &member, starts, ARRAY_LENGTH(starts));
    assert_int_equal(charges_of(f, member.customer), 5);
}

static void months_from_29_january_over_two_years(void **state)
{
    struct rpc_fixture *f = *state;
    struct member member = given_member(f, "2027-01-29T12:00:00Z", MONTHLY, "tok_visa");

    advance(f, member.clock, time_of("2028-12-29T12:00:00Z"));

    const Invoices *invoices = invoices_of(f, member.customer);
    assert_int_equal(invoices->n_invoices, 24);
    /* 2027 has no 29 February, 2028 has. */
    assert_true(time_in(invoices->invoices[22]->period_start_time) ==
                time_of("2027-02-28T12:00:00Z"));
    assert_true(time_in(invoices->invoices[21]->period_start_time) ==
                time_of("2027-03-29T12:00:00Z"));
    assert_true(time_in(invoices->invoices[10]->period_start_time) ==
                time_of("2028-02-29T12:00:00Z"));
    assert_int_equal(charges_of(f, member.customer), 24);
}

static void nothing_is_charged_before_the_period_ends(void **state)
{
    struct rpc_fixture *f = *state;
    struct member member = given_member(f, "2026-03-15T08:00:00Z", MONTHLY, "tok_visa");

    advance(f, member.clock, time_of("2026-04-15T08:00:00Z") - 1);
    assert_int_equal(charges_of(f, member.customer), 1);

    advance(f, member.clock, time_of("2026-04-15T08:00:00Z"));
    assert_int_equal(charges_of(f, member.customer), 2);
}

static void the_first_charge_comes_when_the_trial_ends(void **state)
{
    struct rpc_fixture *f = *state;
    const char *clock = given_clock(f, time_of("2026-01-31T10:00:00Z"));
    const char *customer = given_customer(f, clock);
    const char *card = given_card(f, customer, "tok_visa");
    const struct dues_answer *answer = ask_membership(f, customer, YEARLY, card, NULL);
    const Membership *trial = (const Membership *)answer->reply;

    advance(f, clock, time_of("2026-02-14T10:00:00Z") - 1);
    assert_int_equal(charges_of(f, customer), 0);
    advance(f, clock, time_of("2026-02-14T10:00:00Z"));

    const Membership *now = membership_now(f, trial->name);
    assert_int_equal(now->state, MEMBERSHIP_STATE(ACTIVE));
    assert_int_equal(charges_of(f, customer), 1);
    assert_true(time_in(now->current_period_start_time) == time_of("2026-02-14T10:00:00Z"));
    assert_true(time_in(now->current_period_end_time) == time_of("2027-02-14T10:00:00Z"));
}

static void an_unknown_outcome_charges_each_period_once(void **state)
{
    struct rpc_fixture *f = *state;
    struct member member =
        given_member(f, "2026-01-31T10:00:00Z", MONTHLY, "tok_timeoutAfterSuccess");

    advance(f, member.clock, time_of("2026-06-30T10:00:00Z"));

    const Membership *now = membership_now(f, member.name);
    assert_int_equal(now->state, MEMBERSHIP_STATE(ACTIVE));
    assert_true(time_in(now->current_period_start_time) == time_of("2026-06-30T10:00:00Z"));
    assert_int_equal(invoices_of(f, member.customer)->n_invoices, 6);
    assert_int_equal(charges_of(f, member.customer), 6);
}

static int64_t balance_of(struct rpc_fixture *f, const char *customer_id, const char *account)
{
    return db_number(f->db, db_printf(f->db,
                                      "SELECT coalesce(sum(amount), 0) FROM dues.ledger_entry"
                                      " WHERE customer_id = '%s' AND account = '%s'",
                                      customer_id, account));
}

static void every_account_adds_up(void **state)
{
    struct rpc_fixture *f = *state;
    struct member member = given_member(f, "2026-01-31T10:00:00Z", MONTHLY, "tok_visa");
    const char *id = customer_id_of(f, member.customer);

    advance(f, member.clock, time_of("2026-03-31T10:00:00Z"));

    assert_int_equal(balance_of(f, id, "customer_receivable"), 0);
    assert_int_equal(balance_of(f, id, "gateway_clearing:sandbox"), 3 * 999);
    assert_int_equal(balance_of(f, id, "revenue"), -3 * 999);
    /* Events and invoices are numbered without gaps. */
    assert_int_equal(db_number(f->db, db_printf(f->db,
                                                "SELECT max(sequence) - count(*) FROM dues.event"
                                                " WHERE customer_id = '%s'",
                                                id)),
                     0);
}

static void many_customers_share_a_clock(void **state)
{
    struct rpc_fixture *f = *state;
    const char *clock = given_clock(f, time_of("2026-01-10T00:00:00Z"));
    const char *customers[5];

    for (size_t i = 0; i < ARRAY_LENGTH(customers); i++) {
        customers[i] = given_customer(f, clock);
        given_membership(f, customers[i], MONTHLY, given_card(f, customers[i], "tok_visa"));
    }
    advance(f, clock, time_of("2026-04-10T00:00:00Z"));

    for (size_t i = 0; i < ARRAY_LENGTH(customers); i++)
        assert_int_equal(charges_of(f, customers[i]), 4);
}

/* In wall time the engine does it by itself. */
static void a_customer_without_a_clock_is_renewed_by_the_engine(void **state)
{
    struct rpc_fixture *f = *state;
    const char *customer = given_customer(f, "");
    const Membership *member =
        given_membership(f, customer, MONTHLY, given_card(f, customer, "tok_visa"));

    fake_clock_set(f->clock, time_in(member->current_period_end_time) + US_PER_SECOND);
    /* The gateway knows of the charge a moment before the membership does. */
    const Membership *now = membership_now(f, member->name);
    for (struct patience patience = {0};
         time_in(now->current_period_start_time) == time_in(member->current_period_start_time) &&
         patience_lasts(&patience);)
        now = membership_now(f, member->name);

    assert_int_equal(charges_of(f, customer), 2);
    assert_true(time_in(now->current_period_start_time) ==
                time_in(member->current_period_end_time));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(twelve_renewals_in_one_advance_of_a_year),
        cmocka_unit_test(the_31st_comes_back_after_a_leap_february),
        cmocka_unit_test(a_year_from_29_february_comes_back_to_it),
        cmocka_unit_test(months_from_29_january_over_two_years),
        cmocka_unit_test(nothing_is_charged_before_the_period_ends),
        cmocka_unit_test(the_first_charge_comes_when_the_trial_ends),
        cmocka_unit_test(an_unknown_outcome_charges_each_period_once),
        cmocka_unit_test(every_account_adds_up),
        cmocka_unit_test(many_customers_share_a_clock),
        cmocka_unit_test(a_customer_without_a_clock_is_renewed_by_the_engine),
    };
    return cmocka_run_group_tests_name("Renewal", tests, members_setup, rpc_teardown);
}
