/*
 * Token buckets and histograms.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/attributes.h"
#include "base/bucket.h"
#include "base/histogram.h"
#include "base/time.h"

#define START_US (1000 * US_PER_SECOND)

static void a_full_bucket_gives_its_burst_and_no_more(void **state)
{
    (void)state;
    struct bucket_rate rate = bucket_rate_make(10, 20);
    struct bucket bucket = {0};
    int given = 0;

    while (given < 100 && bucket_take(&bucket, rate, 1, START_US))
        given++;

    assert_int_equal(given, 20);
    assert_int_equal(bucket_wait_us(&bucket, rate, 1, START_US), 100000);
}

static void what_is_given_back_can_be_taken_again_up_to_the_burst(void **state)
{
    (void)state;
    struct bucket_rate rate = bucket_rate_make(10, 20);
    struct bucket bucket = {0};
    int given = 0;

    bucket_give(&bucket, rate, 1000);
    while (given < 100 && bucket_take(&bucket, rate, 1, START_US))
        given++;
    bucket_give(&bucket, rate, 3);
    int again = 0;
    while (again < 100 && bucket_take(&bucket, rate, 1, START_US))
        again++;

    assert_int_equal(given, 20);
    assert_int_equal(again, 3);
}

static void tokens_flow_in_at_the_rate(void **state)
{
    (void)state;
    struct bucket_rate rate = bucket_rate_make(50000, 1);
    struct bucket bucket = {0};
    int given = 0;

    for (int64_t now_us = START_US; now_us < START_US + US_PER_SECOND; now_us++)
        given += bucket_take(&bucket, rate, 1, now_us);

    assert_int_equal(given, 50000);
}

static void a_price_above_the_burst_waits_for_a_full_bucket_and_is_owed(void **state)
{
    (void)state;
    struct bucket_rate rate = bucket_rate_make(10, 10);
    struct bucket bucket = {0};

    assert_true(bucket_take(&bucket, rate, 30, START_US));

    assert_int_equal(bucket_wait_us(&bucket, rate, 30, START_US), 3 * US_PER_SECOND);
    assert_int_equal(bucket_wait_us(&bucket, rate, 1, START_US), 2100000);
    assert_true(bucket_take(&bucket, rate, 30, START_US + 3 * US_PER_SECOND));
}

static void a_refused_take_takes_nothing(void **state)
{
    (void)state;
    struct bucket_rate rate = bucket_rate_make(10, 2);
    struct bucket bucket = {0};
    assert_true(bucket_take(&bucket, rate, 2, START_US));
    struct bucket before = bucket;

    assert_false(bucket_take(&bucket, rate, 1, START_US));

    assert_int_equal(bucket.full_ns, before.full_ns);
}

static void a_rate_of_zero_is_no_limit(void **state)
{
    (void)state;
    struct bucket_rate rate = bucket_rate_make(0, 0);
    struct bucket bucket = {0};

    for (int i = 0; i < 1000; i++)
        assert_true(bucket_take(&bucket, rate, 1000000, START_US));
    assert_int_equal(bucket_wait_us(&bucket, rate, 1, START_US), 0);
}

static void a_duration_is_counted_at_the_first_bound_that_holds_it(void **state)
{
    (void)state;
    struct histogram histogram = {0};

    histogram_add(&histogram, -5);
    histogram_add(&histogram, 100);
    histogram_add(&histogram, 101);
    histogram_add(&histogram, 11 * US_PER_SECOND);

    assert_int_equal(histogram.counts[0], 2);
    assert_int_equal(histogram.counts[1], 1);
    assert_int_equal(histogram.counts[HISTOGRAM_BOUNDS], 1);
    assert_int_equal(histogram.sum_us, 100 + 101 + 11 * US_PER_SECOND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_full_bucket_gives_its_burst_and_no_more),
        cmocka_unit_test(what_is_given_back_can_be_taken_again_up_to_the_burst),
        cmocka_unit_test(tokens_flow_in_at_the_rate),
        cmocka_unit_test(a_price_above_the_burst_waits_for_a_full_bucket_and_is_owed),
        cmocka_unit_test(a_refused_take_takes_nothing),
        cmocka_unit_test(a_rate_of_zero_is_no_limit),
        cmocka_unit_test(a_duration_is_counted_at_the_first_bound_that_holds_it),
    };

    return cmocka_run_group_tests_name("bucket and histogram", tests, NULL, NULL);
}
