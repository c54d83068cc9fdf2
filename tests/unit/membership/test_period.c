/*
 * Billing periods: the day of the anchor, clamped to the month, never drifting.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/time.h"
#include "membership/membership_rules.h"
#include "membership/period.h"

static int64_t at(const char *text)
{
    int64_t time_us;

    assert_true(time_parse(text, &time_us));
    return time_us;
}

static void assert_periods(const char *anchor, int32_t months, const char *const *starts,
                           size_t count)
{
    for (size_t i = 0; i < count; i++)
        assert_true(period_start(at(anchor), months, (int32_t)i) == at(starts[i]));
}

static void the_31st_is_clamped_and_comes_back(void **state)
{
    static const char *const starts[] = {"2026-01-31T10:00:00Z", "2026-02-28T10:00:00Z",
                                         "2026-03-31T10:00:00Z", "2026-04-30T10:00:00Z",
                                         "2026-05-31T10:00:00Z"};

    (void)state;
    assert_periods(starts[0], 1, starts, ARRAY_LENGTH(starts));
}

static void leap_years_are_known(void **state)
{
    static const char *const months[] = {"2027-12-30T00:00:00Z", "2028-01-30T00:00:00Z",
                                         "2028-02-29T00:00:00Z", "2028-03-30T00:00:00Z"};
    static const char *const years[] = {"2024-02-29T00:00:00Z", "2025-02-28T00:00:00Z",
                                        "2026-02-28T00:00:00Z", "2027-02-28T00:00:00Z",
                                        "2028-02-29T00:00:00Z"};

    (void)state;
    assert_periods(months[0], 1, months, ARRAY_LENGTH(months));
    assert_periods(years[0], 12, years, ARRAY_LENGTH(years));
}

static void periods_of_several_months_keep_the_day(void **state)
{
    static const char *const quarters[] = {"2026-11-30T23:59:59.999999Z",
                                           "2027-02-28T23:59:59.999999Z",
                                           "2027-05-30T23:59:59.999999Z"};

    (void)state;
    assert_periods(quarters[0], 3, quarters, ARRAY_LENGTH(quarters));
}

static void periods_follow_without_gap_or_overlap(void **state)
{
    struct membership membership = {.period_months = 1, .anchor_us = at("2026-01-31T10:00:00Z")};
    int64_t end_us = membership.anchor_us;

    (void)state;
    for (membership.period_index = -1; membership.period_index < 40; membership.period_index++) {
        struct period next = membership_next_period(&membership);
        assert_true(next.start_us == end_us);
        assert_true(next.end_us - next.start_us >= 28 * US_PER_DAY);
        assert_true(next.end_us - next.start_us <= 31 * US_PER_DAY);
        end_us = next.end_us;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_31st_is_clamped_and_comes_back),
        cmocka_unit_test(leap_years_are_known),
        cmocka_unit_test(periods_of_several_months_keep_the_day),
        cmocka_unit_test(periods_follow_without_gap_or_overlap),
    };
    return cmocka_run_group_tests_name("periods", tests, NULL, NULL);
}
