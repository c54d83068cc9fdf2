/*
 * The form of access tokens: what we made is read, and nothing else is.
 */

#include "auth/jwt.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "auth/token.h"
#include "base/random.h"
#include "base/text.h"

struct fixture {
    struct arena *arena;
    struct token_key keys[2]; /* newest first */
    struct jwt_claims claims;
};

static int given_keys(void **state)
{
    static struct fixture f;
    f.arena = arena_new(32 << 20);
    for (size_t i = 0; i < ARRAY_LENGTH(f.keys); i++) {
        f.keys[i].key = ec_key_make();
        ec_key_thumbprint(f.keys[i].key, f.keys[i].kid);
    }
    f.claims = (struct jwt_claims){
        .issuer = "https://issuer.test",
        .audience = "dues",
        .client = "spiffe://dues.local/app/app-demo",
        .scope = TOKEN_USER_SCOPE,
        .user = uuid_make(random_system(), 1),
        .session = uuid_make(random_system(), 2),
        .id = uuid_make(random_system(), 3),
        .issued_s = 1768471200,
        .not_before_s = 1768471200,
        .expires_s = 1768471800,
    };
    memset(f.claims.certificate_hash, 0x5a, SHA256_SIZE);
    *state = &f;
    return 0;
}

static int free_keys(void **state)
{
    struct fixture *f = *state;
    for (size_t i = 0; i < ARRAY_LENGTH(f->keys); i++)
        ec_key_free(f->keys[i].key);
    arena_free(f->arena);
    return 0;
}

static bool is_read(struct fixture *f, const char *text)
{
    struct jwt_claims claims;
    return jwt_read(f->arena, f->keys, ARRAY_LENGTH(f->keys), text, &claims) == NULL;
}

static const char *encoded(struct fixture *f, const char *text)
{
    return base64url_encode(f->arena, text, strlen(text));
}

/* A token of any header and claims, rightly signed by our own key. */
static const char *signed_token(struct fixture *f, const char *header, const char *payload)
{
    const char *part = arena_printf(f->arena, "%s.%s", encoded(f, header), encoded(f, payload));
    uint8_t signature[ES256_SIGNATURE_SIZE];
    es256_sign(f->keys[0].key, part, strlen(part), signature);
    return arena_printf(f->arena, "%s.%s", part,
                        base64url_encode(f->arena, signature, sizeof(signature)));
}

static const char *part_text(struct fixture *f, const char *token, int index)
{
    for (; index > 0; index--)
        token = strchr(token, '.') + 1;
    size_t size;
    uint8_t *bytes = base64url_decode(f->arena, token, strcspn(token, "."), &size);
    assert_non_null(bytes);
    return arena_strndup(f->arena, (const char *)bytes, size);
}

static const char *good_header(struct fixture *f)
{
    return arena_printf(f->arena, "{\"alg\":\"ES256\",\"typ\":\"at+jwt\",\"kid\":\"%s\"}",
                        f->keys[0].kid);
}

static const char *good_payload(struct fixture *f)
{
    return part_text(f, jwt_make(f->arena, &f->keys[0], &f->claims), 1);
}

static const char *replaced(struct fixture *f, const char *text, const char *old, const char *new)
{
    const char *at = strstr(text, old);
    assert_non_null(at);
    return arena_printf(f->arena, "%.*s%s%s", (int)(at - text), text, new, at + strlen(old));
}

static void reads_what_it_made(void **state)
{
    struct fixture *f = *state;
    struct jwt_claims read;

    for (size_t i = 0; i < ARRAY_LENGTH(f->keys); i++) {
        char *token = jwt_make(f->arena, &f->keys[i], &f->claims);
        assert_true(strlen(token) <= 2048);
        assert_null(jwt_read(f->arena, f->keys, ARRAY_LENGTH(f->keys), token, &read));
        assert_string_equal(read.issuer, f->claims.issuer);
        assert_string_equal(read.audience, f->claims.audience);
        assert_string_equal(read.client, f->claims.client);
        assert_string_equal(read.scope, f->claims.scope);
        assert_true(uuid_equal(read.user, f->claims.user));
        assert_true(uuid_equal(read.session, f->claims.session));
        assert_true(uuid_equal(read.id, f->claims.id));
        assert_int_equal(read.issued_s, f->claims.issued_s);
        assert_int_equal(read.not_before_s, f->claims.not_before_s);
        assert_int_equal(read.expires_s, f->claims.expires_s);
        assert_memory_equal(read.certificate_hash, f->claims.certificate_hash, SHA256_SIZE);
    }
}

/* What the mutations below start from: they fail for their mutation, not for their making. */
static void reads_a_token_put_together_by_hand(void **state)
{
    struct fixture *f = *state;
    assert_true(is_read(f, signed_token(f, good_header(f), good_payload(f))));
}

