/*
 * The sandbox gateway: what each token does, what an idempotency key promises, and that its journal
 * alone is enough to go on after a crash.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "unit/gateway/sandbox_fixture.h"

static void charges_a_good_card(void **state)
{
    struct fixture *f = *state;

    struct gateway_answer answer = ask(f, charge_of("k1", "tok_visa", 999));

    assert_int_equal(answer.outcome, GATEWAY_SUCCEEDED);
    assert_true(text_starts_with(answer.transaction, "ch_"));
    assert_string_equal(answer.amount.currency, "USD");
    assert_int_equal(answer.amount.minor_units, 999);
}

static void declines_as_the_token_says(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *token;
        const char *code;
    } declines[] = {
        {"tok_chargeDeclined", "generic_decline"},
        {"tok_chargeDeclinedInsufficientFunds", "insufficient_funds"},
        {"tok_chargeDeclinedExpiredCard", "expired_card"},
        {"tok_chargeDeclinedProcessingError", "processing_error"},
        {"tok_chargeDeclinedLostCard", "lost_card"},
        {"tok_chargeDeclinedStolenCard", "stolen_card"},
        {"tok_chargeDeclinedFraudulentCard", "fraudulent"},
        {"tok_chargeCustomerFail", "generic_decline"},
        {"pm_card_visa_chargeDeclined", "generic_decline"},
    };

    for (size_t i = 0; i < ARRAY_LENGTH(declines); i++) {
        struct gateway_answer answer = ask(f, charge_of(declines[i].token, declines[i].token, 100));

        assert_int_equal(answer.outcome, GATEWAY_DECLINED);
        assert_string_equal(answer.decline_code, declines[i].code);
        assert_string_equal(answer.transaction, "");
    }
}

static void asks_for_authentication_only_while_the_customer_is_there(void **state)
{
    struct fixture *f = *state;
    struct gateway_request off_session = charge_of("k2", "tok_authenticationRequired", 100);

    off_session.off_session = true;
    struct gateway_answer there = ask(f, charge_of("k1", "tok_authenticationRequired", 100));
    struct gateway_answer away = ask(f, off_session);

    assert_int_equal(there.outcome, GATEWAY_REQUIRES_ACTION);
    assert_int_equal(away.outcome, GATEWAY_DECLINED);
    assert_string_equal(away.decline_code, "authentication_required");
}

static void answers_a_repeated_key_with_the_first_result(void **state)
{
    struct fixture *f = *state;
    struct gateway_answer first = ask(f, charge_of("k1", "tok_visa", 999));

    struct gateway_answer second = ask(f, charge_of("k1", "tok_visa", 999));

    assert_int_equal(second.outcome, GATEWAY_SUCCEEDED);
    assert_string_equal(second.transaction, first.transaction);
    assert_int_equal(approved_count(f, "attempt-of-charge"), 1);
}

static void refuses_a_key_with_other_parameters(void **state)
{
    struct fixture *f = *state;

    ask(f, charge_of("k1", "tok_visa", 999));
    struct gateway_answer other = ask(f, charge_of("k1", "tok_visa", 998));
    struct gateway_answer same = ask(f, charge_of("k1", "tok_visa", 999));

    assert_int_equal(other.outcome, GATEWAY_FAILED);
    assert_int_equal(same.outcome, GATEWAY_SUCCEEDED);
    assert_int_equal(approved_count(f, "attempt-of-charge"), 1);
}

static void loses_the_answer_but_not_the_charge(void **state)
{
    struct fixture *f = *state;
    int64_t before_us = clock_monotonic_us(clock_system());

    struct gateway_answer lost = ask(f, charge_of("k1", "tok_timeoutAfterSuccess", 999));
    int64_t took_us = clock_monotonic_us(clock_system()) - before_us;
    struct gateway_answer again = ask(f, charge_of("k1", "tok_timeoutAfterSuccess", 999));

    assert_int_equal(lost.outcome, GATEWAY_UNKNOWN);
    assert_string_equal(lost.transaction, "");
    assert_true(took_us >= TIMEOUT_MS * US_PER_MS);
    assert_int_equal(again.outcome, GATEWAY_SUCCEEDED);
    assert_int_equal(approved_count(f, "attempt-of-charge"), 1);
}

static void waits_no_longer_than_its_caller_can_be_answered(void **state)
{
    struct fixture *f = *state;
    const struct clock *clock = clock_system();
    char problem[256];

    sandbox_close(f->sandbox);
    f->sandbox = sandbox_open(f->path, 60000, 0, clock, random_system(), problem);
    f->gateway = sandbox_gateway(f->sandbox);
    f->call.deadline_us = clock_monotonic_us(clock) + 1050 * US_PER_MS;
    int64_t before_us = clock_monotonic_us(clock);
    struct gateway_answer lost = ask(f, charge_of("k1", "tok_timeoutAfterSuccess", 999));
    int64_t took_us = clock_monotonic_us(clock) - before_us;

    assert_int_equal(lost.outcome, GATEWAY_UNKNOWN);
    assert_true(took_us < 30 * US_PER_SECOND);
}

static void loses_the_first_request_and_charges_the_second(void **state)
{
    struct fixture *f = *state;

    struct gateway_answer lost = ask(f, charge_of("k1", "tok_timeoutBeforeSuccess", 999));
    int charged_by_then = approved_count(f, "attempt-of-charge");
    struct gateway_answer again = ask(f, charge_of("k1", "tok_timeoutBeforeSuccess", 999));

    assert_int_equal(lost.outcome, GATEWAY_UNKNOWN);
    assert_int_equal(charged_by_then, 0);
    assert_int_equal(again.outcome, GATEWAY_SUCCEEDED);
    assert_int_equal(approved_count(f, "attempt-of-charge"), 1);
}

static void says_that_a_key_is_in_use_while_a_caller_waits(void **state)
{
    struct fixture *f = *state;
    struct gateway_answer second;
    struct gateway_request request = charge_of("k1", "tok_timeoutBeforeSuccess", 999);

    f->request = request;
    assert_true(fiber_start(f->fibers, send_in_fiber, f)); /* parks in its timeout */
    f->gateway->send(f->gateway, &f->call, &request, &second);
    while (fiber_pool_live(f->fibers) > 0)
        usleep(1000);

    assert_int_equal(second.outcome, GATEWAY_IN_FLIGHT);
    assert_int_equal(f->answer.outcome, GATEWAY_UNKNOWN);
}

