/*
 * Rates of callers: how much each has, what copies of an app share, and that nobody gets a fresh
 * burst by being forgotten.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/random.h"
#include "base/time.h"
#include "rpc/throttle.h"

#define START_US (1000 * US_PER_SECOND)

static int setup(void **state)
{
    const struct settings settings = {
        .rate_service = 100, .rate_operator = 0, .rate_app = 80, .rate_device = 10};

    *state = throttle_open(&settings, random_system());
    return 0;
}

static int teardown(void **state)
{
    throttle_close(*state);
    return 0;
}

static struct caller caller(enum caller_kind kind, const char *id, const char *peer)
{
    return (struct caller){.kind = kind, .spiffe_id = id, .peer = peer};
}

static int64_t ask(struct throttle *throttle, const struct caller *who, int64_t cost,
                   int64_t now_us)
{
    enum throttle_limit limit;

    return throttle_take(throttle, who, cost, now_us, &limit);
}

/* How many calls of this cost are let through at one instant. */
static int burst(struct throttle *throttle, struct caller who, int64_t cost, int64_t now_us)
{
    int count = 0;

    while (count < 1000 && ask(throttle, &who, cost, now_us) == 0)
        count++;
    return count;
}

static void gives_each_kind_its_rate_and_twice_as_much_at_once(void **state)
{
    struct caller service = caller(CALLER_SERVICE, "service/a", NULL);
    struct caller device = caller(CALLER_DEVICE, "device/a", NULL);

    assert_int_equal(burst(*state, service, 1, START_US), 200);
    assert_int_equal(burst(*state, device, 1, START_US), 20);

    assert_int_equal(burst(*state, service, 1, START_US + US_PER_SECOND), 100);
    assert_int_equal(burst(*state, device, 1, START_US + US_PER_SECOND), 10);
}

static void tells_how_long_to_wait(void **state)
{
    struct caller device = caller(CALLER_DEVICE, "device/a", NULL);

    burst(*state, device, 1, START_US);

    assert_int_equal(ask(*state, &device, 1, START_US), US_PER_SECOND / 10);
    assert_int_equal(ask(*state, &device, 1, START_US + US_PER_SECOND / 10), 0);
}

static void takes_more_for_what_costs_more(void **state)
{
    struct caller device = caller(CALLER_DEVICE, "device/a", NULL);

    assert_int_equal(burst(*state, device, 5, START_US), 4);
}

static void does_not_limit_a_kind_whose_rate_is_0(void **state)
{
    struct caller an_operator = caller(CALLER_OPERATOR, "operator/a", NULL);

    assert_int_equal(burst(*state, an_operator, 20, START_US), 1000);
}

static void lets_nobody_use_what_another_has(void **state)
{
    burst(*state, caller(CALLER_SERVICE, "service/a", NULL), 1, START_US);

    assert_int_equal(burst(*state, caller(CALLER_SERVICE, "service/b", NULL), 1, START_US), 200);
}

static void knows_a_device_with_and_without_its_user_as_one(void **state)
{
    burst(*state, caller(CALLER_DEVICE, "device/a", NULL), 1, START_US);

    assert_int_equal(burst(*state, caller(CALLER_DEVICE_USER, "device/a", NULL), 1, START_US), 0);
}

static void leaves_an_app_most_of_its_rate_when_one_copy_floods(void **state)
{
    struct caller flooding = caller(CALLER_APP, "app/a", "ipv4:192.0.2.1:1000");
    struct caller same = caller(CALLER_APP_USER, "app/a", "ipv4:192.0.2.1:2000");
    struct caller other = caller(CALLER_APP, "app/a", "ipv4:192.0.2.2:1000");

    assert_int_equal(burst(*state, flooding, 1, START_US), 20);

    assert_int_equal(burst(*state, same, 1, START_US), 0);
    assert_int_equal(burst(*state, other, 1, START_US), 20);
}

static void limits_all_copies_of_an_app_together(void **state)
{
    int sum = 0;

    for (int i = 0; i < 20; i++) {
        char peer[40];
        snprintf(peer, sizeof peer, "ipv4:192.0.2.%d:1000", i);
        sum += burst(*state, caller(CALLER_APP, "app/a", peer), 1, START_US);
    }

    assert_int_equal(sum, 160);
    /* What the app did not have was not taken from the last address either. */
    struct caller late = caller(CALLER_APP, "app/a", "ipv4:192.0.2.19:1000");
    assert_int_equal(burst(*state, late, 1, START_US + US_PER_SECOND), 20);
}