static void refuses_every_changed_character(void **state)
{
    struct fixture *f = *state;
    char *token = jwt_make(f->arena, &f->keys[0], &f->claims);

    for (char *at = token; *at != '\0'; at++) {
        static const char replacements[] = {'A', 'B', '.', '=', '+', ' ', '\x7f'};
        char kept = *at;
        for (size_t i = 0; i < sizeof(replacements); i++) {
            if (replacements[i] == kept)
                continue;
            *at = replacements[i];
            assert_false(is_read(f, token));
        }
        *at = kept;
    }
    assert_true(is_read(f, token));
}

static void refuses_every_truncation_and_anything_appended(void **state)
{
    struct fixture *f = *state;
    char *token = jwt_make(f->arena, &f->keys[0], &f->claims);
    static const char *const tails[] = {".", "A", "=", " ", "\n", ".AAAA"};

    for (size_t length = 0; length < strlen(token); length++)
        assert_false(is_read(f, arena_strndup(f->arena, token, length)));
    for (size_t i = 0; i < ARRAY_LENGTH(tails); i++)
        assert_false(is_read(f, arena_printf(f->arena, "%s%s", token, tails[i])));
    assert_false(is_read(f, arena_printf(f->arena, " %s", token)));
    assert_false(is_read(f, arena_printf(f->arena, "%s%04096d", token, 0)));
}

static void refuses_every_other_header(void **state)
{
    struct fixture *f = *state;
    const char *kid = f->keys[0].kid;
    const char *payload = good_payload(f);
    const char *const headers[] = {
        "{\"alg\":\"none\"}",
        "{}",
        "",
        "null",
        arena_printf(f->arena, "{\"alg\":\"none\",\"typ\":\"at+jwt\",\"kid\":\"%s\"}", kid),
        arena_printf(f->arena, "{\"alg\":\"HS256\",\"typ\":\"at+jwt\",\"kid\":\"%s\"}", kid),
        arena_printf(f->arena, "{\"alg\":\"ES384\",\"typ\":\"at+jwt\",\"kid\":\"%s\"}", kid),
        arena_printf(f->arena, "{\"alg\":\"es256\",\"typ\":\"at+jwt\",\"kid\":\"%s\"}", kid),
        arena_printf(f->arena, "{\"alg\":\"ES256\",\"typ\":\"JWT\",\"kid\":\"%s\"}", kid),
        arena_printf(f->arena, "{\"alg\":\"ES256\",\"kid\":\"%s\"}", kid),
        arena_printf(f->arena, "{\"alg\":\"ES256\",\"typ\":\"at+jwt\"}"),
        arena_printf(f->arena, "{\"alg\":\"ES256\",\"typ\":\"at+jwt\",\"kid\":\"\"}"),
        /* Rightly signed, but by the other key. */
        arena_printf(f->arena, "{\"alg\":\"ES256\",\"typ\":\"at+jwt\",\"kid\":\"%s\"}",
                     f->keys[1].kid),
        arena_printf(f->arena,
                     "{\"alg\":\"ES256\",\"typ\":\"at+jwt\",\"kid\":\"%s\",\"kid\":\"%s\"}", kid,
                     kid),
        arena_printf(f->arena,
                     "{\"alg\":\"none\",\"alg\":\"ES256\",\"typ\":\"at+jwt\",\"kid\":\"%s\"}", kid),
        arena_printf(f->arena,
                     "{\"alg\":\"ES256\",\"typ\":\"at+jwt\",\"kid\":\"%s\",\"crit\":[\"exp\"]}",
                     kid),
        arena_printf(f->arena,
                     "{\"alg\":\"ES256\",\"typ\":\"at+jwt\",\"kid\":\"%s\",\"jku\":\"https://x\"}",
                     kid),
    };

    for (size_t i = 0; i < ARRAY_LENGTH(headers); i++)
        assert_false(is_read(f, signed_token(f, headers[i], payload)));
}

/* "HS256 with the public key": a verifier that asks the header which algorithm would be fooled. */
static void refuses_an_hmac_under_the_public_key(void **state)
{
    struct fixture *f = *state;
    uint8_t tag[SHA256_SIZE];
    const char *header = arena_printf(
        f->arena, "{\"alg\":\"HS256\",\"typ\":\"at+jwt\",\"kid\":\"%s\"}", f->keys[0].kid);
    sha256("any tag will do", 15, tag);

    const char *token =
        arena_printf(f->arena, "%s.%s.%s", encoded(f, header), encoded(f, good_payload(f)),
                     base64url_encode(f->arena, tag, sizeof(tag)));

    assert_false(is_read(f, token));
}

