/*
 * UpdatePaymentMethod: the default, a renewed expiry, consent.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/text.h"
#include "base/time.h"
#include "support/rpc_card.h"

#define MONTHLY "plans/premium-monthly"
#define START   "2026-01-10T10:00:00Z"
#define DUE     "2026-02-10T10:00:00Z"

#define MAKE_DEFAULT ((struct card_change){.mask = "is_default", .is_default = true})

static void takes_the_expiry_of_a_renewed_card(void **state)
{
    struct rpc_fixture *f = *state;
    struct payer payer = given_payer(f, "tok_visa");

    const PaymentMethod *changed = change_card(
        f, payer.card,
        (struct card_change){.mask = "exp_month,exp_year", .exp_month = 3, .exp_year = 2037});

    assert_int_equal(changed->exp_month, 3);
    assert_int_equal(changed->exp_year, 2037);
    assert_string_equal(changed->last4, "4242");
    assert_string_equal(changed->gateway_token, "");
    const PaymentMethod *now = card_now(f, payer.card);
    assert_int_equal(now->exp_year, 2037);
    assert_int_equal(events_of(f, payer.customer, "payment_method.updated"), 1);
    given_payment(f, payer);
}

static void changes_only_what_the_mask_names(void **state)
{
    struct rpc_fixture *f = *state;
    struct payer payer = given_payer(f, "tok_visa");

    const PaymentMethod *changed = change_card(
        f, payer.card, (struct card_change){.mask = "exp_year", .exp_month = 3, .exp_year = 2037});

    assert_int_equal(changed->exp_month, 12);
    assert_int_equal(changed->exp_year, 2037);
    assert_true(changed->is_default);
    assert_non_null(changed->mandate);
}

static void makes_another_the_default(void **state)
{
    struct rpc_fixture *f = *state;
    struct payer payer = given_payer(f, "tok_visa");
    const char *other = given_card(f, payer.customer, "tok_mastercard");

    const PaymentMethod *changed = change_card(f, other, MAKE_DEFAULT);

    assert_true(changed->is_default);
    assert_true(card_now(f, other)->is_default);
    assert_false(card_now(f, payer.card)->is_default);
}

static void a_membership_follows_the_default(void **state)
{
    struct rpc_fixture *f = *state;
    const char *clock = given_clock(f, time_of(START));
    const char *customer = given_customer(f, clock);
    const char *first = given_card(f, customer, "tok_declinesFromSecondCharge");
    const char *membership = given_membership(f, customer, MONTHLY, first)->name;
    const char *second = given_card(f, customer, "tok_visa");

    change_card(f, second, MAKE_DEFAULT);
    assert_string_equal(membership_now(f, membership)->payment_method, second);
    advance(f, clock, time_of(DUE));

    const Membership *now = membership_now(f, membership);
    assert_int_equal(now->state, MEMBERSHIP_STATE(ACTIVE));
    assert_int_equal(charges_of(f, customer), 2);
    assert_int_equal(events_of(f, customer, "membership.payment_method_changed"), 1);
}

static void a_membership_with_a_card_of_its_own_stays_with_it(void **state)
{
    struct rpc_fixture *f = *state;
    const char *customer = given_customer(f, "");
    given_card(f, customer, "tok_visa");
    const char *own = given_card(f, customer, "tok_mastercard");
    const char *membership = given_membership(f, customer, MONTHLY, own)->name;
    const char *third = given_card(f, customer, "tok_amex");

    change_card(f, third, MAKE_DEFAULT);

    assert_string_equal(membership_now(f, membership)->payment_method, own);
}

static void a_membership_does_not_follow_to_a_card_without_consent(void **state)
{
    struct rpc_fixture *f = *state;
    const char *customer = given_customer(f, "");
    const char *first = given_card(f, customer, "tok_visa");
    const char *membership = given_membership(f, customer, MONTHLY, first)->name;

    change_card(f, given_bare_card(f, customer, "tok_amex"), MAKE_DEFAULT);

    assert_string_equal(membership_now(f, membership)->payment_method, first);
}

/* The declined card was the default; an older stored one takes its place and pays the next retry.
 */
static void a_new_default_pays_what_the_old_one_could_not(void **state)
{
    struct rpc_fixture *f = *state;
    const char *clock = given_clock(f, time_of(START));
    const char *customer = given_customer(f, clock);
    const char *first = given_card(f, customer, "tok_declinesFromSecondCharge");
    const char *spare = given_card(f, customer, "tok_visa");
    const char *membership = given_membership(f, customer, MONTHLY, first)->name;
    advance(f, clock, time_of(DUE));
    assert_int_equal(membership_now(f, membership)->state, MEMBERSHIP_STATE(PAST_DUE));

    change_card(f, spare, MAKE_DEFAULT);
    const Membership *waiting = membership_now(f, membership);
    assert_true(time_in(waiting->next_charge_time) == time_of(DUE) + US_PER_DAY);
    advance(f, clock, time_of(DUE) + US_PER_DAY);

    const Membership *now = membership_now(f, membership);
    assert_int_equal(now->state, MEMBERSHIP_STATE(ACTIVE));
    assert_string_equal(now->payment_method, spare);
}

