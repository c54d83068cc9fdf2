/*
 * What is remembered of entitlements, with a clock that moves by hand: how old it may be, what
 * makes it void, and that there is never more of it than there may be.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "membership/entitlement_cache.h"

#define SECOND US_PER_SECOND

static int64_t now_us;

static int64_t hand_us(const struct clock *clock)
{
    (void)clock;
    return now_us;
}

static const struct clock hand_clock = {.wall_us = hand_us, .monotonic_us = hand_us};

struct fixture {
    struct entitlement_cache *cache;
    struct arena *arena;
};

static int setup(void **state)
{
    static struct fixture f;

    now_us = 1000 * SECOND;
    f = (struct fixture){
        .cache = entitlement_cache_open(&hand_clock, 1000),
        .arena = arena_new(16 * 1024 * 1024),
    };
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    entitlement_cache_close(f->cache);
    arena_free(f->arena);
    return 0;
}

static struct uuid customer(uint32_t number)
{
    struct uuid id = {{0x01, 0x90}};

    /* Spread as the last bytes of real ids are. */
    uint64_t tail = number * 0x9e3779b97f4a7c15U;
    memcpy(id.bytes + 8, &tail, sizeof(tail));
    return id;
}

static const struct entitlement_facts member = {
    .open_tier = "",
    .has_membership = true,
    .granted = true,
    .tier = "premium",
    .state = MEMBERSHIP_ACTIVE,
    .period_end_us = 77,
    .access_end_us = 78,
    .cancel_at_period_end = true,
};

static void learn(struct fixture *f, struct uuid who, const char *what)
{
    entitlement_cache_put(f->cache, entitlement_cache_ticket(f->cache, who), who, what, &member);
}

static bool knows(struct fixture *f, struct uuid who, const char *what, int64_t staleness_us)
{
    struct entitlement_facts facts;

    return entitlement_cache_find(f->cache, who, what, staleness_us, f->arena, &facts);
}

static void gives_back_what_it_was_given(void **state)
{
    struct fixture *f = *state;
    struct entitlement_facts facts;
    struct entitlement_facts given = member;
    given.membership = customer(9);
    entitlement_cache_put(f->cache, entitlement_cache_ticket(f->cache, customer(1)), customer(1),
                          "video.hd", &given);

    bool found =
        entitlement_cache_find(f->cache, customer(1), "video.hd", SECOND, f->arena, &facts);

    assert_true(found);
    assert_true(facts.has_membership && facts.granted && facts.cancel_at_period_end);
    assert_string_equal(facts.tier, "premium");
    assert_string_equal(facts.open_tier, "");
    assert_int_equal(facts.state, MEMBERSHIP_ACTIVE);
    assert_int_equal(facts.period_end_us, 77);
    assert_int_equal(facts.access_end_us, 78);
    assert_true(uuid_equal(facts.membership, customer(9)));
}

static void knows_one_entitlement_of_one_customer(void **state)
{
    struct fixture *f = *state;
    learn(f, customer(1), "video.hd");

    assert_false(knows(f, customer(1), "video.4k", SECOND));
    assert_false(knows(f, customer(2), "video.hd", SECOND));
}

static void is_too_old_when_nothing_was_followed_since(void **state)
{
    struct fixture *f = *state;
    learn(f, customer(1), "a");

    now_us += 5 * SECOND;

    assert_true(knows(f, customer(1), "a", 5 * SECOND));
    assert_false(knows(f, customer(1), "a", 5 * SECOND - 1));
}

static void is_good_again_as_far_as_the_feed_was_followed(void **state)
{
    struct fixture *f = *state;
    learn(f, customer(1), "a");

    now_us += 60 * SECOND;
    entitlement_cache_followed(f->cache, now_us - SECOND / 4);

    assert_true(knows(f, customer(1), "a", SECOND / 4));
    assert_false(knows(f, customer(1), "a", SECOND / 4 - 1));
}

static void a_change_makes_it_void_at_once(void **state)
{
    struct fixture *f = *state;
    learn(f, customer(1), "a");
    learn(f, customer(1), "b");
    learn(f, customer(2), "a");

    entitlement_cache_forget(f->cache, customer(1));

    assert_false(knows(f, customer(1), "a", 60 * SECOND));
    assert_false(knows(f, customer(1), "b", 60 * SECOND));
    assert_true(knows(f, customer(2), "a", 60 * SECOND));
    learn(f, customer(1), "a");
    assert_true(knows(f, customer(1), "a", SECOND));
}

