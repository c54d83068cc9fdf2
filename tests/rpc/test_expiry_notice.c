/*
 * The notice of a card's expiry: 30 days before the end of its month, in the customer's time, once,
 * for the card that a membership renews with.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/time.h"
#include "support/rpc_card.h"

#define MONTHLY  "plans/premium-monthly"
#define START    "2026-01-10T10:00:00Z"
#define EXPIRING "payment_method.expiring"

/* Of a card that expires in April 2026: 30 days before the first of May. */
#define NOTICE "2026-04-01T00:00:00Z"
#define APRIL  ((struct card_change){.mask = "exp_month,exp_year", .exp_month = 4, .exp_year = 2026})

struct member {
    const char *clock;
    const char *customer;
    const char *card;
    const char *name;
};

static struct member given_member(struct rpc_fixture *f)
{
    struct member member = {.clock = given_clock(f, time_of(START))};

    member.customer = given_customer(f, member.clock);
    member.card = given_card(f, member.customer, "tok_visa");
    member.name = given_membership(f, member.customer, MONTHLY, member.card)->name;
    return member;
}

static int64_t owed(struct rpc_fixture *f, const struct member *member)
{
    return db_count(f->db, db_printf(f->db,
                                     "dues.obligation WHERE customer_id = '%s'"
                                     " AND kind = 'payment_method.expiry'",
                                     customer_id_of(f, member->customer)));
}

static void comes_thirty_days_before_the_end_of_the_month(void **state)
{
    struct rpc_fixture *f = *state;
    struct member member = given_member(f);
    change_card(f, member.card, APRIL);

    advance(f, member.clock, time_of(NOTICE) - 1);
    assert_int_equal(events_of(f, member.customer, EXPIRING), 0);
    advance(f, member.clock, time_of(NOTICE));

    assert_int_equal(events_of(f, member.customer, EXPIRING), 1);
    const char *data =
        db_text(f->db, db_printf(f->db,
                                 "SELECT data->>'last4' || ' ' ||"
                                 " (data->>'exp_month') || '/' || (data->>'exp_year')"
                                 " FROM dues.event WHERE customer_id = '%s'"
                                 " AND type = '" EXPIRING "'",
                                 customer_id_of(f, member.customer)));
    assert_string_equal(data, "4242 4/2026");
}

static void comes_once(void **state)
{
    struct rpc_fixture *f = *state;
    struct member member = given_member(f);
    change_card(f, member.card, APRIL);
    advance(f, member.clock, time_of(NOTICE));

    /* What makes the server look again: another default, and back. */
    const char *other = given_card(f, member.customer, "tok_mastercard");
    change_card(f, other, (struct card_change){.mask = "is_default", .is_default = true});
    change_card(f, member.card, (struct card_change){.mask = "is_default", .is_default = true});
    advance(f, member.clock, time_of("2026-06-01T00:00:00Z"));

    assert_int_equal(events_of(f, member.customer, EXPIRING), 1);
    assert_int_equal(owed(f, &member), 0);
}

static void a_renewed_card_is_announced_for_its_own_month(void **state)
{
    struct rpc_fixture *f = *state;
    struct member member = given_member(f);
    change_card(f, member.card, APRIL);

    change_card(f, member.card, (struct card_change){.mask = "exp_month", .exp_month = 6});
    advance(f, member.clock, time_of("2026-05-31T23:59:59Z"));
    assert_int_equal(events_of(f, member.customer, EXPIRING), 0);
    advance(f, member.clock, time_of("2026-06-01T00:00:00Z"));

    assert_int_equal(events_of(f, member.customer, EXPIRING), 1);
}

static void only_the_card_that_will_be_charged_is_announced(void **state)
{
    struct rpc_fixture *f = *state;
    struct member member = given_member(f);
    const char *spare = given_card(f, member.customer, "tok_mastercard");
    change_card(f, spare, APRIL);

    advance(f, member.clock, time_of("2026-04-05T00:00:00Z"));
    assert_int_equal(events_of(f, member.customer, EXPIRING), 0);
    /* Late, but not too late: it becomes the one in the month in which it expires. */
    change_card(f, spare, (struct card_change){.mask = "is_default", .is_default = true});
    advance(f, member.clock, time_of("2026-04-05T00:00:01Z"));

    assert_int_equal(events_of(f, member.customer, EXPIRING), 1);
}

static void nobody_is_told_who_is_charged_no_more(void **state)
{
    struct rpc_fixture *f = *state;
    struct member leaving = given_member(f);
    struct member gone = given_member(f);
    change_card(f, leaving.card, APRIL);
    change_card(f, gone.card, APRIL);
    advance(f, leaving.clock, time_of("2026-03-20T00:00:00Z"));

    ask_cancel(f, leaving.name, false, NULL);
    ask_cancel(f, gone.name, true, NULL);
    advance(f, leaving.clock, time_of(NOTICE));
    advance(f, gone.clock, time_of(NOTICE));

    assert_int_equal(events_of(f, leaving.customer, EXPIRING), 0);
    assert_int_equal(events_of(f, gone.customer, EXPIRING), 0);
    assert_int_equal(owed(f, &gone), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(comes_thirty_days_before_the_end_of_the_month),
        cmocka_unit_test(comes_once),
        cmocka_unit_test(a_renewed_card_is_announced_for_its_own_month),
        cmocka_unit_test(only_the_card_that_will_be_charged_is_announced),
        cmocka_unit_test(nobody_is_told_who_is_charged_no_more),
    };
    return cmocka_run_group_tests_name("expiry notice", tests, members_setup, rpc_teardown);
}
