/*
 * The cache of sessions: it believes for a few seconds, forgets at once, and stays small.
 */

#include "auth/session_cache.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "base/random.h"

struct moving_clock {
    struct clock clock;
    int64_t monotonic_us;
};

struct fixture {
    struct moving_clock clock;
    struct session_cache *cache;
    struct uuid customer;
    struct uuid session;
};

static int64_t read_clock(const struct clock *clock)
{
    return ((const struct moving_clock *)clock)->monotonic_us;
}

static int given_cache(void **state)
{
    static struct fixture f;
    f.clock = (struct moving_clock){{read_clock, read_clock}, 1000};
    f.cache = session_cache_open(&f.clock.clock);
    f.customer = uuid_make(random_system(), 1);
    f.session = uuid_make(random_system(), 2);
    *state = &f;
    return 0;
}

static int close_cache(void **state)
{
    struct fixture *f = *state;
    session_cache_close(f->cache);
    return 0;
}

static void put(struct fixture *f, struct uuid customer, struct uuid session)
{
    session_cache_put(f->cache, customer, session, session_cache_version(f->cache, customer));
}

static void believes_for_five_seconds(void **state)
{
    struct fixture *f = *state;
    assert_false(session_cache_has(f->cache, f->customer, f->session));

    put(f, f->customer, f->session);

    assert_true(session_cache_has(f->cache, f->customer, f->session));
    f->clock.monotonic_us += SESSION_CACHE_US - 1;
    assert_true(session_cache_has(f->cache, f->customer, f->session));
    f->clock.monotonic_us += 1;
    assert_false(session_cache_has(f->cache, f->customer, f->session));
}

static void knows_a_session_only_with_its_customer(void **state)
{
    struct fixture *f = *state;
    struct uuid neighbour = f->customer; /* in the same set */
    neighbour.bytes[8] ^= 1;

    put(f, f->customer, f->session);

    assert_false(session_cache_has(f->cache, neighbour, f->session));
    assert_false(session_cache_has(f->cache, f->customer, f->customer));
}

static void forgets_all_sessions_of_the_customer_and_no_others(void **state)
{
    struct fixture *f = *state;
    struct uuid neighbour = f->customer;
    neighbour.bytes[8] ^= 1;
    struct uuid other_session = uuid_make(random_system(), 3);
    struct uuid third_session = uuid_make(random_system(), 4);
    put(f, f->customer, f->session);
    put(f, f->customer, other_session);
    put(f, neighbour, third_session);

    session_cache_forget(f->cache, f->customer);

    assert_false(session_cache_has(f->cache, f->customer, f->session));
    assert_false(session_cache_has(f->cache, f->customer, other_session));
    assert_true(session_cache_has(f->cache, neighbour, third_session));
}

static void keeps_nothing_that_was_looked_up_before_it_was_forgotten(void **state)
{
    struct fixture *f = *state;
    uint64_t version = session_cache_version(f->cache, f->customer);

    session_cache_forget(f->cache, f->customer);
    session_cache_put(f->cache, f->customer, f->session, version);

    assert_false(session_cache_has(f->cache, f->customer, f->session));
}

static void stays_small_and_keeps_the_newest(void **state)
{
    struct fixture *f = *state;

    for (int i = 0; i < 100; i++) {
        f->session.bytes[0] = (uint8_t)i;
        put(f, f->customer, f->session);
        f->clock.monotonic_us += 1;
    }

    int known = 0;
    for (int i = 0; i < 100; i++) {
        f->session.bytes[0] = (uint8_t)i;
        known += session_cache_has(f->cache, f->customer, f->session);
    }
    assert_int_equal(known, 4);
    assert_true(session_cache_has(f->cache, f->customer, f->session));
}

#define CACHE_TEST(test) cmocka_unit_test_setup_teardown(test, given_cache, close_cache)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CACHE_TEST(believes_for_five_seconds),
        CACHE_TEST(knows_a_session_only_with_its_customer),
        CACHE_TEST(forgets_all_sessions_of_the_customer_and_no_others),
        CACHE_TEST(keeps_nothing_that_was_looked_up_before_it_was_forgotten),
        CACHE_TEST(stays_small_and_keeps_the_newest),
    };
    return cmocka_run_group_tests_name("cache of sessions", tests, NULL, NULL);
}
