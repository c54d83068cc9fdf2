/*
 * CancelMembership over the wire: at the period's end, now, twice, repeated, raced.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/time.h"
#include "support/rpc_membership.h"
#include "support/rpc_world.h"

#define MONTHLY "plans/premium-monthly"
#define START   "2026-01-10T10:00:00Z"
#define END     "2026-02-10T10:00:00Z"

struct member {
    const char *clock;
    const char *customer;
    const char *name;
};

static struct member given_member(struct rpc_fixture *f)
{
    struct member member = {.clock = given_clock(f, time_of(START))};

    member.customer = given_customer(f, member.clock);
    member.name =
        given_membership(f, member.customer, MONTHLY, given_card(f, member.customer, "tok_visa"))
            ->name;
    return member;
}

static const Membership *reply_of(const struct dues_answer *answer)
{
    assert_int_equal(answer->status, DUES_OK);
    return (const Membership *)answer->reply;
}

static void at_the_period_end_keeps_what_is_paid(void **state)
{
    struct rpc_fixture *f = *state;
    struct member member = given_member(f);

    const Membership *cancelled = reply_of(ask_cancel(f, member.name, false, NULL));

    assert_int_equal(cancelled->state, MEMBERSHIP_STATE(ACTIVE));
    assert_true(cancelled->cancel_at_period_end);
    assert_null(cancelled->next_charge_time);
    assert_true(time_in(cancelled->cancel_time) == time_of(START));

    advance(f, member.clock, time_of(END) - 1);
    assert_true(access_of(f, member.customer, "video.hd")->allowed);
    advance(f, member.clock, time_of(END));
    const Membership *now = membership_now(f, member.name);
    assert_int_equal(now->state, MEMBERSHIP_STATE(CANCELED));
    assert_true(time_in(now->end_time) == time_of(END));
    assert_int_equal(access_of(f, member.customer, "video.hd")->cause, CAUSE(CANCELED));

    advance(f, member.clock, time_of("2026-06-10T10:00:00Z"));
    assert_int_equal(charges_of(f, member.customer), 1);
}

static void now_ends_access_with_the_call(void **state)
{
    struct rpc_fixture *f = *state;
    struct member member = given_member(f);

    const Membership *cancelled = reply_of(ask_cancel(f, member.name, true, NULL));

    assert_int_equal(cancelled->state, MEMBERSHIP_STATE(CANCELED));
    assert_true(time_in(cancelled->access_end_time) == time_of(START));
    assert_false(access_of(f, member.customer, "video.hd")->allowed);
    advance(f, member.clock, time_of("2026-06-10T10:00:00Z"));
    assert_int_equal(charges_of(f, member.customer), 1);
}

static void twice_at_the_period_end_is_the_same_as_once(void **state)
{
    struct rpc_fixture *f = *state;
    struct member member = given_member(f);
    const Membership *first = reply_of(ask_cancel(f, member.name, false, NULL));
    advance(f, member.clock, time_of(START) + US_PER_DAY);

    const Membership *second = reply_of(ask_cancel(f, member.name, false, NULL));

    assert_true(second->cancel_at_period_end);
    assert_true(time_in(second->cancel_time) == time_in(first->cancel_time));
}

static void a_trial_can_be_cancelled_before_it_costs_anything(void **state)
{
    struct rpc_fixture *f = *state;
    const char *clock = given_clock(f, time_of(START));
    const char *customer = given_customer(f, clock);
    const char *card = given_card(f, customer, "tok_visa");
    const Membership *trial =
        reply_of(ask_membership(f, customer, "plans/premium-yearly", card, NULL));

    ask_cancel(f, trial->name, false, NULL);
    advance(f, clock, time_of(START) + 20 * US_PER_DAY);

    assert_int_equal(membership_now(f, trial->name)->state, MEMBERSHIP_STATE(CANCELED));
    assert_int_equal(charges_of(f, customer), 0);
}

static void an_incomplete_one_expires_now(void **state)
{
    struct rpc_fixture *f = *state;
    const char *customer = given_customer(f, "");
    const char *card = given_card(f, customer, "tok_chargeDeclined");
    const Membership *membership = given_membership(f, customer, MONTHLY, card);

    const Membership *cancelled = reply_of(ask_cancel(f, membership->name, false, NULL));

    assert_int_equal(cancelled->state, MEMBERSHIP_STATE(EXPIRED));
    assert_int_equal(invoices_of(f, customer)->invoices[0]->state, INVOICE_STATE(VOID));
}

static void refuses_what_has_ended(void **state)
{
    struct rpc_fixture *f = *state;
    struct member member = given_member(f);
    ask_cancel(f, member.name, true, NULL);

    const struct dues_answer *answer = ask_cancel(f, member.name, false, NULL);

    assert_int_equal(answer->status, DUES_FAILED_PRECONDITION);
    assert_string_equal(answer->reason, "MEMBERSHIP_ENDED");
}

static void answers_a_repeated_request_byte_for_byte(void **state)
{
    struct rpc_fixture *f = *state;
    struct member member = given_member(f);
    const char *request_id = new_request_id(f);
    const struct dues_answer *first = ask_cancel(f, member.name, true, request_id);

    const struct dues_answer *second = ask_cancel(f, member.name, true, request_id);
    const struct dues_answer *other = ask_cancel(f, member.name, false, request_id);

    assert_int_equal(second->status, DUES_OK);
    assert_true(second->replayed);
    assert_int_equal(second->reply_size, first->reply_size);
    assert_memory_equal(second->reply_bytes, first->reply_bytes, first->reply_size);
    assert_string_equal(other->reason, "REQUEST_ID_REUSED");
}

static void refuses_who_it_does_not_belong_to(void **state)
{
    struct rpc_fixture *f = *state;
    struct member member = given_member(f);
    struct rpc_world *world = world_new(f);
    const char *unknown =
        rpc_printf(f, "%s/memberships/%s", member.customer, db_uuid_text(f->db, db_uuid(f->db)));

    const struct dues_answer *foreign =
        ask_by_name(f, user_of(world), "CancelMembership", member.name);
    const struct dues_answer *own =
        ask_by_name(f, user_of(world), "CancelMembership", world->names.membership);
    world_free(world);

    assert_string_equal(foreign->reason, "MEMBERSHIP_NOT_FOUND");
    assert_int_equal(own->status, DUES_OK);
    assert_int_equal(membership_now(f, member.name)->state, MEMBERSHIP_STATE(ACTIVE));
    assert_string_equal(ask_cancel(f, unknown, true, NULL)->reason, "MEMBERSHIP_NOT_FOUND");
}

struct racer {
    struct rpc_fixture *f;
    const char *name;
    const struct dues_answer *answer;
};

static void *race(void *arg)
{
    struct racer *racer = arg;

    racer->answer = ask_cancel(racer->f, racer->name, true, NULL);
    return NULL;
}

static void one_of_two_racing_callers_ends_it(void **state)
{
    struct rpc_fixture *f = *state;
    struct member member = given_member(f);
    struct racer racers[2] = {{f, member.name, NULL}, {f, member.name, NULL}};

    rpc_race(race, racers, 2, sizeof(racers[0]));

    int won = (racers[0].answer->status == DUES_OK) + (racers[1].answer->status == DUES_OK);
    assert_int_equal(won, 1);
    assert_int_equal(db_count(f->db, db_printf(f->db,
                                               "dues.event WHERE customer_id = '%s'"
                                               " AND type = 'membership.canceled'",
                                               customer_id_of(f, member.customer))),
                     1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(at_the_period_end_keeps_what_is_paid),
        cmocka_unit_test(now_ends_access_with_the_call),
        cmocka_unit_test(twice_at_the_period_end_is_the_same_as_once),
        cmocka_unit_test(a_trial_can_be_cancelled_before_it_costs_anything),
        cmocka_unit_test(an_incomplete_one_expires_now),
        cmocka_unit_test(refuses_what_has_ended),
        cmocka_unit_test(answers_a_repeated_request_byte_for_byte),
        cmocka_unit_test(refuses_who_it_does_not_belong_to),
        cmocka_unit_test(one_of_two_racing_callers_ends_it),
    };
    return cmocka_run_group_tests_name("CancelMembership", tests, members_setup, rpc_teardown);
}
