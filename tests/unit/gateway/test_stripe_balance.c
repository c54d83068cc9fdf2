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

#define CAPTURED SOURCE("ch_1", "charge", "usd", "\"amount\":5000,\"amount_captured\":1999")
#define IN_ISK(id, type, amount, fee)                                                              \
    "{\"id\":\"txn_" id "\",\"object\":\"balance_transaction\",\"type\":\"" type                   \
    "\",\"currency\":\"isk\",\"amount\":" amount ",\"fee\":" fee ",\"created\":1767225700}"

#define UNNAMED                                                                                    \
    "{\"id\":\"re_1\",\"object\":\"refund\",\"currency\":\"eur\",\"payment_intent\":\"pi_1\","     \
    "\"metadata\":{},\"amount\":500}"

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
    assert_int_equal(result.page.count, 5);
    assert_int_equal(result.page.unread_count, 0);
    assert_line(0, "USD", 0, 75);
    assert_line(1, "USD", 1999, 0);
    assert_string_equal(result.page.list[1].id, "ch_1");
    assert_string_equal(result.page.list[1].transaction, "pi_1");
    assert_line(2, "USD", -1000, 0);
    assert_line(3, "USD", 1000, 0);
    assert_line(4, "EUR", 700, 30); /* one of several captures */
}

static void captures_that_were_settled_otherwise_are_told_once(void **state)
{
    struct fixture *f = *state;
    given(f, 0,
          get(BALANCE_GET, 200,
              LIST(LINE("1", "charge", "600", "30", CAPTURED) "," LINE("2", "charge", "1100", "45",
                                                                       CAPTURED))));

    fiber_run(f->fibers, run_list, f);

    /* The lines of one id are kept once. */
    assert_true(result.is_listed);
    assert_int_equal(result.page.count, 4);
    assert_line(0, "USD", 0, 30);
    assert_line(1, "USD", 1999, 0);
    assert_line(2, "USD", 0, 45);
    assert_line(3, "USD", 1999, 0);
    assert_string_equal(result.page.list[1].id, "ch_1");
    assert_string_equal(result.page.list[3].id, "ch_1");
}

static void fees_may_have_decimals_that_the_currency_has_not(void **state)
{
    struct fixture *f = *state;
    given(f, 0,
          get(BALANCE_GET, 200,
              LIST(IN_ISK("1", "charge", "100000", "4567") "," IN_ISK("2", "stripe_fee", "-1250",
                                                                      "0"))));

    fiber_run(f->fibers, run_list, f);

    assert_true(result.is_listed);
    assert_int_equal(result.page.count, 2);
    assert_int_equal(result.page.unread_count, 0);
    assert_int_equal(result.page.list[0].amount.minor_units, 1000);
    assert_int_equal(result.page.list[0].fee.minor_units, 46);
    assert_int_equal(result.page.list[1].amount.minor_units, -13);
}

static void a_line_that_cannot_be_read_is_named(void **state)
{
    struct fixture *f = *state;
    given(
        f, 0,
        get(BALANCE_GET, 200,
            LIST(
                LINE("1", "charge", "1710", "75", SOURCE("ch_1", "charge", "usd", "\"paid\":true")) "," LINE(
                    "2", "refund", "-856", "0",
                    SOURCE(
                        "re_1", "refund", "usd",
                        "\"amount\":-9223372036854775808")) "," IN_ISK("3", "charge", "100001",
                                                                       "0") "," LINE("4", "charge",
                                                                                     "700", "30",
                                                                                     SOURCE(
                                                                                         "ch_2",
                                                                                         "charge",
                                                                                         "eur",
                                                                                         "\"amount"
                                                                                         "\":"
                                                                                         "900")))));

    fiber_run(f->fibers, run_list, f);

    assert_true(result.is_listed);
    assert_int_equal(result.page.count, 1);
    assert_line(0, "EUR", 700, 30);
    assert_int_equal(result.page.unread_count, 3);
    assert_string_equal(result.page.unread[0].id, "txn_1");
    assert_string_equal(result.page.unread[1].id, "txn_2");
    assert_string_equal(result.page.unread[2].id, "txn_3");
}

/* What the list takes when the payment of a refund, which has no reference, is read for it. */
static size_t list_with_payment(struct fixture *f, int padding)
{
    char answer[10000];

    snprintf(answer, sizeof answer, "%*s%s", padding, "", INTENT("\"x\":1"));
    f->asked = 0;
    given(f, 0, get(BALANCE_GET, 200, LIST(LINE("1", "refund", "-500", "0", UNNAMED))));
    given(f, 1, get(PI_PATH, 200, answer));
    size_t before = arena_used(f->call.arena);
    fiber_run(f->fibers, run_list, f);
    assert_true(result.is_listed);
    assert_string_equal(result.page.list[0].acted_on_reference, REFERENCE);
    return arena_used(f->call.arena) - before;
}

static void payments_are_read_in_memory_of_their_own(void **state)
{
    struct fixture *f = *state;

    size_t small = list_with_payment(f, 0);
    size_t large = list_with_payment(f, 8192);

    assert_true(large < small + 1024);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(amounts_are_as_asked_for_and_fees_as_taken, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(captures_that_were_settled_otherwise_are_told_once, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(fees_may_have_decimals_that_the_currency_has_not, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_line_that_cannot_be_read_is_named, setup, teardown),
        cmocka_unit_test_setup_teardown(payments_are_read_in_memory_of_their_own, setup, teardown),
    };

    return cmocka_run_group_tests_name("stripe balance", tests, NULL, NULL);
}
