/*
 * Stripe's books as the gateway lists them: what was charged and given back, by whom, and the fees.
 */

#include "stripe/gateway_fixture.h"

struct listing {
    struct fixture *f;
    struct gateway_transaction_page page;
    const char *cursor;
    bool is_read;
};

static void run_list(void *argument)
{
    struct listing *listing = argument;
    struct fixture *f = listing->f;
    int64_t now_us = clock_wall_us(clock_system());

    listing->is_read =
        f->gateway->list_transactions(f->gateway, &f->call, now_us - US_PER_DAY,
                                      now_us + US_PER_DAY, listing->cursor, &listing->page);
}

/* The line of this transaction in all pages; its kind is GATEWAY_LINE_KIND_COUNT: there is none. */
static struct gateway_transaction line_of(struct fixture *f, const char *transaction)
{
    struct listing listing = {.f = f, .cursor = ""};

    do {
        fiber_run(f->fibers, run_list, &listing);
        assert_true(listing.is_read);
        for (size_t i = 0; i < listing.page.count; i++) {
            if (text_equal(listing.page.list[i].transaction, transaction))
                return listing.page.list[i];
        }
        listing.cursor = listing.page.next;
    } while (listing.cursor[0] != '\0');
    return (struct gateway_transaction){.kind = GATEWAY_LINE_KIND_COUNT};
}

static void a_charge_is_listed_with_its_reference_and_fee(void **state)
{
    struct fixture *f = *state;
    given_charge(f, "pm_card_visa");

    struct gateway_transaction line = line_of(f, f->answer.transaction);

    assert_int_equal(line.kind, GATEWAY_LINE_CHARGE);
    assert_string_equal(line.reference, f->request.reference);
    assert_int_equal(line.amount.minor_units, AMOUNT);
    assert_int_equal(line.fee.minor_units, 88); /* 2.9 % and 0.30 */
    assert_true(text_starts_with(line.id, "txn_"));
}

static void a_refund_is_listed_with_what_it_acts_on(void **state)
{
    struct fixture *f = *state;
    given_charge(f, "pm_card_visa");
    const char *charge = arena_strdup(f->call.arena, f->answer.transaction);
    given_next(f, GATEWAY_REFUND, 500);
    when_asked(f, false);
    then(f, GATEWAY_SUCCEEDED);

    struct gateway_transaction line = line_of(f, f->answer.transaction);

    assert_int_equal(line.kind, GATEWAY_LINE_REFUND);
    assert_int_equal(line.amount.minor_units, -500);
    assert_string_equal(line.acted_on, charge);
    assert_string_equal(line.reference, f->request.reference);
}

static void a_refund_that_we_did_not_ask_for_names_the_charge_that_we_did(void **state)
{
    struct fixture *f = *state;
    given_charge(f, "pm_card_visa");
    const char *reference = arena_strdup(f->call.arena, f->request.reference);
    tell(f, "POST", "/v1/refunds",
         arena_printf(f->call.arena, "payment_intent=%s&amount=300", f->answer.transaction));
    const char *id = strstr(f->reply.body, "\"re_");
    assert_non_null(id);

    struct gateway_transaction line =
        line_of(f, arena_strndup(f->call.arena, id + 1, strcspn(id + 1, "\"")));

    assert_int_equal(line.kind, GATEWAY_LINE_REFUND);
    assert_string_equal(line.reference, "");
    assert_string_equal(line.acted_on_reference, reference);
}

static void more_than_a_page_is_read_page_by_page(void **state)
{
    struct fixture *f = *state;
    given_charge(f, "pm_card_visa");
    const char *first = arena_strdup(f->call.arena, f->answer.transaction);

    for (int i = 0; i < GATEWAY_LINES_MAX + 5; i++)
        given_charge(f, "pm_card_visa");

    assert_int_equal(line_of(f, first).kind, GATEWAY_LINE_CHARGE);
    assert_int_equal(line_of(f, "pi_none").kind, GATEWAY_LINE_KIND_COUNT);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
    const struct CMUnitTest tests[] = {
        TEST(a_charge_is_listed_with_its_reference_and_fee),
        TEST(a_refund_is_listed_with_what_it_acts_on),
        TEST(a_refund_that_we_did_not_ask_for_names_the_charge_that_we_did),
        TEST(more_than_a_page_is_read_page_by_page),
    };
    return cmocka_run_group_tests_name("Stripe's books", tests, begin_group, end_group);
}
