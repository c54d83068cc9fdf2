/*
 * Mandates: who was not asked is not charged without being there.
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

static void records_what_was_agreed_to(void **state)
{
    struct rpc_fixture *f = *state;
    Google__Protobuf__Timestamp time = GOOGLE__PROTOBUF__TIMESTAMP__INIT;
    Mandate *mandate = recurring_mandate(f);
    time.seconds = 1767225600;
    mandate->type = MANDATE_TYPE(UNSCHEDULED);
    mandate->accept_time = &time;
    mandate->ip_address = member_text(f, "2001:db8::7");
    mandate->user_agent = member_text(f, "app/1.0");

    const PaymentMethod *made =
        must_reply(ask_card_with(f, given_customer(f, ""), "tok_visa", mandate));
    const PaymentMethod *read = card_now(f, made->name);

    assert_int_equal(made->mandate->type, MANDATE_TYPE(UNSCHEDULED));
    assert_int_equal(read->mandate->type, MANDATE_TYPE(UNSCHEDULED));
    assert_true(read->mandate->accept_time->seconds == time.seconds);
    assert_string_equal(read->mandate->ip_address, "2001:db8::7");
    assert_string_equal(read->mandate->user_agent, "app/1.0");
    assert_string_equal(read->mandate->text_version, "terms-2");
}

static void takes_the_customers_present_when_no_time_is_told(void **state)
{
    struct rpc_fixture *f = *state;
    const char *customer = given_customer(f, given_clock(f, time_of(START)));

    const PaymentMethod *card =
        must_reply(ask_card_with(f, customer, "tok_visa", recurring_mandate(f)));

    assert_true(time_in(card->mandate->accept_time) == time_of(START));
}

static void refuses_consent_that_is_none(void **state)
{
    struct rpc_fixture *f = *state;
    const char *customer = given_customer(f, "");
    Google__Protobuf__Timestamp future = GOOGLE__PROTOBUF__TIMESTAMP__INIT;
    Mandate *wrong[5];
    static const char *const fields[5] = {"type", "type", "text_version", "ip_address",
                                          "accept_time"};
    future.seconds = 4102444800;
    for (size_t i = 0; i < ARRAY_LENGTH(wrong); i++)
        wrong[i] = recurring_mandate(f);
    wrong[0]->type = MANDATE_TYPE(UNSPECIFIED);
    wrong[1]->type = MANDATE_TYPE(GRANDFATHERED);
    wrong[2]->text_version = member_text(f, "");
    wrong[3]->ip_address = member_text(f, "localhost");
    wrong[4]->accept_time = &future;

    for (size_t i = 0; i < ARRAY_LENGTH(wrong); i++) {
        const struct dues_answer *answer = ask_card_with(f, customer, "tok_visa", wrong[i]);

        assert_int_equal(answer->status, DUES_INVALID_ARGUMENT);
        assert_true(answer_names(answer, rpc_printf(f, "payment_method.mandate.%s", fields[i])));
    }
    assert_int_equal(
        db_count(f->db, db_printf(f->db, "dues.payment_method WHERE customer_id = '%s'",
                                  customer_id_of(f, customer))),
        0);
}

static void who_is_there_is_charged_without(void **state)
{
    struct rpc_fixture *f = *state;
    const char *customer = given_customer(f, "");
    struct payer payer = {customer, given_bare_card(f, customer, "tok_visa")};

    given_payment(f, payer);

    assert_null(card_now(f, payer.card)->mandate);
}

static void no_membership_begins_without(void **state)
{
    struct rpc_fixture *f = *state;
    const char *customer = given_customer(f, "");
    const char *card = given_bare_card(f, customer, "tok_visa");

    /* The plan has a trial, and it is not skipped: nothing would be charged now. */
    const struct dues_answer *trial =
        ask_membership(f, customer, "plans/premium-yearly", card, NULL);
    const struct dues_answer *paid = ask_membership(f, customer, MONTHLY, card, NULL);

    assert_int_equal(trial->status, DUES_FAILED_PRECONDITION);
    assert_string_equal(trial->reason, "PAYMENT_METHOD_MANDATE_REQUIRED");
    assert_string_equal(paid->reason, "PAYMENT_METHOD_MANDATE_REQUIRED");
    assert_int_equal(charges_of(f, customer), 0);
}