static void declines_a_stored_card_from_its_second_charge(void **state)
{
    struct fixture *f = *state;
    struct gateway_card ours;
    struct gateway_card another;

    assert_null(f->gateway->describe(f->gateway, &f->call, "tok_declinesFromSecondCharge", &ours));
    assert_null(
        f->gateway->describe(f->gateway, &f->call, "tok_declinesFromSecondCharge", &another));
    struct gateway_answer first = ask(f, charge_of("k1", ours.token, 100));
    crash_and_open(f);
    struct gateway_answer second = ask(f, charge_of("k2", ours.token, 100));
    struct gateway_answer others = ask(f, charge_of("k3", another.token, 100));

    assert_string_not_equal(ours.token, another.token);
    assert_int_equal(first.outcome, GATEWAY_SUCCEEDED);
    assert_int_equal(second.outcome, GATEWAY_DECLINED);
    assert_int_equal(others.outcome, GATEWAY_SUCCEEDED);
}

static void refunds_at_most_what_was_charged(void **state)
{
    struct fixture *f = *state;
    struct gateway_answer charge = ask(f, charge_of("k1", "tok_visa", 1000));

    struct gateway_answer part = ask(f, refund_of("r1", charge.transaction, 600));
    struct gateway_answer too_much = ask(f, refund_of("r2", charge.transaction, 401));
    struct gateway_answer rest = ask(f, refund_of("r3", charge.transaction, 400));
    struct gateway_answer unknown = ask(f, refund_of("r4", "ch_nothing", 1));

    assert_int_equal(part.outcome, GATEWAY_SUCCEEDED);
    assert_int_equal(too_much.outcome, GATEWAY_FAILED);
    assert_int_equal(rest.outcome, GATEWAY_SUCCEEDED);
    assert_int_equal(unknown.outcome, GATEWAY_FAILED);
    assert_int_equal(approved_count(f, "attempt-of-refund"), 2);
}

