/*
 * When a delivery that failed is tried again.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/random.h"
#include "base/time.h"
#include "webhook/schedule.h"

static void fill_zero(const struct random *random, void *bytes, size_t size)
{
    (void)random;
    memset(bytes, 0, size);
}

static void lasts_over_three_days(void **state)
{
    const struct random none = {.fill = fill_zero};
    int64_t sum_us = 0;

    (void)state;
    for (int32_t tries = 0; tries < WEBHOOK_TRIES_MAX - 1; tries++)
        sum_us += webhook_retry_delay_us(tries, &none);

    assert_true(sum_us == (75 * 3600 + 35 * 60 + 5) * US_PER_SECOND);
    assert_true(webhook_retry_delay_us(0, &none) == 5 * US_PER_SECOND);
    assert_true(webhook_retry_delay_us(WEBHOOK_TRIES_MAX - 1, &none) == 0);
    assert_true(webhook_retry_delay_us(1000, &none) == 0);
}

static void chance_adds_a_tenth_at_most(void **state)
{
    bool spreads = false;

    (void)state;
    for (int i = 0; i < 100; i++) {
        int64_t delay_us = webhook_retry_delay_us(1, random_system());
        assert_true(delay_us >= 5 * US_PER_MINUTE &&
                    delay_us <= 5 * US_PER_MINUTE + 30 * US_PER_SECOND);
        spreads = spreads || delay_us > 5 * US_PER_MINUTE;
    }
    assert_true(spreads);
}

static void reads_retry_after_as_seconds_and_as_a_date(void **state)
{
    int64_t now_us;

    (void)state;
    assert_true(time_parse("1994-11-06T08:49:00Z", &now_us));
    assert_true(webhook_retry_after_us("120", now_us) == 120 * US_PER_SECOND);
    assert_true(webhook_retry_after_us("Sun, 06 Nov 1994 08:49:37 GMT", now_us) ==
                37 * US_PER_SECOND);
    assert_true(webhook_retry_after_us("Sun, 06 Nov 1994 08:48:37 GMT", now_us) == 0);
    assert_true(webhook_retry_after_us("99999999999999999999", now_us) == US_PER_DAY);
    assert_true(webhook_retry_after_us("Sun, 06 Nov 2094 08:49:37 GMT", now_us) == US_PER_DAY);
}

static void understands_nothing_else(void **state)
{
    static const char *const others[] = {"",
                                         "-5",
                                         "5 s",
                                         "soon",
                                         "1e9",
                                         "Sun, 06 Nov 1994",
                                         "Sun, 06 Now 1994 08:49:37 GMT",
                                         "Sun, 06 Nov 1994 08:49:37 GMT+1",
                                         "Sun, 36 Nov 2094 08:49:37 GMT"};

    (void)state;
    assert_true(webhook_retry_after_us(NULL, 0) == 0);
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        assert_true(webhook_retry_after_us(others[i], 0) == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lasts_over_three_days),
        cmocka_unit_test(chance_adds_a_tenth_at_most),
        cmocka_unit_test(reads_retry_after_as_seconds_and_as_a_date),
        cmocka_unit_test(understands_nothing_else),
    };
    return cmocka_run_group_tests_name("webhook schedule", tests, NULL, NULL);
}
