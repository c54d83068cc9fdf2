/*
 * DeletePaymentMethod: the token is gone, the history stays, and no membership is left without a
 * card.
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

static void remove_card(struct rpc_fixture *f, const char *card)
{
    assert_int_equal(ask_card_deletion(f, AS(SERVICE_BILLING), card, NULL)->status, DUES_OK);
}

static int64_t token_size(struct rpc_fixture *f, const char *card)
{
    return db_number(f->db, db_printf(f->db,
                                      "SELECT length(token_sealed) FROM dues.payment_method"
                                      " WHERE payment_method_id = '%s'",
                                      strrchr(card, '/') + 1));
}

static void forgets_the_token_and_keeps_the_history(void **state)
{
    struct rpc_fixture *f = *state;
    struct payer payer = given_payer(f, "tok_visa");
    const char *payment = given_payment(f, payer);
    assert_true(token_size(f, payer.card) > 0);

    remove_card(f, payer.card);

    assert_int_equal(token_size(f, payer.card), 0);
    const PaymentMethod *card = card_now(f, payer.card);
    assert_int_equal(card->state, CARD_STATE(DELETED));
    assert_string_equal(card->last4, "4242");
    assert_non_null(card->delete_time);
    assert_false(card->is_default);
    const Payment *paid =
        must_reply(ask_payment_by_name(f, AS(SERVICE_BILLING), "GetPayment", payment));
    assert_string_equal(paid->payment_method, payer.card);
    assert_int_equal(events_of(f, payer.customer, "payment_method.deleted"), 1);
    /* What was paid with it can still be given back. */
    given_refund(f, payment, 100);
}

static void it_is_listed_and_charged_no_more(void **state)
{
    struct rpc_fixture *f = *state;
    struct payer payer = given_payer(f, "tok_visa");
    const char *other = given_card(f, payer.customer, "tok_mastercard");

    remove_card(f, payer.card);

    const Dues__Payment__V1__ListPaymentMethodsResponse *page = must_reply(
        ask_payment_list(f, AS(SERVICE_BILLING), "ListPaymentMethods", payer.customer, 0, "", ""));
    assert_int_equal(page->n_payment_methods, 1);
    assert_string_equal(page->payment_methods[0]->name, other);
    const struct dues_answer *answer = ask_payment(f, payer, new_request_id(f));
    assert_string_equal(answer->reason, "PAYMENT_METHOD_UNUSABLE");
    assert_int_equal(charges_of(f, payer.customer), 0);
}

static void the_newest_of_the_others_becomes_the_default(void **state)
{
    struct rpc_fixture *f = *state;
    const char *clock = given_clock(f, time_of("2026-01-10T10:00:00Z"));
    const char *customer = given_customer(f, clock);
    struct payer payer = {customer, given_card(f, customer, "tok_visa")};
    advance(f, clock, time_of("2026-01-10T10:00:01Z"));
    const char *second = given_card(f, payer.customer, "tok_mastercard");
    advance(f, clock, time_of("2026-01-10T10:00:02Z"));
    const char *third = given_card(f, payer.customer, "tok_amex");

    remove_card(f, payer.card);
    assert_true(card_now(f, third)->is_default);
    remove_card(f, third);
    assert_true(card_now(f, second)->is_default);
    remove_card(f, second);

    const PaymentMethod *next = card_now(f, given_card(f, payer.customer, "tok_visa"));
    assert_true(next->is_default);
}

static void deleting_it_twice_is_deleting_it_once(void **state)
{
    struct rpc_fixture *f = *state;
    struct payer payer = given_payer(f, "tok_visa");
    remove_card(f, payer.card);

    remove_card(f, payer.card);

    assert_int_equal(events_of(f, payer.customer, "payment_method.deleted"), 1);
}

static void a_repeated_request_is_answered_as_the_first(void **state)
{
    struct rpc_fixture *f = *state;
    struct payer payer = given_payer(f, "tok_visa");

    const struct dues_answer *first =
        ask_card_deletion(f, AS(SERVICE_BILLING), payer.card, "delete-1");
    const struct dues_answer *again =
        ask_card_deletion(f, AS(SERVICE_BILLING), payer.card, "delete-1");

    assert_int_equal(first->status, DUES_OK);
    assert_int_equal(again->status, DUES_OK);
    assert_true(is_replayed(again));
}

static void refuses_to_take_a_memberships_only_card(void **state)
{
    struct rpc_fixture *f = *state;
    struct payer payer = given_payer(f, "tok_visa");
    given_membership(f, payer.customer, MONTHLY, payer.card);
    /* Neither a card without consent nor one that is not the default was chosen to be charged. */
    given_bare_card(f, payer.customer, "tok_amex");
    given_card(f, payer.customer, "tok_mastercard");

    const struct dues_answer *answer =
        ask_card_deletion(f, AS(SERVICE_BILLING), payer.card, "delete-1");

    assert_int_equal(answer->status, DUES_FAILED_PRECONDITION);
    assert_string_equal(answer->reason, "PAYMENT_METHOD_IN_USE");
    assert_int_equal(card_now(f, payer.card)->state, CARD_STATE(ACTIVE));
    assert_true(token_size(f, payer.card) > 0);
}