static void refunds_of_some_cards_pend_or_fail(void **state)
{
    struct fixture *f = *state;
    struct gateway_answer pends = ask(f, charge_of("k1", "pm_card_pendingRefund", 1000));
    struct gateway_answer fails = ask(f, charge_of("k2", "tok_refundFail", 1000));

    struct gateway_answer first = ask(f, refund_of("r1", pends.transaction, 1000));
    struct gateway_answer second = ask(f, refund_of("r1", pends.transaction, 1000));
    struct gateway_answer failed = ask(f, refund_of("r2", fails.transaction, 1000));

    assert_int_equal(first.outcome, GATEWAY_IN_FLIGHT);
    assert_int_equal(second.outcome, GATEWAY_SUCCEEDED);
    assert_int_equal(failed.outcome, GATEWAY_DECLINED);
    assert_string_equal(failed.decline_code, "expired_or_canceled_card");
}

static void tells_whether_a_key_was_executed(void **state)
{
    struct fixture *f = *state;

    ask(f, charge_of("k1", "tok_timeoutAfterSuccess", 999));
    ask(f, charge_of("k2", "tok_timeoutBeforeSuccess", 999));
    struct gateway_answer done = query(f, charge_of("k1", "tok_timeoutAfterSuccess", 999));
    struct gateway_answer lost = query(f, charge_of("k2", "tok_timeoutBeforeSuccess", 999));
    struct gateway_answer never = query(f, charge_of("k3", "tok_visa", 999));

    assert_int_equal(done.outcome, GATEWAY_SUCCEEDED);
    assert_int_equal(lost.outcome, GATEWAY_FAILED);
    assert_int_equal(never.outcome, GATEWAY_FAILED);
}

static void remembers_everything_after_a_crash(void **state)
{
    struct fixture *f = *state;
    struct gateway_answer charge = ask(f, charge_of("k1", "tok_visa", 1000));

    ask(f, refund_of("r1", charge.transaction, 700));
    ask(f, charge_of("k2", "tok_timeoutBeforeSuccess", 5));
    crash_and_open(f);
    struct gateway_answer again = ask(f, charge_of("k1", "tok_visa", 1000));
    struct gateway_answer too_much = ask(f, refund_of("r2", charge.transaction, 301));
    struct gateway_answer second_send = ask(f, charge_of("k2", "tok_timeoutBeforeSuccess", 5));

    assert_string_equal(again.transaction, charge.transaction);
    assert_int_equal(too_much.outcome, GATEWAY_FAILED);
    assert_int_equal(second_send.outcome, GATEWAY_SUCCEEDED);
}

static void ignores_a_last_line_that_was_cut(void **state)
{
    struct fixture *f = *state;
    struct gateway_answer first = ask(f, charge_of("k1", "tok_visa", 1000));
    off_t whole;

    int descriptor = open(f->path, O_RDWR | O_CLOEXEC);
    whole = lseek(descriptor, 0, SEEK_END);
    ask(f, charge_of("k2", "tok_visa", 1000));
    sandbox_close(f->sandbox);
    assert_int_equal(ftruncate(descriptor, whole + 40), 0);
    open_sandbox(f);
    struct gateway_answer known = ask(f, charge_of("k1", "tok_visa", 1000));
    struct gateway_answer cut = ask(f, charge_of("k2", "tok_visa", 1000));
    crash_and_open(f);
    struct gateway_answer after = ask(f, charge_of("k2", "tok_visa", 1000));
    close(descriptor);

    assert_string_equal(known.transaction, first.transaction);
    assert_int_equal(cut.outcome, GATEWAY_SUCCEEDED);
    assert_string_equal(after.transaction, cut.transaction);
}

