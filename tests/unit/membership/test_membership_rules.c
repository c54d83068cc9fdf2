/*
 * The rules of memberships, without a database: every pair of states, every decision from every
 * state, the days of the dunning.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/random.h"
#include "base/time.h"
#include "membership/membership_rules.h"

#define NOW_US (1768000000LL * US_PER_SECOND)

static const struct settings settings = {
    .grace_days = 7,
    .dunning_retry_days = {1, 3, 5, 8, 11, 14},
    .dunning_retry_count = 6,
    .dunning_cancel_days = 21,
    .incomplete_seconds = 82800,
};

static struct arena *arena;

static int make_arena(void **state)
{
    (void)state;
    arena = arena_new(1024 * 1024);
    return 0;
}

static int drop_arena(void **state)
{
    (void)state;
    arena_free(arena);
    return 0;
}

/* A membership whose current period began at NOW_US. */
static struct membership given(enum membership_state state)
{
    struct membership membership = {
        .id = uuid_make(random_system(), NOW_US),
        .version = 1,
        .state = state,
        .plan = "premium-monthly",
        .tier = "premium",
        .price = money_make("USD", 999),
        .period_months = 1,
        .anchor_us = NOW_US,
        .period_start_us = NOW_US,
        .create_us = NOW_US,
        .decline_code = "",
    };

    membership.period_end_us = time_add_months(NOW_US, 1);
    if (state != MEMBERSHIP_INCOMPLETE)
        membership.access_end_us = membership.period_end_us;
    return membership;
}

static struct invoice given_invoice(const struct membership *membership)
{
    struct period next = membership_next_period(membership);

    return (struct invoice){
        .state = INVOICE_OPEN, .period_start_us = next.start_us, .period_end_us = next.end_us};
}

static void every_pair_of_membership_states(void **state)
{
    /* Rows: from INCOMPLETE, TRIALING, ACTIVE, PAST_DUE, CANCELED, EXPIRED. */
    static const char *const moves[MEMBERSHIP_STATE_COUNT] = {
        "+.+..+", ".++++.", "..+++.", "..+++.", "......", "......",
    };

    (void)state;
    for (int from = 0; from < MEMBERSHIP_STATE_COUNT; from++) {
        for (int to = 0; to < MEMBERSHIP_STATE_COUNT; to++)
            assert_int_equal(
                membership_may_move((enum membership_state)from, (enum membership_state)to),
                moves[from][to] == '+');
    }
}

static void every_pair_of_invoice_states(void **state)
{
    /* Rows: from OPEN, PAID, VOID, UNCOLLECTIBLE. */
    static const char *const moves[INVOICE_STATE_COUNT] = {"++++", "....", "....", "...."};

    (void)state;
    for (int from = 0; from < INVOICE_STATE_COUNT; from++) {
        for (int to = 0; to < INVOICE_STATE_COUNT; to++)
            assert_int_equal(invoice_may_move((enum invoice_state)from, (enum invoice_state)to),
                             moves[from][to] == '+');
    }
}

static void names_of_states_are_read_back(void **state)
{
    (void)state;
    for (int i = 0; i < MEMBERSHIP_STATE_COUNT; i++) {
        enum membership_state membership = (enum membership_state)i;
        assert_int_equal(membership_state_from_name(membership_state_name(membership)), i);
    }
    for (int i = 0; i < INVOICE_STATE_COUNT; i++) {
        enum invoice_state invoice = (enum invoice_state)i;
        assert_int_equal(invoice_state_from_name(invoice_state_name(invoice)), i);
    }
}

static void every_decision_from_every_state_is_a_legal_move(void **state)
{
    (void)state;
    for (int from = 0; from < MEMBERSHIP_STATE_COUNT; from++) {
        struct membership before = given((enum membership_state)from);
        struct invoice invoice = given_invoice(&before);
        struct decision decisions[] = {
            membership_paid(&before, &invoice, &settings, before.period_end_us),
            membership_declined(&before, "do_not_honor", &settings, before.period_end_us),
        };
        for (size_t i = 0; i < ARRAY_LENGTH(decisions); i++) {
            if (membership_has_ended(before.state))
                assert_int_equal(decisions[i].after.state, before.state);
            else
                assert_true(membership_may_move(before.state, decisions[i].after.state));
        }
        if (membership_has_ended(before.state))
            continue;
        struct decision ends[] = {
            membership_cancel_now(&before, NOW_US),
            membership_ended(&before, NOW_US),
        };
        for (size_t i = 0; i < ARRAY_LENGTH(ends); i++) {
            assert_true(membership_has_ended(ends[i].after.state));
            assert_true(ends[i].after.end_us == NOW_US);
            assert_true(ends[i].open_invoice_ends);
            assert_true(invoice_may_move(INVOICE_OPEN, ends[i].open_invoice));
            assert_null(membership_owed(arena, &ends[i].after, &settings).kind[0]);
        }
    }
}

