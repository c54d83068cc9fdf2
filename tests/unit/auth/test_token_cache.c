/*
 * The cache of verified tokens.
 */

#include "auth/token_cache.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static int given_cache(void **state)
{
    *state = token_cache_open();
    return 0;
}

static int close_cache(void **state)
{
    token_cache_close(*state);
    return 0;
}

static struct verified_token token_of(const char *text)
{
    struct verified_token token = {.expires_s = 1768471800, .scope = "payments.read"};
    sha256(text, strlen(text), token.hash);
    return token;
}

static void finds_what_was_put_and_nothing_else(void **state)
{
    struct verified_token put = token_of("one");
    struct verified_token other = token_of("two");
    struct verified_token found;

    token_cache_put(*state, &put);

    assert_true(token_cache_find(*state, put.hash, &found));
    assert_memory_equal(&found, &put, sizeof(put));
    assert_false(token_cache_find(*state, other.hash, &found));
}

/* The same place, another token: no mixing up. */
static void tells_apart_tokens_of_one_place(void **state)
{
    struct verified_token one = token_of("one");
    struct verified_token two = one;
    struct verified_token found;
    two.hash[SHA256_SIZE - 1] ^= 1;
    token_cache_put(*state, &one);
    assert_false(token_cache_find(*state, two.hash, &found));

    token_cache_put(*state, &two);

    assert_true(token_cache_find(*state, two.hash, &found));
    assert_false(token_cache_find(*state, one.hash, &found));
}

static void is_empty_at_first_also_for_a_hash_of_zeros(void **state)
{
    const uint8_t zeros[SHA256_SIZE] = {0};
    struct verified_token found;

    assert_false(token_cache_find(*state, zeros, &found));
}

#define CACHE_TEST(test) cmocka_unit_test_setup_teardown(test, given_cache, close_cache)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CACHE_TEST(finds_what_was_put_and_nothing_else),
        CACHE_TEST(tells_apart_tokens_of_one_place),
        CACHE_TEST(is_empty_at_first_also_for_a_hash_of_zeros),
    };
    return cmocka_run_group_tests_name("cache of tokens", tests, NULL, NULL);
}