static enum throttle_limit limit_of(struct throttle *throttle, struct caller who)
{
    enum throttle_limit limit;

    burst(throttle, who, 1, START_US);
    assert_true(throttle_take(throttle, &who, 1, START_US, &limit) > 0);
    return limit;
}

static void tells_the_share_of_an_address_from_what_the_app_has(void **state)
{
    assert_int_equal(limit_of(*state, caller(CALLER_DEVICE, "device/a", NULL)), THROTTLE_IDENTITY);
    for (int i = 0; i < 9; i++) {
        char peer[40];
        snprintf(peer, sizeof peer, "ipv4:192.0.2.%d:1000", i);
        assert_int_equal(limit_of(*state, caller(CALLER_APP, "app/a", peer)),
                         i < 8 ? THROTTLE_SOURCE : THROTTLE_IDENTITY);
    }
}

static void gives_no_fresh_burst_to_who_was_crowded_out(void **state)
{
    struct caller limited = caller(CALLER_DEVICE, "device/limited", NULL);
    int64_t now_us = START_US;

    burst(*state, limited, 1, now_us);
    for (int i = 0; i < 200000; i++) {
        char id[40];
        snprintf(id, sizeof id, "device/%d", i);
        struct caller stranger = caller(CALLER_DEVICE, id, NULL);
        if (ask(*state, &stranger, 1, now_us) != 0)
            continue; /* shares a bucket with others, and that is used up */
    }

    assert_int_equal(burst(*state, limited, 1, now_us), 0);
    assert_int_equal(burst(*state, limited, 1, now_us + US_PER_SECOND), 10);
}

static void makes_room_when_buckets_are_full_again(void **state)
{
    int64_t now_us = START_US;
    int let_through = 0;

    for (int round = 0; round < 3; round++, now_us += 10 * US_PER_SECOND) {
        for (int i = 0; i < 8000; i++) {
            char id[40];
            snprintf(id, sizeof id, "device/%d-%d", round, i);
            struct caller device = caller(CALLER_DEVICE, id, NULL);
            let_through += ask(*state, &device, 1, now_us) == 0;
        }
    }

    assert_int_equal(let_through, 3 * 8000);
}

static void assert_source(const char *peer, const char *expected)
{
    char source[THROTTLE_SOURCE_SIZE];

    throttle_source(peer, source);
    assert_string_equal(source, expected);
}

static void takes_an_address_for_a_source_and_half_of_an_ipv6_one(void **state)
{
    (void)state;
    assert_source("ipv4:192.0.2.7:4711", "192.0.2.7");
    assert_source("ipv6:%5B2001:db8:1:2:3:4:5:6%5D:4711", "2001:db8:1:2::");
    assert_source("ipv6:[2001:db8:1:2:ffff::1]:9", "2001:db8:1:2::");
    assert_source("ipv6:%5B::ffff:192.0.2.7%5D:4711", "192.0.2.7");
    assert_source("ipv6:%5Bfe80::1%25eth0%5D:4711", "fe80::");
    assert_source("unix:/run/dues/socket", "unix:/run/dues/socket");
    assert_source("ipv6:nonsense", "ipv6:nonsense");
    assert_source("", "");
    assert_source("unix:/a/very/long/path/that/does/not/fit/into/the/text/of/a/source/at/all",
                  "unix:/a/very/long/path/that/does/not/fit/into/the/text/of/a/sou");
}

#define THROTTLE_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        THROTTLE_TEST(gives_each_kind_its_rate_and_twice_as_much_at_once),
        THROTTLE_TEST(tells_how_long_to_wait),
        THROTTLE_TEST(takes_more_for_what_costs_more),
        THROTTLE_TEST(does_not_limit_a_kind_whose_rate_is_0),
        THROTTLE_TEST(lets_nobody_use_what_another_has),
        THROTTLE_TEST(knows_a_device_with_and_without_its_user_as_one),
        THROTTLE_TEST(leaves_an_app_most_of_its_rate_when_one_copy_floods),
        THROTTLE_TEST(limits_all_copies_of_an_app_together),
        THROTTLE_TEST(tells_the_share_of_an_address_from_what_the_app_has),
        THROTTLE_TEST(gives_no_fresh_burst_to_who_was_crowded_out),
        THROTTLE_TEST(makes_room_when_buckets_are_full_again),
        cmocka_unit_test(takes_an_address_for_a_source_and_half_of_an_ipv6_one),
    };

    return cmocka_run_group_tests_name("throttle", tests, NULL, NULL);
}