static void doubt_makes_everything_void(void **state)
{
    struct fixture *f = *state;
    learn(f, customer(1), "a");
    learn(f, customer(2), "a");

    entitlement_cache_forget_all(f->cache);

    assert_false(knows(f, customer(1), "a", 60 * SECOND));
    assert_false(knows(f, customer(2), "a", 60 * SECOND));
}

static void an_answer_that_a_change_overtook_is_not_kept(void **state)
{
    struct fixture *f = *state;
    struct entitlement_ticket asked = entitlement_cache_ticket(f->cache, customer(1));

    entitlement_cache_forget(f->cache, customer(1));
    entitlement_cache_put(f->cache, asked, customer(1), "a", &member);

    assert_false(knows(f, customer(1), "a", 60 * SECOND));
}

static void an_older_answer_does_not_outlive_the_change_after_it(void **state)
{
    struct fixture *f = *state;
    struct entitlement_ticket asked = entitlement_cache_ticket(f->cache, customer(1));
    entitlement_cache_put(f->cache, asked, customer(1), "a", &member);

    entitlement_cache_forget_all(f->cache);
    entitlement_cache_put(f->cache, asked, customer(1), "a", &member);

    assert_false(knows(f, customer(1), "a", 60 * SECOND));
}

/* How many of so many customers are known. */
static int count_known(struct fixture *f, uint32_t customers)
{
    int known = 0;

    for (uint32_t i = 0; i < customers; i++)
        known += knows(f, customer(i), "a", 60 * SECOND);
    return known;
}

static void never_keeps_more_than_it_may(void **state)
{
    struct fixture *f = *state;

    for (uint32_t i = 0; i < 50000; i++)
        learn(f, customer(i), "a");

    int known = count_known(f, 50000);
    assert_true(known <= 1000);
    assert_true(known > 500);
}

static void one_place_is_enough(void **state)
{
    struct fixture *f = *state;
    entitlement_cache_close(f->cache);
    f->cache = entitlement_cache_open(&hand_clock, 1);

    learn(f, customer(1), "a");
    learn(f, customer(2), "a");

    assert_false(knows(f, customer(1), "a", SECOND));
    assert_true(knows(f, customer(2), "a", SECOND));
}

static void gives_up_what_nobody_asked_for(void **state)
{
    struct fixture *f = *state;
    entitlement_cache_close(f->cache);
    f->cache = entitlement_cache_open(&hand_clock, 2);
    learn(f, customer(1), "a");
    learn(f, customer(2), "a");

    now_us += SECOND;
    assert_true(knows(f, customer(1), "a", 60 * SECOND));
    learn(f, customer(3), "a");

    assert_true(knows(f, customer(1), "a", 60 * SECOND));
    assert_false(knows(f, customer(2), "a", 60 * SECOND));
}

static void tells_how_full_it_is_and_how_far_it_followed(void **state)
{
    struct fixture *f = *state;
    struct measures *measures = measures_new();
    size_t size;
    learn(f, customer(1), "a");
    knows(f, customer(1), "a", SECOND);
    knows(f, customer(2), "a", SECOND);
    entitlement_cache_followed(f->cache, now_us - 3 * SECOND / 2);

    entitlement_cache_measure(f->cache, measures);

    const char *text = measures_text(measures, &size);
    assert_non_null(strstr(text, "dues_entitlement_cache_entries 1\n"));
    assert_non_null(strstr(text, "dues_entitlement_cache_lookups_total{result=\"hit\"} 1\n"));
    assert_non_null(strstr(text, "dues_entitlement_cache_lookups_total{result=\"miss\"} 1\n"));
    assert_non_null(strstr(text, "dues_entitlement_feed_lag_seconds 1.500000\n"));
    measures_free(measures);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(gives_back_what_it_was_given),
        TEST(knows_one_entitlement_of_one_customer),
        TEST(is_too_old_when_nothing_was_followed_since),
        TEST(is_good_again_as_far_as_the_feed_was_followed),
        TEST(a_change_makes_it_void_at_once),
        TEST(doubt_makes_everything_void),
        TEST(an_answer_that_a_change_overtook_is_not_kept),
        TEST(an_older_answer_does_not_outlive_the_change_after_it),
        TEST(never_keeps_more_than_it_may),
        TEST(one_place_is_enough),
        TEST(gives_up_what_nobody_asked_for),
        TEST(tells_how_full_it_is_and_how_far_it_followed),
    };
    return cmocka_run_group_tests_name("remembered entitlements", tests, NULL, NULL);
}
