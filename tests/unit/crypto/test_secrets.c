/*
 * Derived keys and what is sealed with them.
 */

#include "crypto/secrets.h"

#include <setjmp.h>
#include <stdarg.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/random.h"
#include "base/text.h"

#define MASTER_KEY "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"

struct fixture {
    char path[64];
    struct arena *arena;
    struct secrets *secrets;
};

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static int given_secrets(void **state)
{
    static struct fixture f;
    char problem[256];

    snprintf(f.path, sizeof(f.path), "master-key-%d", (int)getpid());
    write_file(f.path, MASTER_KEY "\n");
    f.arena = arena_new(1 << 20);
    f.secrets = secrets_open(f.path, problem);
    *state = &f;
    return f.secrets == NULL;
}

static int close_secrets(void **state)
{
    struct fixture *f = *state;
    secrets_close(f->secrets);
    arena_free(f->arena);
    unlink(f->path);
    return 0;
}

static struct bytes seal(struct fixture *f, const char *context, const char *plain)
{
    return secret_seal(f->secrets, SECRET_SEAL_KEYS, f->arena, random_system(), context, plain,
                       strlen(plain));
}

static bool opens(struct fixture *f, enum secret_purpose purpose, const char *context,
                  struct bytes sealed)
{
    struct bytes plain;
    return secret_open(f->secrets, purpose, f->arena, context, sealed.data, sealed.size, &plain);
}

static void hashes_as_the_standard_says(void **state)
{
    (void)state;
    uint8_t hash[SHA256_SIZE];
    char hex[2 * SHA256_SIZE + 1];

    sha256("abc", 3, hash);

    hex_encode(hash, sizeof(hash), hex);
    assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

static void hashes_pieces_with_their_lengths(void **state)
{
    (void)state;
    uint8_t hash[SHA256_SIZE];
    uint8_t other[SHA256_SIZE];
    char hex[2 * SHA256_SIZE + 1];

    sha256_pieces((struct bytes[]){{"ab", 2}, {"c", 1}}, 2, hash);
    sha256_pieces((struct bytes[]){{"a", 1}, {"bc", 2}}, 2, other);

    hex_encode(hash, sizeof(hash), hex);
    assert_string_equal(hex, "601d5476e2ccfe2c87a2bba7a322659734a05749d5b5aa781f513e4912db0d5f");
    assert_memory_not_equal(hash, other, sizeof(hash));
}

/* Computed apart, by RFC 5869 and RFC 2104: a changed label or salt would lock out every database.
 */
static void derives_the_keys_it_always_derived(void **state)
{
    struct fixture *f = *state;
    uint8_t tag[SHA256_SIZE];
    char hex[2 * SHA256_SIZE + 1];

    secret_hmac(f->secrets, SECRET_REFRESH_TOKEN, "session", 7, tag);

    hex_encode(tag, sizeof(tag), hex);
    assert_string_equal(hex, "061d14a3987c58acdea1116fe60437a2eba8865d11cc339f2538bdb9836b7bd9");
}

static void derives_another_key_for_every_purpose(void **state)
{
    struct fixture *f = *state;
    uint8_t tags[SECRET_PURPOSE_COUNT][SHA256_SIZE];

    for (int i = 0; i < SECRET_PURPOSE_COUNT; i++)
        secret_hmac(f->secrets, (enum secret_purpose)i, "x", 1, tags[i]);

    for (int i = 0; i < SECRET_PURPOSE_COUNT; i++) {
        for (int k = 0; k < i; k++)
            assert_memory_not_equal(tags[i], tags[k], SHA256_SIZE);
    }
}

static void opens_what_it_sealed(void **state)
{
    struct fixture *f = *state;
    struct bytes sealed = seal(f, "table|column|row", "the plain text");
    struct bytes plain;

    bool opened = secret_open(f->secrets, SECRET_SEAL_KEYS, f->arena, "table|column|row",
                              sealed.data, sealed.size, &plain);

    assert_true(opened);
    assert_int_equal(plain.size, 14);
    assert_memory_equal(plain.data, "the plain text", 14);
    assert_null(memmem(sealed.data, sealed.size, "plain", 5));
}

static void seals_and_opens_nothing_too(void **state)
{
    struct fixture *f = *state;
    assert_true(opens(f, SECRET_SEAL_KEYS, "row", seal(f, "row", "")));
}

static void does_not_open_in_another_row_or_for_another_purpose(void **state)
{
    struct fixture *f = *state;
    struct bytes sealed = seal(f, "table|column|row", "the plain text");

    assert_true(opens(f, SECRET_SEAL_KEYS, "table|column|row", sealed));
    assert_false(opens(f, SECRET_SEAL_KEYS, "table|column|other", sealed));
    assert_false(opens(f, SECRET_SEAL_ANSWERS, "table|column|row", sealed));
}

static void does_not_open_when_any_bit_was_changed_or_bytes_are_missing(void **state)
{
    struct fixture *f = *state;
    struct bytes sealed = seal(f, "row", "plain");

    for (size_t bit = 0; bit < sealed.size * 8; bit++) {
        uint8_t *bent = arena_copy(f->arena, sealed.data, sealed.size);
        bent[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_false(opens(f, SECRET_SEAL_KEYS, "row", (struct bytes){bent, sealed.size}));
    }
    for (size_t size = 0; size < sealed.size; size++)
        assert_false(opens(f, SECRET_SEAL_KEYS, "row", (struct bytes){sealed.data, size}));
}

static void seals_the_same_text_differently_each_time(void **state)
{
    struct fixture *f = *state;
    struct bytes one = seal(f, "row", "plain");
    struct bytes two = seal(f, "row", "plain");

    assert_int_equal(one.size, two.size);
    assert_memory_not_equal(one.data, two.data, one.size);
}

static void refuses_a_master_key_that_is_none(void **state)
{
    struct fixture *f = *state;
    static const char *const texts[] = {
        "", "0011", MASTER_KEY "00",
        "zz0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"};
    char problem[256] = "";

    for (size_t i = 0; i < ARRAY_LENGTH(texts); i++) {
        write_file(f->path, texts[i]);
        assert_null(secrets_open(f->path, problem));
        assert_non_null(strstr(problem, "64 hex digits"));
        assert_null(strstr(problem, "0102030405060708"));
    }
    assert_null(secrets_open("/nonexistent/key", problem));
    assert_non_null(strstr(problem, "/nonexistent/key"));
}

static void compares_whole_secrets(void **state)
{
    (void)state;
    assert_true(secret_equal("same", "same", 4));
    assert_false(secret_equal("same", "samf", 4));
    assert_false(secret_equal("tame", "same", 4));
}

#define SECRETS_TEST(test) cmocka_unit_test_setup_teardown(test, given_secrets, close_secrets)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hashes_as_the_standard_says),
        cmocka_unit_test(hashes_pieces_with_their_lengths),
        SECRETS_TEST(derives_the_keys_it_always_derived),
        SECRETS_TEST(derives_another_key_for_every_purpose),
        SECRETS_TEST(opens_what_it_sealed),
        SECRETS_TEST(seals_and_opens_nothing_too),
        SECRETS_TEST(does_not_open_in_another_row_or_for_another_purpose),
        SECRETS_TEST(does_not_open_when_any_bit_was_changed_or_bytes_are_missing),
        SECRETS_TEST(seals_the_same_text_differently_each_time),
        SECRETS_TEST(refuses_a_master_key_that_is_none),
        cmocka_unit_test(compares_whole_secrets),
    };
    return cmocka_run_group_tests_name("secrets", tests, NULL, NULL);
}