static void refuses_signatures_that_are_none(void **state)
{
    struct fixture *f = *state;
    char *token = jwt_make(f->arena, &f->keys[0], &f->claims);
    char *signature_at = strrchr(token, '.') + 1;
    uint8_t zero[ES256_SIGNATURE_SIZE + 1] = {0};
    static const size_t sizes[] = {0, 1, 63, 64, 65};

    for (size_t i = 0; i < ARRAY_LENGTH(sizes); i++) {
        const char *bent = arena_printf(f->arena, "%.*s%s", (int)(signature_at - token), token,
                                        base64url_encode(f->arena, zero, sizes[i]));
        assert_false(is_read(f, bent));
    }
}

/* s → n - s verifies mathematically; taking it would give every token a twin. */
static void refuses_the_twin_of_a_signature(void **state)
{
    struct fixture *f = *state;
    char *token = jwt_make(f->arena, &f->keys[0], &f->claims);
    char *signature_at = strrchr(token, '.') + 1;
    size_t size;
    uint8_t *signature = base64url_decode(f->arena, signature_at, strlen(signature_at), &size);
    uint8_t n[32];
    assert_true(hex_decode("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551", n,
                           sizeof(n)));
    int borrow = 0;
    for (size_t i = 32; i-- > 0;) {
        int digit = n[i] - signature[32 + i] - borrow;
        borrow = digit < 0;
        signature[32 + i] = (uint8_t)(digit & 0xff);
    }

    size_t signed_size = (size_t)(signature_at - 1 - token);
    assert_true(es256_verify(f->keys[0].key, token, signed_size, signature));
    assert_false(is_read(f, arena_printf(f->arena, "%.*s.%s", (int)signed_size, token,
                                         base64url_encode(f->arena, signature, size))));
}

static void refuses_claims_that_are_missing_doubled_or_of_another_kind(void **state)
{
    struct fixture *f = *state;
    const char *good = good_payload(f);
    const char *user = uuid_text(f->arena, f->claims.user);
    const char *const payloads[] = {
        "",
        "{}",
        "[]",
        "null",
        "{",
        replaced(f, good, "\"iss\":", "\"iss2\":"),
        replaced(f, good, "\"aud\":", "\"aud2\":"),
        replaced(f, good, "\"sub\":", "\"sub2\":"),
        replaced(f, good, "\"sid\":", "\"sid2\":"),
        replaced(f, good, "\"jti\":", "\"jti2\":"),
        replaced(f, good, "\"client_id\":", "\"client\":"),
        replaced(f, good, "\"iat\":", "\"iat2\":"),
        replaced(f, good, "\"nbf\":", "\"nbf2\":"),
        replaced(f, good, "\"exp\":", "\"exp2\":"),
        replaced(f, good, "\"scope\":", "\"scope2\":"),
        replaced(f, good, "\"cnf\":", "\"cnf2\":"),
        replaced(f, good, "x5t#S256", "jkt"),
        replaced(f, good, "1768471800", "\"1768471800\""),
        replaced(f, good, "1768471800", "1768471800.5"),
        replaced(f, good, "1768471800", "1e99"),
        replaced(f, good, "1768471800", "-1"),
        replaced(f, good, "1768471800", "99999999999999999999"),
        replaced(f, good, "1768471800", "9223372036854775807"),
        replaced(f, good, "1768471800", "null"),
        replaced(f, good, user, "me"),
        replaced(f, good, "\"iss\":", "\"exp\":9999999999,\"iss\":"),
        replaced(f, good, "\"iss\":", "\"sub\":\"x\",\"iss\":"),
        arena_printf(f->arena, "%s%s", good, good),
        arena_printf(f->arena, "%s ,", good),
    };

    for (size_t i = 0; i < ARRAY_LENGTH(payloads); i++)
        assert_false(is_read(f, signed_token(f, good_header(f), payloads[i])));
}

static void knows_no_key_but_its_own(void **state)
{
    struct fixture *f = *state;
    char *token = jwt_make(f->arena, &f->keys[1], &f->claims);
    struct jwt_claims claims;

    assert_null(jwt_read(f->arena, f->keys, 2, token, &claims));
    assert_non_null(jwt_read(f->arena, f->keys, 1, token, &claims));
    assert_non_null(jwt_read(f->arena, f->keys, 0, token, &claims));
}

#define JWT_TEST(test) cmocka_unit_test_setup_teardown(test, given_keys, free_keys)

int main(void)
{
    const struct CMUnitTest tests[] = {
        JWT_TEST(reads_what_it_made),
        JWT_TEST(reads_a_token_put_together_by_hand),
        JWT_TEST(refuses_every_changed_character),
        JWT_TEST(refuses_every_truncation_and_anything_appended),
        JWT_TEST(refuses_every_other_header),
        JWT_TEST(refuses_an_hmac_under_the_public_key),
        JWT_TEST(refuses_signatures_that_are_none),
        JWT_TEST(refuses_the_twin_of_a_signature),
        JWT_TEST(refuses_claims_that_are_missing_doubled_or_of_another_kind),
        JWT_TEST(knows_no_key_but_its_own),
    };
    return cmocka_run_group_tests_name("access tokens", tests, NULL, NULL);
}
