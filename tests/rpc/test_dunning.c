/*
 * A renewal that is declined: retries on days 1, 3, 5, 8, 11 and 14, access in the grace of 7 days,
 * recovery inside and after it, the end on day 21.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/time.h"
#include "support/rpc_membership.h"

#define MONTHLY "plans/premium-monthly"
#define START   "2026-01-10T10:00:00Z"
#define DUE     "2026-02-10T10:00:00Z"

struct member {
    const char *clock;
    const char *customer;
    const char *name;
};

/* A member whose first charge succeeded and whose next ones are declined. */
static struct member given_member(struct rpc_fixture *f, const char *token)
{
    struct member member = {.clock = given_clock(f, time_of(START))};

    member.customer = given_customer(f, member.clock);
    member.name =
        given_membership(f, member.customer, MONTHLY, given_card(f, member.customer, token))->name;
    return member;
}

static int64_t tries_of(struct rpc_fixture *f, const struct member *member)
{
    return db_count(f->db, db_printf(f->db, "dues.payment WHERE customer_id = '%s'",
                                     customer_id_of(f, member->customer)));
}

static int64_t day(int days)
{
    return time_of(DUE) + days * US_PER_DAY;
}

static void retries_on_their_days_and_ends_on_day_21(void **state)
{
    static const struct {
        int day;
        int tries; /* with the first charge and the renewal */
        bool access;
        enum _Dues__Membership__V1__Membership__State state;
        int next_day; /* 0: none is to come */
    } timeline[] = {
        {0, 2, true, MEMBERSHIP_STATE(PAST_DUE), 1},
        {1, 3, true, MEMBERSHIP_STATE(PAST_DUE), 3},
        {2, 3, true, MEMBERSHIP_STATE(PAST_DUE), 3},
        {3, 4, true, MEMBERSHIP_STATE(PAST_DUE), 5},
        {5, 5, true, MEMBERSHIP_STATE(PAST_DUE), 8},
        {6, 5, true, MEMBERSHIP_STATE(PAST_DUE), 8},
        {7, 5, false, MEMBERSHIP_STATE(PAST_DUE), 8},
        {8, 6, false, MEMBERSHIP_STATE(PAST_DUE), 11},
        {11, 7, false, MEMBERSHIP_STATE(PAST_DUE), 14},
        {14, 8, false, MEMBERSHIP_STATE(PAST_DUE), 0},
        {20, 8, false, MEMBERSHIP_STATE(PAST_DUE), 0},
        {21, 8, false, MEMBERSHIP_STATE(CANCELED), 0},
    };
    struct rpc_fixture *f = *state;
    struct member member = given_member(f, "tok_declinesFromSecondCharge");

    for (size_t i = 0; i < ARRAY_LENGTH(timeline); i++) {
        advance(f, member.clock, day(timeline[i].day) - 1);
        if (timeline[i].day == 7)
            assert_true(access_of(f, member.customer, "video.hd")->allowed);
        advance(f, member.clock, day(timeline[i].day));

        const Membership *now = membership_now(f, member.name);
        assert_int_equal(now->state, timeline[i].state);
        assert_int_equal(tries_of(f, &member), timeline[i].tries);
        assert_true(time_in(now->next_charge_time) ==
                    (timeline[i].next_day == 0 ? 0 : day(timeline[i].next_day)));
        const Access *access = access_of(f, member.customer, "video.hd");
        assert_int_equal(access->allowed, timeline[i].access);
        assert_int_equal(access->cause, timeline[i].access     ? CAUSE(IN_GRACE)
                                        : timeline[i].day < 21 ? CAUSE(PAST_DUE)
                                                               : CAUSE(CANCELED));
    }
    assert_int_equal(charges_of(f, member.customer), 1);
    const Invoices *invoices = invoices_of(f, member.customer);
    assert_int_equal(invoices->n_invoices, 2);
    assert_int_equal(invoices->invoices[0]->state, INVOICE_STATE(UNCOLLECTIBLE));
    assert_int_equal(db_count(f->db, db_printf(f->db, "dues.obligation WHERE customer_id = '%s'",
                                               customer_id_of(f, member.customer))),
                     0);
}

static void what_is_open_to_everybody_stays_allowed(void **state)
{
    struct rpc_fixture *f = *state;
    struct member member = given_member(f, "tok_declinesFromSecondCharge");

    advance(f, member.clock, day(30));

    assert_false(access_of(f, member.customer, "library.download")->allowed);
    const Access *access = access_of(f, member.customer, "library.read");
    assert_true(access->allowed);
    assert_string_equal(access->tier, "tiers/free");
}

static void recovered_inside_the_grace_keeps_its_dates(void **state)
{
    struct rpc_fixture *f = *state;
    struct member member = given_member(f, "tok_declinesFromSecondCharge");
    advance(f, member.clock, day(4));
    const char *card = given_card(f, member.customer, "tok_visa");

    advance(f, member.clock, day(5));

    const Membership *now = membership_now(f, member.name);
    assert_int_equal(now->state, MEMBERSHIP_STATE(ACTIVE));
    assert_true(time_in(now->current_period_start_time) == time_of(DUE));
    assert_true(time_in(now->current_period_end_time) == time_of("2026-03-10T10:00:00Z"));
    assert_string_equal(now->payment_method, card);
    assert_null(now->last_decline);
    const Invoices *invoices = invoices_of(f, member.customer);
    assert_int_equal(invoices->n_invoices, 2);
    assert_int_equal(invoices->invoices[0]->state, INVOICE_STATE(PAID));

    advance(f, member.clock, time_of("2026-03-10T10:00:00Z"));
    assert_int_equal(charges_of(f, member.customer), 3);
}