static void a_withdrawn_consent_ends_the_renewals_and_a_new_one_resumes_them(void **state)
{
    struct rpc_fixture *f = *state;
    const char *clock = given_clock(f, time_of(START));
    const char *customer = given_customer(f, clock);
    const char *card = given_card(f, customer, "tok_visa");
    const char *membership = given_membership(f, customer, MONTHLY, card)->name;

    const PaymentMethod *withdrawn = change_card(f, card, (struct card_change){.mask = "mandate"});
    assert_null(withdrawn->mandate);
    advance(f, clock, time_of(DUE) + 2 * US_PER_DAY);
    const Membership *unpaid = membership_now(f, membership);
    assert_int_equal(unpaid->state, MEMBERSHIP_STATE(PAST_DUE));
    assert_string_equal(unpaid->last_decline->code, "authentication_required");
    assert_int_equal(tries_of(f, customer), 1);

    change_card(f, card, (struct card_change){.mask = "mandate", .mandate = recurring_mandate(f)});
    advance(f, clock, time_of(DUE) + 3 * US_PER_DAY);
    assert_int_equal(membership_now(f, membership)->state, MEMBERSHIP_STATE(ACTIVE));
    assert_int_equal(charges_of(f, customer), 2);
}

/* As a row that was there before consent was recorded. */
static void what_was_stored_before_is_taken_for_agreed(void **state)
{
    struct rpc_fixture *f = *state;
    const char *clock = given_clock(f, time_of(START));
    const char *customer = given_customer(f, clock);
    const char *card = given_card(f, customer, "tok_visa");
    db_execute(f->db, db_printf(f->db,
                                "UPDATE dues.payment_method SET mandate_type = 'GRANDFATHERED',"
                                " mandate_text_version = NULL WHERE customer_id = '%s'",
                                customer_id_of(f, customer)));

    given_membership(f, customer, MONTHLY, card);
    advance(f, clock, time_of(DUE));

    assert_int_equal(card_now(f, card)->mandate->type, MANDATE_TYPE(GRANDFATHERED));
    assert_int_equal(charges_of(f, customer), 2);
}

static void a_retry_takes_no_new_card_without_consent(void **state)
{
    struct rpc_fixture *f = *state;
    const char *clock = given_clock(f, time_of(START));
    const char *customer = given_customer(f, clock);
    const char *card = given_card(f, customer, "tok_declinesFromSecondCharge");
    const char *membership = given_membership(f, customer, MONTHLY, card)->name;
    advance(f, clock, time_of(DUE));

    given_bare_card(f, customer, "tok_visa");
    advance(f, clock, time_of(DUE) + US_PER_DAY);

    const Membership *now = membership_now(f, membership);
    assert_int_equal(now->state, MEMBERSHIP_STATE(PAST_DUE));
    assert_string_equal(now->payment_method, card);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_what_was_agreed_to),
        cmocka_unit_test(takes_the_customers_present_when_no_time_is_told),
        cmocka_unit_test(refuses_consent_that_is_none),
        cmocka_unit_test(who_is_there_is_charged_without),
        cmocka_unit_test(no_membership_begins_without),
        cmocka_unit_test(a_withdrawn_consent_ends_the_renewals_and_a_new_one_resumes_them),
        cmocka_unit_test(what_was_stored_before_is_taken_for_agreed),
        cmocka_unit_test(a_retry_takes_no_new_card_without_consent),
    };
    return cmocka_run_group_tests_name("mandates", tests, members_setup, rpc_teardown);
}
