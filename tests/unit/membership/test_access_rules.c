/*
 * May this customer use X now?  One table: state, time, what the tier grants, and the answer.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/time.h"
#include "membership/membership_rules.h"

#define END_US (1000 * US_PER_DAY)

static const struct settings settings = {.grace_days = 7};

struct row {
    enum membership_state state;
    int64_t now_us;
    bool granted;
    bool cancels;
    bool allowed;
    enum access_cause cause;
    int64_t until_us;
};

static const struct row rows[] = {
    {MEMBERSHIP_ACTIVE, END_US - 1, true, false, true, ACCESS_GRANTED_BY_TIER, END_US},
    {MEMBERSHIP_ACTIVE, END_US - 1, true, true, true, ACCESS_GRANTED_BY_TIER, END_US},
    {MEMBERSHIP_ACTIVE, END_US - 1, false, false, false, ACCESS_NOT_IN_TIER, 0},
    /* Our renewal is late: nobody is locked out before the grace is over. */
    {MEMBERSHIP_ACTIVE, END_US, true, false, true, ACCESS_GRANTED_BY_TIER, END_US + 7 * US_PER_DAY},
    {MEMBERSHIP_ACTIVE, END_US + 7 * US_PER_DAY, true, false, false, ACCESS_PAST_DUE, 0},
    {MEMBERSHIP_ACTIVE, END_US, true, true, false, ACCESS_CANCELED, 0},
    {MEMBERSHIP_TRIALING, END_US - 1, true, false, true, ACCESS_TRIAL, END_US},
    {MEMBERSHIP_TRIALING, END_US, true, true, false, ACCESS_CANCELED, 0},
    {MEMBERSHIP_PAST_DUE, END_US + 7 * US_PER_DAY - 1, true, false, true, ACCESS_IN_GRACE,
     END_US + 7 * US_PER_DAY},
    {MEMBERSHIP_PAST_DUE, END_US + 7 * US_PER_DAY, true, false, false, ACCESS_PAST_DUE, 0},
    {MEMBERSHIP_PAST_DUE, END_US, false, false, false, ACCESS_NOT_IN_TIER, 0},
    {MEMBERSHIP_INCOMPLETE, END_US - 1, true, false, false, ACCESS_INCOMPLETE, 0},
    {MEMBERSHIP_CANCELED, END_US - 1, true, false, false, ACCESS_CANCELED, 0},
    {MEMBERSHIP_EXPIRED, END_US - 1, true, false, false, ACCESS_NO_MEMBERSHIP, 0},
};

static struct entitlement_facts facts_of(const struct row *row)
{
    return (struct entitlement_facts){
        .now_us = row->now_us,
        .open_tier = "",
        .has_membership = true,
        .granted = row->granted,
        .tier = "premium",
        .state = row->state,
        .period_end_us = END_US,
        .access_end_us = row->state == MEMBERSHIP_PAST_DUE ? END_US + 7 * US_PER_DAY : END_US,
        .cancel_at_period_end = row->cancels,
    };
}

static void each_row_of_the_table(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct entitlement_facts facts = facts_of(&rows[i]);
        struct access access = membership_access(&facts, &settings);
        assert_int_equal(access.allowed, rows[i].allowed);
        assert_int_equal(access.cause, rows[i].cause);
        assert_true(access.until_us == rows[i].until_us);
        assert_true(access.by_membership);
    }
}

static void what_is_open_to_everybody_is_never_denied(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct entitlement_facts facts = facts_of(&rows[i]);
        facts.open_tier = "free";
        assert_true(membership_access(&facts, &settings).allowed);
    }
    struct entitlement_facts nobody = {.open_tier = "free", .now_us = 1, .tier = ""};
    struct access access = membership_access(&nobody, &settings);
    assert_true(access.allowed);
    assert_false(access.by_membership);
}

static void without_end_there_is_no_until(void **state)
{
    struct entitlement_facts facts = {.now_us = END_US,
                                      .open_tier = "",
                                      .has_membership = true,
                                      .granted = true,
                                      .tier = "free",
                                      .state = MEMBERSHIP_ACTIVE};

    (void)state;
    struct access access = membership_access(&facts, &settings);

    assert_true(access.allowed);
    assert_true(access.until_us == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_row_of_the_table),
        cmocka_unit_test(what_is_open_to_everybody_is_never_denied),
        cmocka_unit_test(without_end_there_is_no_until),
    };
    return cmocka_run_group_tests_name("access rules", tests, NULL, NULL);
}