static void recovered_after_the_grace_begins_anew(void **state)
{
    struct rpc_fixture *f = *state;
    struct member member = given_member(f, "tok_declinesFromSecondCharge");
    advance(f, member.clock, day(9));
    assert_false(access_of(f, member.customer, "video.hd")->allowed);
    given_card(f, member.customer, "tok_visa");

    advance(f, member.clock, day(11));

    const Membership *now = membership_now(f, member.name);
    assert_int_equal(now->state, MEMBERSHIP_STATE(ACTIVE));
    assert_true(time_in(now->current_period_start_time) == day(11));
    assert_true(time_in(now->current_period_end_time) == time_of("2026-03-21T10:00:00Z"));
    assert_true(access_of(f, member.customer, "video.hd")->allowed);
    const Invoices *invoices = invoices_of(f, member.customer);
    assert_int_equal(invoices->n_invoices, 2);
    assert_true(time_in(invoices->invoices[0]->period_start_time) == day(11));
    assert_true(time_in(invoices->invoices[0]->lines[0]->period_start_time) == day(11));

    advance(f, member.clock, time_of("2026-03-21T10:00:00Z"));
    assert_int_equal(charges_of(f, member.customer), 3);
    assert_int_equal(invoices_of(f, member.customer)->n_invoices, 3);
}

/* A first charge that succeeds, then the bank wants the customer: nothing is sent until a new card.
 */
static void asks_the_bank_no_more_when_it_wants_the_customer(void **state)
{
    struct rpc_fixture *f = *state;
    struct member member = given_member(f, "tok_visa");
    db_execute(
        f->db,
        db_printf(f->db,
                  "UPDATE dues.membership SET payment_method_id = '%.36s'"
                  " WHERE customer_id = '%s'",
                  strrchr(given_card(f, member.customer, "tok_authenticationRequired"), '/') + 1,
                  customer_id_of(f, member.customer)));

    advance(f, member.clock, day(4));

    const Membership *now = membership_now(f, member.name);
    assert_int_equal(now->state, MEMBERSHIP_STATE(PAST_DUE));
    assert_string_equal(now->last_decline->code, "authentication_required");
    assert_null(now->next_charge_time);
    assert_int_equal(tries_of(f, &member), 2);

    given_card(f, member.customer, "tok_visa");
    advance(f, member.clock, day(5));
    assert_int_equal(membership_now(f, member.name)->state, MEMBERSHIP_STATE(ACTIVE));
    assert_int_equal(charges_of(f, member.customer), 2);
}

static void cancelling_while_past_due_ends_it(void **state)
{
    struct rpc_fixture *f = *state;
    struct member member = given_member(f, "tok_declinesFromSecondCharge");
    advance(f, member.clock, day(2));

    assert_int_equal(ask_cancel(f, member.name, false, NULL)->status, DUES_OK);

    const Membership *now = membership_now(f, member.name);
    assert_int_equal(now->state, MEMBERSHIP_STATE(CANCELED));
    assert_false(access_of(f, member.customer, "video.hd")->allowed);
    assert_int_equal(invoices_of(f, member.customer)->invoices[0]->state, INVOICE_STATE(VOID));
    advance(f, member.clock, day(30));
    assert_int_equal(tries_of(f, &member), 3);
}

static void written_off_invoices_leave_no_claim(void **state)
{
    struct rpc_fixture *f = *state;
    struct member member = given_member(f, "tok_declinesFromSecondCharge");

    advance(f, member.clock, day(21));

    assert_int_equal(db_number(f->db, db_printf(f->db,
                                                "SELECT coalesce(sum(amount), 0)"
                                                "  FROM dues.ledger_entry WHERE customer_id = '%s'"
                                                "   AND account = 'customer_receivable'",
                                                customer_id_of(f, member.customer))),
                     0);
    assert_int_equal(db_number(f->db, db_printf(f->db,
                                                "SELECT sum(amount) FROM dues.ledger_entry"
                                                " WHERE customer_id = '%s'"
                                                "   AND account = 'bad_debt'",
                                                customer_id_of(f, member.customer))),
                     999);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(retries_on_their_days_and_ends_on_day_21),
        cmocka_unit_test(what_is_open_to_everybody_stays_allowed),
        cmocka_unit_test(recovered_inside_the_grace_keeps_its_dates),
        cmocka_unit_test(recovered_after_the_grace_begins_anew),
        cmocka_unit_test(asks_the_bank_no_more_when_it_wants_the_customer),
        cmocka_unit_test(cancelling_while_past_due_ends_it),
        cmocka_unit_test(written_off_invoices_leave_no_claim),
    };
    return cmocka_run_group_tests_name("Dunning", tests, members_setup, rpc_teardown);
}