static void answers_a_repeat_with_the_first_answer(void **state)
{
    struct rpc_fixture *f = *state;
    struct payer payer = given_payer(f, "tok_visa");
    struct card_change change = {.mask = "exp_year", .exp_year = 2037, .request_id = "update-1"};

    const struct dues_answer *first = ask_card_change(f, AS(SERVICE_BILLING), payer.card, change);
    change_card(f, payer.card, (struct card_change){.mask = "exp_year", .exp_year = 2038});
    const struct dues_answer *again = ask_card_change(f, AS(SERVICE_BILLING), payer.card, change);
    change.exp_year = 2039;
    const struct dues_answer *other = ask_card_change(f, AS(SERVICE_BILLING), payer.card, change);

    assert_true(is_replayed(again));
    assert_memory_equal(again->reply_bytes, first->reply_bytes, first->reply_size);
    assert_string_equal(other->reason, "REQUEST_ID_REUSED");
    assert_int_equal(card_now(f, payer.card)->exp_year, 2038);
}

static void refuses_what_makes_no_sense(void **state)
{
    static const struct {
        struct card_change change;
        const char *field;
    } wrong[] = {
        {{.mask = ""}, "update_mask"},
        {{.mask = "*"}, "update_mask"},
        {{.mask = "gateway_token"}, "update_mask"},
        {{.mask = "exp_year,last4", .exp_year = 2037}, "update_mask"},
        {{.mask = "is_default", .is_default = false}, "payment_method.is_default"},
        {{.mask = "exp_month", .exp_month = 13}, "payment_method.exp_month"},
        {{.mask = "exp_month", .exp_month = 0}, "payment_method.exp_month"},
        {{.mask = "exp_year", .exp_year = 35}, "payment_method.exp_year"},
    };
    struct rpc_fixture *f = *state;
    struct payer payer = given_payer(f, "tok_visa");

    for (size_t i = 0; i < ARRAY_LENGTH(wrong); i++) {
        const struct dues_answer *answer =
            ask_card_change(f, AS(SERVICE_BILLING), payer.card, wrong[i].change);

        assert_int_equal(answer->status, DUES_INVALID_ARGUMENT);
        assert_string_equal(answer->reason, "INVALID_FIELD");
        assert_true(answer_names(answer, wrong[i].field));
    }
    assert_int_equal(events_of(f, payer.customer, "payment_method.updated"), 0);
}

static void finds_no_card_of_somebody_else(void **state)
{
    struct rpc_fixture *f = *state;
    struct rpc_world *world = world_new(f);
    const char *theirs = given_card(f, world->other.customer, "tok_visa");

    const struct dues_answer *answer = ask_card_change(
        f, user_of(world), theirs, (struct card_change){.mask = "exp_year", .exp_year = 2037});
    const struct dues_answer *unknown =
        ask_card_change(f, AS(SERVICE_BILLING),
                        rpc_printf(f, "%s/paymentMethods/%s", world->other.customer,
                                   "018f0000-0000-7000-8000-000000000000"),
                        MAKE_DEFAULT);

    assert_int_equal(answer->status, DUES_NOT_FOUND);
    assert_string_equal(answer->reason, "PAYMENT_METHOD_NOT_FOUND");
    assert_string_equal(unknown->reason, "PAYMENT_METHOD_NOT_FOUND");
    assert_int_equal(card_now(f, theirs)->exp_year, 2034);
    world_free(world);
}

static void a_user_changes_its_own(void **state)
{
    struct rpc_fixture *f = *state;
    struct rpc_world *world = world_new(f);
    const char *mine = given_card(f, world->owner.customer, "tok_visa");
    const char *as_me = rpc_printf(f, "customers/me/paymentMethods/%s", strrchr(mine, '/') + 1);

    const PaymentMethod *changed = must_reply(ask_card_change(
        f, user_of(world), as_me, (struct card_change){.mask = "exp_year", .exp_year = 2037}));

    assert_string_equal(changed->name, mine);
    assert_int_equal(changed->exp_year, 2037);
    world_free(world);
}

static void a_deleted_card_is_not_changed(void **state)
{
    struct rpc_fixture *f = *state;
    struct payer payer = given_payer(f, "tok_visa");
    assert_int_equal(ask_card_deletion(f, AS(SERVICE_BILLING), payer.card, NULL)->status, DUES_OK);

    const struct dues_answer *answer =
        ask_card_change(f, AS(SERVICE_BILLING), payer.card, MAKE_DEFAULT);

    assert_int_equal(answer->status, DUES_FAILED_PRECONDITION);
    assert_string_equal(answer->reason, "PAYMENT_METHOD_UNUSABLE");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_the_expiry_of_a_renewed_card),
        cmocka_unit_test(changes_only_what_the_mask_names),
        cmocka_unit_test(makes_another_the_default),
        cmocka_unit_test(a_membership_follows_the_default),
        cmocka_unit_test(a_membership_with_a_card_of_its_own_stays_with_it),
        cmocka_unit_test(a_membership_does_not_follow_to_a_card_without_consent),
        cmocka_unit_test(a_new_default_pays_what_the_old_one_could_not),
        cmocka_unit_test(answers_a_repeat_with_the_first_answer),
        cmocka_unit_test(refuses_what_makes_no_sense),
        cmocka_unit_test(finds_no_card_of_somebody_else),
        cmocka_unit_test(a_user_changes_its_own),
        cmocka_unit_test(a_deleted_card_is_not_changed),
    };
    return cmocka_run_group_tests_name("UpdatePaymentMethod", tests, members_setup, rpc_teardown);
}
