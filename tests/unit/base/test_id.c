/*
 * Identifiers: UUIDv7, and the resource names that carry them.
 */

#include "base/id.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/random.h"
#include "base/time.h"

#define A "0190a1b2-c3d4-7e5f-8a6b-7c8d9e0f1a2b"
#define B "0190a1b2-c3d4-7e5f-8a6b-7c8d9e0f1a2c"

static void fill_with_ones(const struct random *random, void *bytes, size_t size)
{
    (void)random;
    memset(bytes, 0xff, size);
}

static int given_arena(void **state)
{
    *state = arena_new(1 << 20);
    return 0;
}

static int free_arena(void **state)
{
    arena_free(*state);
    return 0;
}

static struct uuid parsed(const char *text)
{
    struct uuid id;

    assert_true(uuid_parse(text, &id));
    return id;
}

static void carries_time_version_and_variant(void **state)
{
    const struct random ones = {fill_with_ones};
    char text[UUID_TEXT_LENGTH + 1];

    (void)state;
    /* The example of RFC 9562 appendix A.6: 2022-02-22T19:22:22Z is 0x017f22e279b0 ms. */
    uuid_format(uuid_make(&ones, 1645557742000LL * US_PER_MS + 999), text);

    assert_string_equal(text, "017f22e2-79b0-7fff-bfff-ffffffffffff");
}

static void later_milliseconds_sort_behind_earlier_ones(void **state)
{
    char before[UUID_TEXT_LENGTH + 1], after[UUID_TEXT_LENGTH + 1];
    int64_t now_us = 1790000000LL * US_PER_SECOND;

    (void)state;
    for (int i = 0; i < 10000; i++) {
        struct uuid a = uuid_make(random_system(), now_us);
        now_us += US_PER_MS;
        struct uuid b = uuid_make(random_system(), now_us);

        uuid_format(a, before);
        uuid_format(b, after);
        assert_true(memcmp(a.bytes, b.bytes, sizeof a.bytes) < 0);
        assert_true(strcmp(before, after) < 0);
    }
}

static void two_of_one_instant_differ(void **state)
{
    (void)state;
    for (int i = 0; i < 10000; i++)
        assert_false(uuid_equal(uuid_make(random_system(), 1), uuid_make(random_system(), 1)));
}

static void reads_back_what_it_writes(void **state)
{
    struct arena *arena = *state;

    for (int i = 0; i < 1000; i++) {
        struct uuid id = uuid_make(random_system(), i * US_PER_DAY);
        assert_true(uuid_equal(parsed(uuid_text(arena, id)), id));
    }
    assert_string_equal(uuid_text(arena, UUID_NIL), "00000000-0000-0000-0000-000000000000");
    assert_true(uuid_is_nil(UUID_NIL));
    assert_false(uuid_is_nil(parsed(A)));
    arena_reset(arena);
}

static void reads_the_canonical_form_only(void **state)
{
    static const char *const wrong[] = {
        "",
        "0",
        "0190a1b2-c3d4-7e5f-8a6b-7c8d9e0f1a2",
        A "0",
        A " ",
        " " A,
        "{" A "}",
        "0190A1B2-C3D4-7E5F-8A6B-7C8D9E0F1A2B",
        "0190a1b2c3d47e5f8a6b7c8d9e0f1a2b",
        "0190a1b2-c3d4-7e5f-8a6b-7c8d9e0f1a2g",
        "0190a1b2-c3d4-7e5f-8a6b_7c8d9e0f1a2b",
        "0190a1b-2c3d4-7e5f-8a6b-7c8d9e0f1a2b",
        "urn:uuid:" A,
        "-190a1b2-c3d4-7e5f-8a6b-7c8d9e0f1a2b",
        "0190a1b2-c3d4-7e5f-8a6b-7c8d9e0f1\0002b",
    };
    const struct uuid untouched = parsed(A);

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(wrong); i++) {
        struct uuid id = untouched;
        if (uuid_parse(wrong[i], &id))
            fail_msg("accepted '%s'", wrong[i]);
        assert_true(uuid_equal(id, untouched));
    }
    struct uuid id;
    assert_false(uuid_parse(NULL, &id));
}

