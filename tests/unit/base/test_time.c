/*
 * Time: RFC 3339 there and back, and periods counted from their anchor.
 */

#include "base/time.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/attributes.h"

static int64_t at(const char *text)
{
    int64_t time_us;

    if (!time_parse(text, &time_us))
        fail_msg("cannot read '%s'", text);
    return time_us;
}

static void assert_time(int64_t time_us, const char *expected)
{
    char text[TIME_TEXT_SIZE];

    time_format(time_us, text);
    assert_string_equal(text, expected);
}

static void writes_rfc_3339_with_microseconds(void **state)
{
    (void)state;
    assert_time(0, "1970-01-01T00:00:00.000000Z");
    assert_time(-1, "1969-12-31T23:59:59.999999Z");
    assert_time(951782400LL * US_PER_SECOND, "2000-02-29T00:00:00.000000Z");
    assert_time(1795342272123456LL, "2026-11-22T10:11:12.123456Z");
    assert_time(TIME_US_MIN, "0001-01-01T00:00:00.000000Z");
    assert_time(TIME_US_MAX, "9999-12-31T23:59:59.999999Z");
}

static void cuts_times_outside_the_calendar(void **state)
{
    (void)state;
    assert_time(INT64_MIN, "0001-01-01T00:00:00.000000Z");
    assert_time(INT64_MAX, "9999-12-31T23:59:59.999999Z");
}

static void reads_what_rfc_3339_allows(void **state)
{
    (void)state;
    assert_time(at("2026-11-22T10:11:12Z"), "2026-11-22T10:11:12.000000Z");
    assert_time(at("2026-11-22t10:11:12z"), "2026-11-22T10:11:12.000000Z");
    assert_time(at("2026-11-22T10:11:12.1Z"), "2026-11-22T10:11:12.100000Z");
    assert_time(at("2026-11-22T10:11:12.000001Z"), "2026-11-22T10:11:12.000001Z");
    assert_time(at("2026-11-22T10:11:12.123456999Z"), "2026-11-22T10:11:12.123456Z");
    assert_time(at("2026-11-22T10:11:12+01:30"), "2026-11-22T08:41:12.000000Z");
    assert_time(at("2026-12-31T23:00:00-05:00"), "2027-01-01T04:00:00.000000Z");
    assert_time(at("2026-11-22T10:11:12-00:00"), "2026-11-22T10:11:12.000000Z");
    assert_time(at("2024-02-29T00:00:00Z"), "2024-02-29T00:00:00.000000Z");
    assert_time(at("2000-02-29T23:59:59.999999Z"), "2000-02-29T23:59:59.999999Z");
    assert_time(at("1969-12-31T23:59:59.9Z"), "1969-12-31T23:59:59.900000Z");
    assert_time(at("0001-01-01T00:00:00Z"), "0001-01-01T00:00:00.000000Z");
    assert_time(at("9999-12-31T23:59:59.999999999Z"), "9999-12-31T23:59:59.999999Z");
}

static void refuses_what_it_does_not(void **state)
{
    static const char *const wrong[] = {
        "",
        "2026",
        "2026-11-22",
        "2026-11-22T10:11Z",
        "2026-11-22T10:11:12",
        "2026-11-22 10:11:12Z",
        "2026-11-22T10:11:12.Z",
        "2026-11-22T10:11:12,5Z",
        "2026-11-22T10:11:12.1234567890Z",
        "2026-11-22T10:11:12ZZ",
        "2026-11-22T10:11:12Z ",
        " 2026-11-22T10:11:12Z",
        "2026-11-22T10:11:12+1:00",
        "2026-11-22T10:11:12+0100",
        "2026-11-22T10:11:12+24:00",
        "2026-11-22T10:11:12+01:60",
        "2026-11-22T24:00:00Z",
        "2026-11-22T23:60:00Z",
        "2026-11-22T23:59:60Z",
        "2026-00-22T10:11:12Z",
        "2026-13-22T10:11:12Z",
        "2026-11-00T10:11:12Z",
        "2026-11-31T10:11:12Z",
        "2026-02-29T10:11:12Z",
        "2100-02-29T10:11:12Z",
        "1900-02-29T10:11:12Z",
        "02026-11-22T10:11:12Z",
        "226-11-22T10:11:12Z",
        "+026-11-22T10:11:12Z",
        "2026-1a-22T10:11:12Z",
        "0000-12-31T23:59:59Z",
        "0001-01-01T00:00:00+00:01",
        "9999-12-31T23:59:59-00:01",
        "2026-11-22T10:11:12\xd9\xa0Z",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(wrong); i++) {
        int64_t time_us = 42;
        if (time_parse(wrong[i], &time_us))
            fail_msg("accepted '%s'", wrong[i]);
        assert_int_equal(time_us, 42);
    }
    int64_t time_us;
    assert_false(time_parse(NULL, &time_us));
}