static void does_not_start_on_a_file_that_is_no_journal(void **state)
{
    struct fixture *f = *state;
    char problem[256] = "";

    sandbox_close(f->sandbox);
    FILE *file = fopen(f->path, "we");
    fputs("{\"number\": \"one\"}\n", file);
    fclose(file);
    struct sandbox *sandbox =
        sandbox_open(f->path, TIMEOUT_MS, 0, clock_system(), random_system(), problem);
    assert_int_equal(truncate(f->path, 0), 0);
    open_sandbox(f);

    assert_null(sandbox);
    assert_non_null(strstr(problem, f->path));
    assert_non_null(strstr(problem, "is not a journal of the sandbox, at byte 0"));
}

static void does_not_share_its_journal(void **state)
{
    struct fixture *f = *state;
    char problem[256] = "";

    struct sandbox *second =
        sandbox_open(f->path, TIMEOUT_MS, 0, clock_system(), random_system(), problem);

    assert_null(second);
    assert_non_null(strstr(problem, "in use by another process"));
}

static void describes_cards_and_refuses_unknown_tokens(void **state)
{
    struct fixture *f = *state;
    struct gateway_card card;

    const struct error *known = f->gateway->describe(f->gateway, &f->call, "pm_card_amex", &card);
    const struct error *unknown =
        f->gateway->describe(f->gateway, &f->call, "tok_nothing", &(struct gateway_card){0});

    assert_null(known);
    assert_string_equal(card.token, "tok_amex");
    assert_string_equal(card.brand, "amex");
    assert_string_equal(card.last4, "0005");
    assert_int_equal(unknown->status, STATUS_INVALID_ARGUMENT);
    assert_string_equal(unknown->reason, "INVALID_FIELD");
    assert_string_equal(unknown->fields[0].field, "payment_method.gateway_token");
}

static void lists_its_calls_newest_first_page_by_page(void **state)
{
    struct fixture *f = *state;
    size_t count;
    size_t rest_count;

    ask(f, charge_of("k1", "tok_visa", 1));
    ask(f, charge_of("k2", "tok_chargeDeclined", 2));
    ask(f, charge_of("k1", "tok_visa", 1));
    const struct sandbox_call *page = sandbox_calls(f->sandbox, f->arena, 0, NULL, 0, 2, &count);
    const struct sandbox_call *rest =
        sandbox_calls(f->sandbox, f->arena, page[1].number, NULL, 0, 2, &rest_count);

    assert_int_equal(count, 2);
    assert_string_equal(page[0].outcome, "REPLAYED");
    assert_string_equal(page[1].outcome, "DECLINED");
    assert_string_equal(page[1].decline_code, "generic_decline");
    assert_int_equal(rest_count, 1);
    assert_string_equal(rest[0].outcome, "APPROVED");
    assert_string_equal(rest[0].token, "tok_visa");
    assert_int_equal(rest[0].amount_minor, 1);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(charges_a_good_card),
        TEST(declines_as_the_token_says),
        TEST(asks_for_authentication_only_while_the_customer_is_there),
        TEST(answers_a_repeated_key_with_the_first_result),
        TEST(refuses_a_key_with_other_parameters),
        TEST(loses_the_answer_but_not_the_charge),
        TEST(waits_no_longer_than_its_caller_can_be_answered),
        TEST(loses_the_first_request_and_charges_the_second),
        TEST(says_that_a_key_is_in_use_while_a_caller_waits),
        TEST(declines_a_stored_card_from_its_second_charge),
        TEST(refunds_at_most_what_was_charged),
        TEST(refunds_of_some_cards_pend_or_fail),
        TEST(tells_whether_a_key_was_executed),
        TEST(remembers_everything_after_a_crash),
        TEST(ignores_a_last_line_that_was_cut),
        TEST(does_not_start_on_a_file_that_is_no_journal),
        TEST(does_not_share_its_journal),
        TEST(describes_cards_and_refuses_unknown_tokens),
        TEST(lists_its_calls_newest_first_page_by_page),
    };
    return cmocka_run_group_tests_name("sandbox gateway", tests, NULL, NULL);
}