static void finds_the_ids_in_a_name(void **state)
{
    struct uuid ids[2];

    (void)state;
    assert_true(name_parse("customers/{}/payments/{}", "customers/" A "/payments/" B, ids, 2));

    assert_true(uuid_equal(ids[0], parsed(A)));
    assert_true(uuid_equal(ids[1], parsed(B)));
}

static void refuses_names_of_another_shape(void **state)
{
    static const char *const wrong[] = {
        "",
        "customers",
        "customers/",
        "customers/" A,
        "customers/" A "/payments",
        "customers/" A "/payments/",
        "customers/" A "/payments/" B "/",
        "customers/" A "/payments/" B "/refunds/" A,
        "customers/" A "/paymentMethods/" B,
        "customers/" A "//payments/" B,
        "/customers/" A "/payments/" B,
        "Customers/" A "/payments/" B,
        "customers/" A "/payments/" B "\n",
        "customers/me/payments/" B,
        "customers/-/payments/" B,
        "customers/" A "/payments/../" B,
        "customers/" A "/payments/0190A1B2-c3d4-7e5f-8a6b-7c8d9e0f1a2b",
    };
    struct uuid ids[2] = {UUID_NIL, UUID_NIL};

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(wrong); i++) {
        if (name_parse("customers/{}/payments/{}", wrong[i], ids, 2))
            fail_msg("accepted '%s'", wrong[i]);
        assert_true(uuid_is_nil(ids[0]));
        assert_true(uuid_is_nil(ids[1]));
    }
    assert_false(name_parse("customers/{}", NULL, ids, 1));
}

static void makes_names_that_it_reads(void **state)
{
    struct arena *arena = *state;
    const struct uuid ids[] = {parsed(A), parsed(B), parsed(A)};

    assert_string_equal(name_make(arena, "customers/{}", ids), "customers/" A);
    assert_string_equal(name_make(arena, "customers/{}/payments/{}/refunds/{}", ids),
                        "customers/" A "/payments/" B "/refunds/" A);
    assert_string_equal(name_make(arena, "plans", ids), "plans");
}

static void random_below_stays_below_and_reaches_all(void **state)
{
    bool seen[7] = {false};

    (void)state;
    for (int i = 0; i < 1000; i++) {
        uint64_t value = random_below(random_system(), 7);
        assert_true(value < 7);
        seen[value] = true;
    }

    for (size_t i = 0; i < 7; i++)
        assert_true(seen[i]);
    assert_int_equal(random_below(random_system(), 1), 0);
}

/* Answers the highest numbers first: a biased generator would take them. */
static void fill_high_then_low(const struct random *random, void *bytes, size_t size)
{
    static int calls;

    (void)random;
    memset(bytes, calls++ == 0 ? 0xff : 0x00, size);
}

static void random_below_throws_away_what_would_be_biased(void **state)
{
    const struct random source = {fill_high_then_low};

    (void)state;
    /* 2^64 - 1 is in the incomplete last row of tens, so the second number is taken. */
    assert_int_equal(random_below(&source, 10), 0);
}

static void fills_long_ranges(void **state)
{
    unsigned char bytes[1000] = {0};
    int zeroes = 0;

    (void)state;
    random_fill(random_system(), bytes, sizeof bytes);

    for (size_t i = 900; i < sizeof bytes; i++)
        zeroes += bytes[i] == 0;
    assert_true(zeroes < 50);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(carries_time_version_and_variant),
        cmocka_unit_test(later_milliseconds_sort_behind_earlier_ones),
        cmocka_unit_test(two_of_one_instant_differ),
        cmocka_unit_test(reads_back_what_it_writes),
        cmocka_unit_test(reads_the_canonical_form_only),
        cmocka_unit_test(finds_the_ids_in_a_name),
        cmocka_unit_test(refuses_names_of_another_shape),
        cmocka_unit_test(makes_names_that_it_reads),
        cmocka_unit_test(random_below_stays_below_and_reaches_all),
        cmocka_unit_test(random_below_throws_away_what_would_be_biased),
        cmocka_unit_test(fills_long_ranges),
    };
    return cmocka_run_group_tests_name("id", tests, given_arena, free_arena);
}
