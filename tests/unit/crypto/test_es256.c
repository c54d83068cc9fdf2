/*
 * ECDSA on P-256 as JOSE writes it.
 */

#include "crypto/es256.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "base/text.h"

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

static const uint8_t *decoded(struct arena *arena, const char *text, size_t expected_size)
{
    size_t size = 0;
    const uint8_t *bytes = base64url_decode(arena, text, strlen(text), &size);
    assert_non_null(bytes);
    assert_int_equal(size, expected_size);
    return bytes;
}

static struct ec_key *given_public_key(struct arena *arena, const char *x, const char *y)
{
    struct ec_key *key = ec_key_from_point(decoded(arena, x, 32), decoded(arena, y, 32));
    assert_non_null(key);
    return key;
}

/* RFC 7515, appendix A.3. */
static void verifies_the_example_of_the_standard(void **state)
{
    static const char signed_part[] =
        "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGx"
        "lLmNvbS9pc19yb290Ijp0cnVlfQ";
    struct ec_key *key = given_public_key(*state, "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
                                          "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0");
    uint8_t signature[ES256_SIGNATURE_SIZE];
    memcpy(signature,
           decoded(*state,
                   "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-"
                   "Kg6NU1Q",
                   ES256_SIGNATURE_SIZE),
           sizeof(signature));

    assert_true(es256_verify(key, signed_part, strlen(signed_part), signature));
    signature[0] ^= 1;
    assert_false(es256_verify(key, signed_part, strlen(signed_part), signature));
    ec_key_free(key);
}

/* RFC 9449, section 6.1: the thumbprint of its example key. */
static void makes_the_thumbprint_of_the_standard(void **state)
{
    struct ec_key *key = given_public_key(*state, "l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs",
                                          "9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA");
    char thumbprint[ES256_THUMBPRINT_SIZE];

    ec_key_thumbprint(key, thumbprint);

    assert_string_equal(thumbprint, "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I");
    ec_key_free(key);
}

static void signs_with_a_small_s_and_verifies_it(void **state)
{
    (void)state;
    struct ec_key *key = ec_key_make();
    struct ec_key *other = ec_key_make();

    for (int i = 0; i < 32; i++) {
        char text[16];
        uint8_t signature[ES256_SIGNATURE_SIZE];
        snprintf(text, sizeof(text), "message %d", i);
        es256_sign(key, text, strlen(text), signature);
        assert_true(es256_has_small_s(signature));
        assert_true(es256_verify(key, text, strlen(text), signature));
        assert_false(es256_verify(other, text, strlen(text), signature));
        assert_false(es256_verify(key, text, strlen(text) - 1, signature));
    }
    ec_key_free(key);
    ec_key_free(other);
}

/* CVE-2022-21449 and its relatives: numbers that are no signature of anything. */
static void refuses_zero_and_the_order_of_the_group(void **state)
{
    (void)state;
    static const char order[] = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551";
    struct ec_key *key = ec_key_make();
    uint8_t n[32];
    assert_true(hex_decode(order, n, sizeof(n)));
    uint8_t good[ES256_SIGNATURE_SIZE];
    es256_sign(key, "x", 1, good);

    uint8_t zero[ES256_SIGNATURE_SIZE] = {0};
    uint8_t zero_r[ES256_SIGNATURE_SIZE] = {0};
    memcpy(zero_r + 32, good + 32, 32);
    uint8_t zero_s[ES256_SIGNATURE_SIZE] = {0};
    memcpy(zero_s, good, 32);
    uint8_t both_n[ES256_SIGNATURE_SIZE];
    memcpy(both_n, n, 32);
    memcpy(both_n + 32, n, 32);

    assert_false(es256_verify(key, "x", 1, zero));
    assert_false(es256_verify(key, "x", 1, zero_r));
    assert_false(es256_verify(key, "x", 1, zero_s));
    assert_false(es256_verify(key, "x", 1, both_n));
    assert_false(es256_has_small_s(both_n));
    ec_key_free(key);
}

static void keeps_a_key_through_pem(void **state)
{
    struct ec_key *key = ec_key_make();
    struct ec_key *copy = ec_key_from_pem(ec_key_to_pem(*state, key));
    uint8_t signature[ES256_SIGNATURE_SIZE];

    assert_non_null(copy);
    es256_sign(copy, "x", 1, signature);
    assert_true(es256_verify(key, "x", 1, signature));
    ec_key_free(key);
    ec_key_free(copy);
}

static void reads_no_key_out_of_anything_else(void **state)
{
    (void)state;
    /* A good key on P-384. */
    static const char other_curve[] =
        "-----BEGIN PRIVATE KEY-----\n"
        "MIG2AgEAMBAGByqGSM49AgEGBSuBBAAiBIGeMIGbAgEBBDA6duKRjCXyayaN20Vb\n"
        "hHJw8F6KS/LCBn+GW/GJzQl7eSka44NUzU6GsN8560U+vqKhZANiAARBvsmadQRX\n"
        "R/71k/vXFE5REyfAXf1vkhBtPcgOhAGwyZPBwEvCo0FczyXA6L+MLPDYRbzAgtTw\n"
        "aXj/xgZYvdFjAQeWeTax+73SaySW6lTxzpyf0GOFtcCO84+UNe/zSBM=\n"
        "-----END PRIVATE KEY-----\n";

    assert_null(ec_key_from_pem(""));
    assert_null(ec_key_from_pem("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"));
    assert_null(ec_key_from_pem(other_curve));
    assert_null(ec_key_from_point((const uint8_t[32]){1}, (const uint8_t[32]){1}));
}

#define KEY_TEST(test) cmocka_unit_test_setup_teardown(test, given_arena, free_arena)

int main(void)
{
    const struct CMUnitTest tests[] = {
        KEY_TEST(verifies_the_example_of_the_standard),
        KEY_TEST(makes_the_thumbprint_of_the_standard),
        KEY_TEST(signs_with_a_small_s_and_verifies_it),
        KEY_TEST(refuses_zero_and_the_order_of_the_group),
        KEY_TEST(keeps_a_key_through_pem),
        KEY_TEST(reads_no_key_out_of_anything_else),
    };
    return cmocka_run_group_tests_name("ES256", tests, NULL, NULL);
}