static void the_retries_come_on_their_days(void **state)
{
    static const int days[] = {1, 3, 5, 8, 11, 14};
    struct membership membership = given(MEMBERSHIP_ACTIVE);
    int64_t end_us = membership.period_end_us;
    struct decision decision =
        membership_declined(&membership, "insufficient_funds", &settings, end_us);

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(days); i++) {
        int64_t due_us = end_us + days[i] * US_PER_DAY;
        assert_int_equal(decision.after.state, MEMBERSHIP_PAST_DUE);
        assert_true(decision.after.next_charge_us == due_us);
        assert_true(decision.after.access_end_us == end_us + 7 * US_PER_DAY);
        struct owed owed = membership_owed(arena, &decision.after, &settings);
        assert_string_equal(owed.kind[0], "membership.retry");
        assert_true(owed.due_us[0] == due_us);
        assert_string_equal(owed.kind[1], "membership.end");
        assert_true(owed.due_us[1] == end_us + 21 * US_PER_DAY);
        membership = decision.after;
        decision = membership_declined(&membership, "insufficient_funds", &settings, due_us);
    }
    assert_int_equal(decision.after.retry_number, 0);
    assert_true(decision.after.next_charge_us == 0);
    struct owed owed = membership_owed(arena, &decision.after, &settings);
    assert_string_equal(owed.kind[0], "membership.end");
    assert_null(owed.kind[1]);
}

static void retries_that_fell_into_an_outage_are_left_out(void **state)
{
    struct membership membership = given(MEMBERSHIP_ACTIVE);
    int64_t late_us = membership.period_end_us + 4 * US_PER_DAY;

    (void)state;
    struct decision decision = membership_declined(&membership, "do_not_honor", &settings, late_us);

    assert_int_equal(decision.after.retry_number, 3);
    assert_true(decision.after.next_charge_us == membership.period_end_us + 5 * US_PER_DAY);
}

static void some_refusals_need_another_method(void **state)
{
    static const struct {
        const char *code;
        bool needs;
    } codes[] = {
        {"authentication_required", true},
        {"lost_card", true},
        {"stolen_card", true},
        {"pickup_card", true},
        {"incorrect_number", true},
        {"revocation_of_authorization", true},
        {"revocation_of_all_authorizations", true},
        {"highest_risk_level", true},
        {"transaction_not_allowed", true},
        {"insufficient_funds", false},
        {"processing_error", false},
        {"expired_card", false},
        {"incorrect_cvc", false},
        {"generic_decline", false},
        {"", false},
    };
    struct membership membership = given(MEMBERSHIP_PAST_DUE);

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(codes); i++) {
        membership.decline_code = codes[i].code;
        assert_int_equal(membership_needs_other_method(&membership), codes[i].needs);
    }
}

static void recovery_keeps_the_dates_until_the_grace_is_over(void **state)
{
    struct membership membership = given(MEMBERSHIP_PAST_DUE);
    struct invoice invoice = given_invoice(&membership);
    int64_t end_us = membership.period_end_us;
    int64_t last_us = end_us + 7 * US_PER_DAY - 1;

    (void)state;
    struct decision inside = membership_paid(&membership, &invoice, &settings, last_us);
    assert_true(inside.after.period_start_us == end_us);
    assert_true(inside.after.anchor_us == NOW_US);
    assert_int_equal(inside.after.period_index, 1);
    assert_string_equal(inside.event, "membership.recovered");

    struct decision after = membership_paid(&membership, &invoice, &settings, last_us + 1);
    assert_true(after.after.period_start_us == last_us + 1);
    assert_true(after.after.anchor_us == last_us + 1);
    assert_true(after.after.period_end_us == time_add_months(last_us + 1, 1));
    assert_true(after.period.start_us == after.after.period_start_us);
}

static void money_in_flight_owes_nothing_of_its_own(void **state)
{
    struct membership membership = given(MEMBERSHIP_ACTIVE);
    struct decision charging =
        membership_charging(&membership, uuid_make(random_system(), NOW_US),
                            uuid_make(random_system(), NOW_US), uuid_make(random_system(), NOW_US));

    (void)state;
    assert_string_equal(membership_owed(arena, &membership, &settings).kind[0], "membership.renew");
    assert_null(membership_owed(arena, &charging.after, &settings).kind[0]);
    /* A cancellation waits for the outcome, and then holds. */
    struct decision cancelled = membership_cancel_later(&charging.after, NOW_US);
    assert_int_equal(cancelled.after.state, MEMBERSHIP_ACTIVE);
    assert_true(cancelled.after.cancel_at_period_end);
    struct decision declined =
        membership_declined(&cancelled.after, "do_not_honor", &settings, NOW_US);
    assert_int_equal(declined.after.state, MEMBERSHIP_CANCELED);
    assert_true(declined.open_invoice_ends);
    struct invoice invoice = given_invoice(&cancelled.after);
    struct decision paid = membership_paid(&cancelled.after, &invoice, &settings, NOW_US);
    assert_int_equal(paid.after.state, MEMBERSHIP_ACTIVE);
    assert_true(paid.after.cancel_at_period_end);
    assert_true(paid.after.next_charge_us == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_pair_of_membership_states),
        cmocka_unit_test(every_pair_of_invoice_states),
        cmocka_unit_test(names_of_states_are_read_back),
        cmocka_unit_test(every_decision_from_every_state_is_a_legal_move),
        cmocka_unit_test(the_retries_come_on_their_days),
        cmocka_unit_test(retries_that_fell_into_an_outage_are_left_out),
        cmocka_unit_test(some_refusals_need_another_method),
        cmocka_unit_test(recovery_keeps_the_dates_until_the_grace_is_over),
        cmocka_unit_test(money_in_flight_owes_nothing_of_its_own),
    };
    return cmocka_run_group_tests_name("membership rules", tests, make_arena, drop_arena);
}
