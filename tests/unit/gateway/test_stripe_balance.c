/*
 * Stripe's books: lines that were settled in another currency than they were asked for.
 */

#include "unit/gateway/stripe_fixture.h"

#define BALANCE_GET                                                                                \
    "/v1/balance_transactions?created%5Bgte%5D=1767225600&created%5Blt%5D=1767312000&limit=100"    \
    "&expand%5B0%5D=data.source"
#define LINE(id, type, amount, fee, source)                                                        \
    "{\"id\":\"txn_" id "\",\"object\":\"balance_transaction\",\"type\":\"" type                   \
    "\",\"currency\":\"eur\",\"amount\":" amount ",\"fee\":" fee                                   \
    ",\"created\":1767225700,\"source\":" source "}"
#define SOURCE(id, object, currency, more)                                                         \
    "{\"id\":\"" id "\",\"object\":\"" object "\",\"currency\":\"" currency                        \
    "\",\"payment_intent\":\"pi_1\"," METADATA "," more "}"

static struct {
    struct gateway_transaction_page page;
    bool is_listed;
} result;

static void run_list(void *argument)
{
    struct fixture *f = argument;

    result.is_listed =
        f->gateway->list_transactions(f->gateway, &f->call, 1767225600 * US_PER_SECOND,
                                      1767312000 * US_PER_SECOND, "", &result.page);
}

static void assert_line(size_t at, const char *currency, int64_t minor_units, int64_t fee_minor)
{
    const struct gateway_transaction *line = &result.page.list[at];

    assert_string_equal(line->amount.currency, currency);
    assert_int_equal(line->amount.minor_units, minor_units);
    assert_string_equal(line->fee.currency, "EUR");
    assert_int_equal(line->fee.minor_units, fee_minor);
}

static void amounts_are_as_asked_for_and_fees_as_taken(void **state)
{
    struct fixture *f = *state;
    given(
        f, 0,
        get(BALANCE_GET, 200,
            LIST(
                LINE("1", "charge", "1710", "75", SOURCE("ch_1", "charge", "usd", "\"amount\":5000,\"amount_captured\":1999")) "," LINE(
                    "2", "refund", "-856", "0",
                    SOURCE(
                        "re_1", "refund", "usd",
                        "\"amount\":1000")) "," LINE("3", "refund_failure", "855", "0",
                                                     SOURCE(
                                                         "re_1", "refund", "usd",
                                                         "\"amount\":1000")) "," LINE("4", "charge",
                                                                                      "700", "30",
                                                                                      SOURCE(
                                                                                          "ch_2",
                                                                                          "charge",
                                                                                          "eur",
                                                                                          "\"amount"
                                                                                          "\":900,"
                                                                                          "\"amount"
                                                                                          "_capture"
                                                                                          "d\":"
                                                                                          "90"
                                                                                          "0")))));

    fiber_run(f->fibers, run_list, f);

    assert_false(f->went_wrong);
    assert_true(result.is_listed);
    assert_int_equal(result.page.count, 4);
    assert_line(0, "USD", 1999, 75);
    assert_line(1, "USD", -1000, 0);
    assert_line(2, "USD", 1000, 0);
    assert_line(3, "EUR", 700, 30); /* one of several captures */
}

static void a_line_that_does_not_say_what_was_asked_for_is_not_read(void **state)
{
    struct fixture *f = *state;
    given(f, 0,
          get(BALANCE_GET, 200,
              LIST(LINE("1", "charge", "1710", "75",
                        SOURCE("ch_1", "charge", "usd", "\"paid\":true")))));

    fiber_run(f->fibers, run_list, f);

    assert_false(result.is_listed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(amounts_are_as_asked_for_and_fees_as_taken, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_line_that_does_not_say_what_was_asked_for_is_not_read,
                                        setup, teardown),
    };

    return cmocka_run_group_tests_name("stripe balance", tests, NULL, NULL);
}
