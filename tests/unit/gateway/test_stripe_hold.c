/*
 * What Stripe says of a hold: what was captured of it, and whether it is let go of.
 */

#include "unit/gateway/stripe_answer_fixture.h"

#define NOTE "capture_0197a1b2000070008000000000000001"
#define CAPTURED(notes, received, status)                                                          \
    "{\"id\":\"pi_1\",\"object\":\"payment_intent\",\"livemode\":false,\"amount\":9999,"           \
    "\"currency\":\"usd\",\"capture_method\":\"manual\",\"status\":\"" status "\","                \
    "\"amount_received\":" received ",\"metadata\":{\"attempt_id\":\"other\","                     \
    "\"payment_id\":\"" PAYMENT "\"" notes "}}"
#define OURS(units)   ",\"" NOTE "\":\"" units "\""
#define THEIRS(units) ",\"capture_of_another\":\"" units "\""

static void a_capture_is_what_its_note_says_when_all_notes_add_up(void **state)
{
    struct fixture *f = *state;
    given_operation(f, GATEWAY_CAPTURE);

    when_read(f, 200, CAPTURED(OURS("1999"), "1999", "succeeded"));
    then(f, GATEWAY_SUCCEEDED);
    when_read(f, 200, CAPTURED(OURS("2099") THEIRS("1000"), "3099", "requires_capture"));
    then(f, GATEWAY_SUCCEEDED);
    assert_int_equal(f->reading.answer.amount.minor_units, 2099);
    when_read(f, 200, CAPTURED(OURS("1999") THEIRS("1000"), "2999", "canceled"));
    then(f, GATEWAY_SUCCEEDED);

    when_read(f, 200, CAPTURED(OURS("1999") THEIRS("1000"), "1999", "succeeded"));
    then(f, GATEWAY_UNKNOWN);
    when_read(f, 200, CAPTURED(OURS("1999"), "2000", "succeeded"));
    then(f, GATEWAY_UNKNOWN);
    when_read(f, 200, CAPTURED(OURS("-1") THEIRS("2000"), "1999", "succeeded"));
    then(f, GATEWAY_UNKNOWN);
    when_read(f, 200, CAPTURED(OURS("99999999999999999999"), "1999", "succeeded"));
    then(f, GATEWAY_UNKNOWN);
    when_read(f, 200, CAPTURED(THEIRS("1999"), "1999", "requires_capture"));
    then(f, GATEWAY_UNKNOWN);
}

static void a_capture_without_its_note_was_not_done(void **state)
{
    struct fixture *f = *state;
    given_operation(f, GATEWAY_CAPTURE);
    f->question.is_query = true;

    when_read(f, 200, CAPTURED(THEIRS("1000"), "1000", "requires_capture"));
    then(f, GATEWAY_FAILED);
    assert_false(f->reading.answer.is_hold_gone);
    when_read(f, 200, CAPTURED(THEIRS("1000"), "1000", "succeeded"));
    then(f, GATEWAY_FAILED);
    assert_true(f->reading.answer.is_hold_gone);
    when_read(f, 200, CAPTURED("", "0", "canceled"));
    then(f, GATEWAY_FAILED);
    assert_true(f->reading.answer.is_hold_gone);

    /* Somebody took money and left no note: for people. */
    when_read(f, 200, CAPTURED(THEIRS("1000"), "2999", "succeeded"));
    then(f, GATEWAY_UNKNOWN);
}

static void what_was_not_taken_in_time_is_held_no_longer(void **state)
{
    struct fixture *f = *state;
    given_operation(f, GATEWAY_VOID);

    f->request.amount = money_make("USD", 9999 - 1000);
    when_read(f, 200, CAPTURED(THEIRS("1000"), "1000", "succeeded"));
    then(f, GATEWAY_SUCCEEDED);

    /* More was taken than we know of, or all. */
    when_read(f, 200, CAPTURED(THEIRS("1000"), "1001", "succeeded"));
    then(f, GATEWAY_FAILED);
    f->request.amount = money_make("USD", 9999);
    when_read(f, 200, CAPTURED(THEIRS("9999"), "9999", "succeeded"));
    then(f, GATEWAY_FAILED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_capture_is_what_its_note_says_when_all_notes_add_up,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(a_capture_without_its_note_was_not_done, setup, teardown),
        cmocka_unit_test_setup_teardown(what_was_not_taken_in_time_is_held_no_longer, setup,
                                        teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
