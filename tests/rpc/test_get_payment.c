/*
 * GetPayment: as it stands now, to whoever may see it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/text.h"
#include "support/rpc_payment.h"

static void shows_the_payment_as_it_stands(void **state)
{
    struct rpc_fixture *f = *state;
    struct payer payer = given_payer(f, "tok_visa");
    const struct dues_answer *created = ask_payment(f, payer, new_request_id(f));
    const char *name = ((const Payment *)must_reply(created))->name;

    const struct dues_answer *before =
        ask_payment_by_name(f, AS(OPERATOR_DEMO), "GetPayment", name);
    given_refund(f, name, 99);
    const Payment *after =
        must_reply(ask_payment_by_name(f, AS(SERVICE_BILLING), "GetPayment", name));

    assert_int_equal(before->reply_size, created->reply_size);
    assert_memory_equal(before->reply_bytes, created->reply_bytes, created->reply_size);
    assert_int_equal(after->state, PAYMENT_STATE(SUCCEEDED));
    assert_int_equal(after->amount_captured->minor_units, 999);
    assert_int_equal(after->amount_refunded->minor_units, 99);
}

static void a_user_sees_its_own_as_me(void **state)
{
    struct rpc_fixture *f = *state;
    struct rpc_world *world = world_new(f);
    struct payer payer = {world->owner.customer, given_card(f, world->owner.customer, "tok_visa")};
    const char *name = given_payment(f, payer);
    const char *as_me = rpc_printf(f, "customers/me%s", strstr(name, "/payments/"));

    const Payment *payment =
        must_reply(ask_payment_by_name(f, user_of(world), "GetPayment", as_me));

    assert_string_equal(payment->name, name);
    world_free(world);
}

static void refuses_what_is_no_name(void **state)
{
    struct rpc_fixture *f = *state;
    static const char *const wrong[] = {"", "payments/1", "customers/me/payments/1",
                                        "customers/A/payments/B"};

    for (size_t i = 0; i < ARRAY_LENGTH(wrong); i++) {
        const struct dues_answer *answer =
            ask_payment_by_name(f, AS(SERVICE_BILLING), "GetPayment", wrong[i]);

        assert_int_equal(answer->status, DUES_INVALID_ARGUMENT);
        assert_true(answer_names(answer, "name"));
    }
}

static void finds_nothing_that_does_not_exist_or_is_not_ours(void **state)
{
    struct rpc_fixture *f = *state;
    struct payer payer = given_payer(f, "tok_visa");
    struct rpc_world *world = world_new(f);
    const char *foreign = given_payment(f, payer);
    const char *absent =
        rpc_printf(f, "%s/payments/%s", payer.customer, db_uuid_text(f->db, db_uuid(f->db)));

    const struct dues_answer *nothing =
        ask_payment_by_name(f, AS(SERVICE_BILLING), "GetPayment", absent);
    const struct dues_answer *theirs =
        ask_payment_by_name(f, user_of(world), "GetPayment", foreign);

    assert_int_equal(nothing->status, DUES_NOT_FOUND);
    assert_string_equal(nothing->reason, "PAYMENT_NOT_FOUND");
    assert_int_equal(theirs->status, DUES_NOT_FOUND);
    assert_string_equal(theirs->reason, "PAYMENT_NOT_FOUND");
    world_free(world);
}

static void assert_network_says(const Dues__Payment__V1__Decline *decline, const char *code,
                                int advice, int class)
{
    assert_string_equal(decline->network_decline_code, code);
    assert_int_equal(decline->advice, advice);
    assert_int_equal(decline->decline_class, class);
}

#define ADVICE(name) DUES__PAYMENT__V1__DECLINE__ADVICE__ADVICE_##name
#define CLASS(name)  DUES__PAYMENT__V1__DECLINE__DECLINE_CLASS__DECLINE_CLASS_##name

static void every_answer_shows_what_the_card_network_said(void **state)
{
    static const struct {
        const char *token;
        const char *code;
        int advice;
        int class;
    } cases[] = {
        {"tok_chargeDeclinedInsufficientFunds", "51", ADVICE(TRY_AGAIN_LATER), CLASS(RETRY_LATER)},
        {"tok_chargeDeclinedFraudulentCard", "59", ADVICE(DO_NOT_TRY_AGAIN), CLASS(STOP)},
        {"tok_chargeDeclinedExpiredCard", "54", ADVICE(CONFIRM_CARD_DATA), CLASS(FIX_DATA)},
    };
    struct rpc_fixture *f = *state;

    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        struct payer payer = given_payer(f, cases[i].token);
        const struct dues_answer *first = ask_payment(f, payer, "declined");
        const Payment *created = must_reply(first);
        const struct dues_answer *again = ask_payment(f, payer, "declined");
        const Payment *read = payment_now(f, created->name);
        const Dues__Payment__V1__ListPaymentsResponse *page = must_reply(ask_payment_list(
            f, AS(SERVICE_BILLING), "ListPayments", payer.customer, 10, "", "state = FAILED"));

        assert_network_says(created->decline, cases[i].code, cases[i].advice, cases[i].class);
        assert_int_equal(again->reply_size, first->reply_size);
        assert_memory_equal(again->reply_bytes, first->reply_bytes, first->reply_size);
        assert_network_says(read->decline, cases[i].code, cases[i].advice, cases[i].class);
        assert_network_says(page->payments[0]->decline, cases[i].code, cases[i].advice,
                            cases[i].class);
    }
}

static void a_membership_shows_what_the_card_network_said(void **state)
{
    struct rpc_fixture *f = *state;
    struct payer payer = given_payer(f, "tok_chargeDeclinedInsufficientFunds");

    const Membership *created = must_reply(
        ask_membership(f, payer.customer, "plans/premium-monthly", payer.card, "declined"));
    const Membership *read = membership_now(f, created->name);

    assert_network_says(created->last_decline, "51", ADVICE(TRY_AGAIN_LATER), CLASS(RETRY_LATER));
    assert_network_says(read->last_decline, "51", ADVICE(TRY_AGAIN_LATER), CLASS(RETRY_LATER));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shows_the_payment_as_it_stands),
        cmocka_unit_test(a_user_sees_its_own_as_me),
        cmocka_unit_test(refuses_what_is_no_name),
        cmocka_unit_test(every_answer_shows_what_the_card_network_said),
        cmocka_unit_test(a_membership_shows_what_the_card_network_said),
        cmocka_unit_test(finds_nothing_that_does_not_exist_or_is_not_ours),
    };
    return cmocka_run_group_tests_name("GetPayment", tests, members_setup, rpc_teardown);
}