static void a_membership_goes_over_to_the_default(void **state)
{
    struct rpc_fixture *f = *state;
    const char *clock = given_clock(f, time_of("2026-01-10T10:00:00Z"));
    const char *customer = given_customer(f, clock);
    const char *first = given_card(f, customer, "tok_visa");
    const char *membership = given_membership(f, customer, MONTHLY, first)->name;
    const char *second = given_card(f, customer, "tok_mastercard");
    const struct dues_answer *refused =
        ask_card_deletion(f, AS(SERVICE_BILLING), first, "delete-1");
    assert_string_equal(refused->reason, "PAYMENT_METHOD_IN_USE");

    change_card(f, second, (struct card_change){.mask = "is_default", .is_default = true});
    const struct dues_answer *answer = ask_card_deletion(f, AS(SERVICE_BILLING), first, "delete-1");
    advance(f, clock, time_of("2026-02-10T10:00:00Z"));

    assert_int_equal(answer->status, DUES_OK);
    const Membership *now = membership_now(f, membership);
    assert_int_equal(now->state, MEMBERSHIP_STATE(ACTIVE));
    assert_string_equal(now->payment_method, second);
    assert_int_equal(charges_of(f, customer), 2);
}

static void a_membership_with_its_own_card_goes_over_to_the_default(void **state)
{
    struct rpc_fixture *f = *state;
    struct payer payer = given_payer(f, "tok_visa");
    const char *own = given_card(f, payer.customer, "tok_mastercard");
    const char *membership = given_membership(f, payer.customer, MONTHLY, own)->name;

    remove_card(f, own);

    assert_string_equal(membership_now(f, membership)->payment_method, payer.card);
}

static void what_ends_anyway_keeps_no_card(void **state)
{
    struct rpc_fixture *f = *state;
    struct payer payer = given_payer(f, "tok_visa");
    const char *membership = given_membership(f, payer.customer, MONTHLY, payer.card)->name;
    assert_int_equal(ask_cancel(f, membership, false, NULL)->status, DUES_OK);

    remove_card(f, payer.card);

    assert_int_equal(card_now(f, payer.card)->state, CARD_STATE(DELETED));
}

static void waits_for_a_charge_that_is_on_its_way(void **state)
{
    struct rpc_fixture *f = *state;
    struct payer payer = given_payer(f, "tok_timeoutAfterSuccess");
    const Payment *payment = must_reply(ask_payment(f, payer, new_request_id(f)));
    assert_int_equal(payment->state, PAYMENT_STATE(PROCESSING));

    const struct dues_answer *answer = ask_card_deletion(f, AS(SERVICE_BILLING), payer.card, NULL);

    assert_int_equal(answer->status, DUES_FAILED_PRECONDITION);
    assert_string_equal(answer->reason, "PAYMENT_METHOD_IN_USE");
    assert_true(token_size(f, payer.card) > 0);
}

static void finds_no_card_of_somebody_else(void **state)
{
    struct rpc_fixture *f = *state;
    struct rpc_world *world = world_new(f);
    const char *theirs = given_card(f, world->other.customer, "tok_visa");

    const struct dues_answer *answer = ask_card_deletion(f, user_of(world), theirs, NULL);

    assert_int_equal(answer->status, DUES_NOT_FOUND);
    assert_string_equal(answer->reason, "PAYMENT_METHOD_NOT_FOUND");
    assert_int_equal(card_now(f, theirs)->state, CARD_STATE(ACTIVE));
    world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forgets_the_token_and_keeps_the_history),
        cmocka_unit_test(it_is_listed_and_charged_no_more),
        cmocka_unit_test(the_newest_of_the_others_becomes_the_default),
        cmocka_unit_test(deleting_it_twice_is_deleting_it_once),
        cmocka_unit_test(a_repeated_request_is_answered_as_the_first),
        cmocka_unit_test(refuses_to_take_a_memberships_only_card),
        cmocka_unit_test(a_membership_goes_over_to_the_default),
        cmocka_unit_test(a_membership_with_its_own_card_goes_over_to_the_default),
        cmocka_unit_test(what_ends_anyway_keeps_no_card),
        cmocka_unit_test(waits_for_a_charge_that_is_on_its_way),
        cmocka_unit_test(finds_no_card_of_somebody_else),
    };
    return cmocka_run_group_tests_name("DeletePaymentMethod", tests, members_setup, rpc_teardown);
}
