/*
 * Signatures of webhooks, against the vector of the standard and one of RFC 8032.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/text.h"
#include "webhook/signature.h"

static int given_arena(void **state)
{
    *state = arena_new((size_t)1024 * 1024);
    return 0;
}

static int free_arena(void **state)
{
    arena_free(*state);
    return 0;
}

/* The secret "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw" of the standard's own tests, out of base64. */
static const uint8_t standard_secret[24] = {0x31, 0xf2, 0x90, 0xf6, 0xbf, 0x06, 0x29, 0x8a,
                                            0xab, 0x4f, 0x08, 0xd4, 0x3c, 0x3f, 0x08, 0x2c,
                                            0xf6, 0x48, 0xa3, 0x62, 0xda, 0x2d, 0xa4, 0xb0};

static void signs_as_the_standard_does(void **state)
{
    const struct bytes secret = {standard_secret, sizeof(standard_secret)};

    const char *signature = webhook_sign(*state, false, secret, "msg_p5jXN8AQM9LWM0D4loKWxJek",
                                         1614265330, "{\"test\": 2432232314}");

    assert_string_equal(base64_encode(*state, secret.data, secret.size),
                        "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
    assert_string_equal(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
}

static void another_id_time_or_body_has_another_signature(void **state)
{
    const struct bytes secret = {standard_secret, sizeof(standard_secret)};
    const char *first = webhook_sign(*state, false, secret, "a", 1, "{}");

    assert_string_not_equal(first, webhook_sign(*state, false, secret, "b", 1, "{}"));
    assert_string_not_equal(first, webhook_sign(*state, false, secret, "a", 2, "{}"));
    assert_string_not_equal(first, webhook_sign(*state, false, secret, "a", 1, "[]"));
}

/* RFC 8032 §7.1, test 2. */
static const char rfc_seed[] = "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb";
static const char rfc_public[] = "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c";
static const char rfc_signature[] =
    "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
    "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00";

static void ed25519_is_that_of_rfc_8032(void **state)
{
    uint8_t seed[WEBHOOK_KEY_SIZE], key[ED25519_PUBLIC_SIZE], signature[ED25519_SIGNATURE_SIZE];
    char text[2 * ED25519_SIGNATURE_SIZE + 1];

    (void)state;
    assert_true(hex_decode(rfc_seed, seed, sizeof(seed)));
    ed25519_public(seed, key);
    ed25519_sign(seed, "\x72", 1, signature);

    hex_encode(key, sizeof(key), text);
    assert_string_equal(text, rfc_public);
    hex_encode(signature, sizeof(signature), text);
    assert_string_equal(text, rfc_signature);
    assert_true(ed25519_verify(key, "\x72", 1, signature));
    assert_false(ed25519_verify(key, "\x73", 1, signature));
    signature[3] ^= 1;
    assert_false(ed25519_verify(key, "\x72", 1, signature));
}

static void ed25519_signs_id_time_and_body(void **state)
{
    uint8_t seed[WEBHOOK_KEY_SIZE];

    assert_true(hex_decode(rfc_seed, seed, sizeof(seed)));
    const struct bytes key = {seed, sizeof(seed)};
    uint8_t expected[ED25519_SIGNATURE_SIZE];
    ed25519_sign(seed, "evt_1.1700000000.{}", 19, expected);

    const char *signature = webhook_sign(*state, true, key, "evt_1", 1700000000, "{}");

    assert_string_equal(signature, arena_printf(*state, "v1a,%s",
                                                base64_encode(*state, expected, sizeof(expected))));
}

static void an_id_has_no_dot(void **state)
{
    struct uuid customer;

    assert_true(uuid_parse("0192f3c4-d5e6-7890-abcd-ef0123456789", &customer));
    const char *id = webhook_id(*state, customer, 17);

    assert_string_equal(id, "evt_0192f3c4d5e67890abcdef0123456789_17");
}

#define SIGNATURE_TEST(test) cmocka_unit_test_setup_teardown(test, given_arena, free_arena)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SIGNATURE_TEST(signs_as_the_standard_does),
        SIGNATURE_TEST(another_id_time_or_body_has_another_signature),
        SIGNATURE_TEST(ed25519_is_that_of_rfc_8032),
        SIGNATURE_TEST(ed25519_signs_id_time_and_body),
        SIGNATURE_TEST(an_id_has_no_dot),
    };
    return cmocka_run_group_tests_name("webhook signatures", tests, NULL, NULL);
}
