/*
 * What the gateway tells of a card that we have (payment_method_refresh), and what it must still be
 * told of it: steps in the database, seen through the API.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/text.h"
#include "support/rpc_card.h"

#define UPDATE_OWED "count(*) FILTER (WHERE kind = 'payment_method.update') FROM dues.obligation"

/* As the gateway's news are applied; whether anything was new. */
static bool refresh(struct rpc_fixture *f, struct payer payer, const char *last4, int month,
                    int year)
{
    return db_number(f->db, db_printf(f->db,
                                      "SELECT dues.payment_method_refresh('%s', '%s',"
                                      " ROW('visa', '%s', %d, %d, 'fp')::dues.card_told,"
                                      " clock_timestamp())::integer",
                                      customer_id_of(f, payer.customer),
                                      strrchr(payer.card, '/') + 1, last4, month, year)) == 1;
}

static void execute(struct rpc_fixture *f, struct payer payer, const char *text)
{
    db_execute(f->db, db_printf(f->db, "%s WHERE customer_id = '%s'", text,
                                customer_id_of(f, payer.customer)));
}

/* As UpdatePaymentMethod leaves it for a gateway that keeps cards; nobody runs it. */
static void owe_update(struct rpc_fixture *f, struct payer payer)
{
    db_execute(f->db, db_printf(f->db,
                                "SELECT dues.obligation_add('%s', 'payment_method.update', '%s',"
                                " '%s', clock_timestamp() + interval '1 day', false,"
                                " clock_timestamp())",
                                customer_id_of(f, payer.customer), strrchr(payer.card, '/') + 1,
                                strrchr(payer.card, '/') + 1));
}

static bool told(struct rpc_fixture *f, struct payer payer, int month, int year)
{
    return db_number(f->db, db_printf(f->db,
                                      "SELECT dues.payment_method_told('%s', '%s', '%s', (SELECT"
                                      " epoch FROM dues.obligation WHERE customer_id = '%s' AND"
                                      " kind = 'payment_method.update'), %d, %d)::integer",
                                      customer_id_of(f, payer.customer),
                                      strrchr(payer.card, '/') + 1, strrchr(payer.card, '/') + 1,
                                      customer_id_of(f, payer.customer), month, year)) == 1;
}

static void shows_what_the_bank_has_renewed(void **state)
{
    struct rpc_fixture *f = *state;
    struct payer payer = given_payer(f, "tok_visa");

    bool first = refresh(f, payer, "1881", 7, 2039);
    bool again = refresh(f, payer, "1881", 7, 2039);
    const PaymentMethod *card = card_now(f, payer.card);

    assert_true(first);
    assert_false(again);
    assert_string_equal(card->last4, "1881");
    assert_int_equal(card->exp_month, 7);
    assert_int_equal(card->exp_year, 2039);
    assert_int_equal(events_of(f, payer.customer, "payment_method.updated"), 1);
    assert_int_equal(number_of(f, payer.customer, UPDATE_OWED), 0); /* it told us */
}

static void a_stopped_card_may_be_charged_again_a_lost_one_never(void **state)
{
    struct rpc_fixture *f = *state;
    struct payer stopped = given_payer(f, "tok_visa");
    struct payer lost = given_payer(f, "tok_visa");
    execute(f, stopped, "UPDATE dues.payment_method SET state = 'STOPPED'");
    execute(f, lost, "UPDATE dues.payment_method SET state = 'UNUSABLE'");

    refresh(f, stopped, "1881", 7, 2039);
    refresh(f, lost, "1881", 7, 2039);

    assert_int_equal(card_now(f, stopped.card)->state, CARD_STATE(ACTIVE));
    assert_int_equal(card_now(f, lost.card)->state, CARD_STATE(UNUSABLE));
    given_payment(f, stopped);
}

static void a_card_that_was_deleted_meanwhile_stays_deleted(void **state)
{
    struct rpc_fixture *f = *state;
    struct payer payer = given_payer(f, "tok_visa");
    assert_int_equal(ask_card_deletion(f, AS(SERVICE_BILLING), payer.card, NULL)->status, DUES_OK);

    bool changed = refresh(f, payer, "1881", 7, 2039);
    const PaymentMethod *card = card_now(f, payer.card);

    assert_false(changed);
    assert_int_equal(card->state, CARD_STATE(DELETED));
    assert_string_equal(card->last4, "4242");
    assert_int_equal(events_of(f, payer.customer, "payment_method.updated"), 0);
}

static void a_card_that_nobody_has_changes_nothing(void **state)
{
    struct rpc_fixture *f = *state;
    struct payer payer = given_payer(f, "tok_visa");
    const char *stranger =
        rpc_printf(f, "%s/paymentMethods/%s", payer.customer, db_uuid_text(f->db, db_uuid(f->db)));

    assert_false(refresh(f, (struct payer){payer.customer, stranger}, "1881", 7, 2039));

    assert_int_equal(events_of(f, payer.customer, "payment_method.updated"), 0);
}

static void what_the_customer_said_last_is_not_undone_by_old_news(void **state)
{
    struct rpc_fixture *f = *state;
    struct payer payer = given_payer(f, "tok_visa");
    change_card(
        f, payer.card,
        (struct card_change){.mask = "exp_month,exp_year", .exp_month = 3, .exp_year = 2037});
    owe_update(f, payer);

    bool early = refresh(f, payer, "1881", 7, 2030);
    int32_t year = card_now(f, payer.card)->exp_year;
    bool another = told(f, payer, 12, 2030);
    int64_t owed = number_of(f, payer.customer, UPDATE_OWED);
    bool over = told(f, payer, 3, 2037);
    bool late = refresh(f, payer, "1881", 7, 2039);

    assert_false(early);
    assert_int_equal(year, 2037);
    assert_false(another); /* it changed while the gateway was told: told again */
    assert_int_equal(owed, 1);
    assert_true(over);
    assert_true(late);
    assert_int_equal(card_now(f, payer.card)->exp_year, 2039);
    assert_int_equal(number_of(f, payer.customer, UPDATE_OWED), 0);
}

static void the_sandbox_keeps_no_cards_and_is_told_nothing(void **state)
{
    struct rpc_fixture *f = *state;
    struct payer payer = given_payer(f, "tok_visa");

    change_card(
        f, payer.card,
        (struct card_change){.mask = "exp_month,exp_year", .exp_month = 3, .exp_year = 2037});
    int64_t owed = number_of(f, payer.customer, "count(*) FROM dues.obligation");
    ask_card_deletion(f, AS(SERVICE_BILLING), payer.card, NULL);

    assert_int_equal(owed, 0);
    assert_int_equal(number_of(f, payer.customer, "count(*) FROM dues.obligation"), 0);
    assert_int_equal(
        number_of(f, payer.customer, "sum(length(token_sealed))::bigint FROM dues.payment_method"),
        0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shows_what_the_bank_has_renewed),
        cmocka_unit_test(a_stopped_card_may_be_charged_again_a_lost_one_never),
        cmocka_unit_test(a_card_that_was_deleted_meanwhile_stays_deleted),
        cmocka_unit_test(a_card_that_nobody_has_changes_nothing),
        cmocka_unit_test(what_the_customer_said_last_is_not_undone_by_old_news),
        cmocka_unit_test(the_sandbox_keeps_no_cards_and_is_told_nothing),
    };
    return cmocka_run_group_tests_name("refreshed cards", tests, members_setup, rpc_teardown);
}