static void every_day_of_eight_centuries_reads_back(void **state)
{
    char text[TIME_TEXT_SIZE];
    int64_t first = at("1600-01-01T00:00:00Z") / US_PER_DAY;
    int64_t last = at("2400-12-31T00:00:00Z") / US_PER_DAY;

    (void)state;
    assert_int_equal(last - first + 1, 292560); /* 801 years with 195 leap days */
    for (int64_t day = first; day <= last; day++) {
        time_format(day * US_PER_DAY, text);
        assert_int_equal(at(text), day * US_PER_DAY);
    }
}

/* Periods are counted from the anchor, not from the end of the one before. */
static void the_31st_stays_the_31st(void **state)
{
    int64_t anchor = at("2026-01-31T12:30:00.5Z");

    (void)state;
    assert_time(time_add_months(anchor, 0), "2026-01-31T12:30:00.500000Z");
    assert_time(time_add_months(anchor, 1), "2026-02-28T12:30:00.500000Z");
    assert_time(time_add_months(anchor, 2), "2026-03-31T12:30:00.500000Z");
    assert_time(time_add_months(anchor, 3), "2026-04-30T12:30:00.500000Z");
    assert_time(time_add_months(anchor, 4), "2026-05-31T12:30:00.500000Z");
    assert_time(time_add_months(anchor, 11), "2026-12-31T12:30:00.500000Z");
    assert_time(time_add_months(anchor, 12), "2027-01-31T12:30:00.500000Z");
    assert_time(time_add_months(anchor, 25), "2028-02-29T12:30:00.500000Z");
}

static void a_leap_day_comes_back_every_fourth_year(void **state)
{
    int64_t anchor = at("2024-02-29T00:00:00Z");

    (void)state;
    assert_time(time_add_months(anchor, 12), "2025-02-28T00:00:00.000000Z");
    assert_time(time_add_months(anchor, 24), "2026-02-28T00:00:00.000000Z");
    assert_time(time_add_months(anchor, 36), "2027-02-28T00:00:00.000000Z");
    assert_time(time_add_months(anchor, 48), "2028-02-29T00:00:00.000000Z");
    assert_time(time_add_months(anchor, 12 * 76), "2100-02-28T00:00:00.000000Z");
}

static void months_go_back_too(void **state)
{
    int64_t anchor = at("2026-03-31T23:59:59.999999Z");

    (void)state;
    assert_time(time_add_months(anchor, -1), "2026-02-28T23:59:59.999999Z");
    assert_time(time_add_months(anchor, -3), "2025-12-31T23:59:59.999999Z");
    assert_time(time_add_months(anchor, -15), "2024-12-31T23:59:59.999999Z");
    assert_time(time_add_months(at("1970-01-15T00:00:00Z"), -1), "1969-12-15T00:00:00.000000Z");
}

static void months_end_with_the_calendar(void **state)
{
    (void)state;
    assert_int_equal(time_add_months(at("9999-12-01T00:00:00Z"), 1), TIME_US_MAX);
    assert_int_equal(time_add_months(at("0001-01-01T00:00:00Z"), -1), TIME_US_MIN);
    assert_int_equal(time_add_months(INT64_MAX, INT32_MAX), TIME_US_MAX);
    assert_int_equal(time_add_months(INT64_MIN, INT32_MIN), TIME_US_MIN);
}

static void every_month_of_a_century_keeps_the_day_where_it_can(void **state)
{
    static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

    (void)state;
    for (int day = 1; day <= 31; day++) {
        char text[64], expected[64];
        snprintf(text, sizeof text, "2000-01-%02dT06:00:00Z", day);
        int64_t anchor = at(text);
        for (int n = 0; n < 1200; n++) {
            int year = 2000 + n / 12;
            int length = lengths[n % 12] + (n % 12 == 1 && year % 4 == 0);
            snprintf(expected, sizeof expected, "%04d-%02d-%02dT06:00:00.000000Z", year, n % 12 + 1,
                     day < length ? day : length);
            assert_time(time_add_months(anchor, n), expected);
        }
    }
}

static void the_machine_has_a_plausible_clock(void **state)
{
    const struct clock *clock = clock_system();

    (void)state;
    assert_true(clock_wall_us(clock) > at("2026-01-01T00:00:00Z"));
    int64_t before = clock_monotonic_us(clock);
    assert_true(clock_monotonic_us(clock) >= before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_rfc_3339_with_microseconds),
        cmocka_unit_test(cuts_times_outside_the_calendar),
        cmocka_unit_test(reads_what_rfc_3339_allows),
        cmocka_unit_test(refuses_what_it_does_not),
        cmocka_unit_test(every_day_of_eight_centuries_reads_back),
        cmocka_unit_test(the_31st_stays_the_31st),
        cmocka_unit_test(a_leap_day_comes_back_every_fourth_year),
        cmocka_unit_test(months_go_back_too),
        cmocka_unit_test(months_end_with_the_calendar),
        cmocka_unit_test(every_month_of_a_century_keeps_the_day_where_it_can),
        cmocka_unit_test(the_machine_has_a_plausible_clock),
    };
    return cmocka_run_group_tests_name("time", tests, NULL, NULL);
}
