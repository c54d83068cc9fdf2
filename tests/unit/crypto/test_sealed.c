/*
 * Sealed values: the cipher against published vectors, and that nothing opens anywhere else than
 * where it was sealed.
 */

#include "crypto/sealed.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "base/text.h"

static struct arena *arena;

static struct bytes of_hex(const char *hex)
{
    size_t size = strlen(hex) / 2;
    uint8_t *bytes = arena_alloc(arena, size + 1);

    assert_true(hex_decode(hex, bytes, size));
    return (struct bytes){bytes, size};
}

struct vector {
    const char *key;
    const char *iv;
    const char *bound;
    const char *plain;
    const char *body;
    const char *tag;
};

/* Test cases 13, 14 and 16 of the specification of GCM that was submitted to NIST. */
static const struct vector vectors[] = {
    {"0000000000000000000000000000000000000000000000000000000000000000", "000000000000000000000000",
     "", "", "", "530f8afbc74536b9a963b4f1c4cb738b"},
    {"0000000000000000000000000000000000000000000000000000000000000000", "000000000000000000000000",
     "", "00000000000000000000000000000000", "cea7403d4d606b6e074ec5d3baf39d18",
     "d0d1c8a799996bf0265b98b5d48ab919"},
    {"feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308", "cafebabefacedbaddecaf888",
     "feedfacedeadbeeffeedfacedeadbeefabaddad2",
     "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6"
     "b525b16aedf5aa0de657ba637b39",
     "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b105682"
     "8838c5f61e6393ba7a0abcc9f662",
     "76fc6ece0f4e1768cddf8853bb2d551b"},
};

static void encrypts_as_the_standard_says(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(vectors); i++) {
        const struct vector *vector = &vectors[i];
        const struct bytes bound = of_hex(vector->bound);
        const struct bytes plain = of_hex(vector->plain);
        const struct bytes body = of_hex(vector->body);
        uint8_t *sealed = arena_alloc(arena, plain.size + 1);
        uint8_t tag[AES_GCM_TAG_SIZE];

        aes_gcm_seal(of_hex(vector->key).data, of_hex(vector->iv).data,
                     (struct aes_gcm_bound){&bound, 1}, plain, sealed, tag);

        assert_memory_equal(sealed, body.data, body.size);
        assert_memory_equal(tag, of_hex(vector->tag).data, sizeof(tag));
        assert_true(aes_gcm_open(of_hex(vector->key).data, of_hex(vector->iv).data,
                                 (struct aes_gcm_bound){&bound, 1}, body, tag, sealed));
        assert_memory_equal(sealed, plain.data, plain.size);
    }
}

/* The two vectors of the specification of XAES-256-GCM. */
static void derives_the_key_of_a_message_as_its_specification_says(void **state)
{
    static const struct {
        uint8_t key;
        const char *bound;
        const char *sealed;
    } known[] = {
        {1, "", "ce546ef63c9cc60765923609b33a9a1974e96e52daf2fcf7075e2271"},
        {3, "c2sp.org/XAES-256-GCM", "986ec1832593df5443a179437fd083bf3fdb41abd740a21f71eb769d"},
    };
    static const char nonce[] = "ABCDEFGHIJKLMNOPQRSTUVWX";
    static const char plain[] = "XAES-256-GCM";

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(known); i++) {
        const struct bytes bound = {known[i].bound, strlen(known[i].bound)};
        uint8_t key[AES_KEY_SIZE];
        uint8_t message_key[AES_KEY_SIZE];
        uint8_t out[sizeof(plain) - 1 + AES_GCM_TAG_SIZE];
        memset(key, known[i].key, sizeof(key));

        aes_message_key(key, (const uint8_t *)nonce, message_key);
        aes_gcm_seal(message_key, (const uint8_t *)nonce + MESSAGE_SALT_SIZE,
                     (struct aes_gcm_bound){&bound, 1}, (struct bytes){plain, sizeof(plain) - 1},
                     out, out + sizeof(plain) - 1);

        assert_memory_equal(out, of_hex(known[i].sealed).data, sizeof(out));
    }
}

static const struct seal_place home = {
    .table = "payment_method",
    .column = "token_sealed",
    .customer = {{1}},
    .row = "0198c0de",
};

static struct data_key key_of(uint8_t id)
{
    struct data_key key = {.id = {id}};

    memset(key.key, 7, sizeof(key.key));
    return key;
}

static struct bytes sealed_at_home(const char *plain)
{
    const struct data_key key = key_of(1);

    return sealed_make(arena, random_system(), &key, &home, (struct bytes){plain, strlen(plain)});
}

static bool opens_at(const struct seal_place *place, struct bytes sealed)
{
    const struct data_key key = key_of(1);
    struct bytes plain;

    return sealed_open(arena, &key, place, sealed, &plain);
}

static void opens_where_it_was_sealed(void **state)
{
    const struct data_key key = key_of(1);
    struct bytes plain;

    (void)state;
    assert_true(sealed_open(arena, &key, &home, sealed_at_home("tok_1"), &plain));
    assert_int_equal(plain.size, 5);
    assert_memory_equal(plain.data, "tok_1", 5);
    assert_true(sealed_open(arena, &key, &home, sealed_at_home(""), &plain));
    assert_int_equal(plain.size, 0);
}

/* Each kind of move, one at a time. */
static void does_not_open_anywhere_else(void **state)
{
    struct bytes sealed = sealed_at_home("tok_1");
    struct seal_place other_table = home;
    struct seal_place other_column = home;
    struct seal_place other_customer = home;
    struct seal_place other_row = home;
    struct seal_place house = home;
    struct seal_place shifted = home;

    (void)state;
    other_table.table = "payment_methoe";
    other_column.column = "token_sealee";
    other_customer.customer.bytes[15] = 1;
    other_row.row = "0198c0df";
    house.customer = UUID_NIL;
    shifted.table = "payment_methodt";
    shifted.column = "oken_sealed";

    assert_true(opens_at(&home, sealed));
    assert_false(opens_at(&other_table, sealed));
    assert_false(opens_at(&other_column, sealed));
    assert_false(opens_at(&other_customer, sealed));
    assert_false(opens_at(&other_row, sealed));
    assert_false(opens_at(&house, sealed));
    assert_false(opens_at(&shifted, sealed));
}

static void does_not_open_with_another_key(void **state)
{
    struct bytes sealed = sealed_at_home("tok_1");
    struct data_key same_id = key_of(1);
    struct data_key other_id = key_of(2);
    struct bytes plain;
    (void)state;
    same_id.key[31] ^= 1;

    assert_false(sealed_open(arena, &same_id, &home, sealed, &plain));
    assert_false(sealed_open(arena, &other_id, &home, sealed, &plain));

    /* Nor when the value says that it is that key's. */
    uint8_t *relabelled = arena_copy(arena, sealed.data, sealed.size);
    memcpy(relabelled + 1, other_id.id, KEY_ID_SIZE);
    assert_false(
        sealed_open(arena, &other_id, &home, (struct bytes){relabelled, sealed.size}, &plain));
}

static void notices_every_bit(void **state)
{
    struct bytes sealed = sealed_at_home("tok_1");
    uint8_t *copy = arena_copy(arena, sealed.data, sealed.size);

    (void)state;
    for (size_t bit = 0; bit < 8 * sealed.size; bit++) {
        copy[bit / 8] ^= (uint8_t)(1 << (bit % 8));
        assert_false(opens_at(&home, (struct bytes){copy, sealed.size}));
        copy[bit / 8] ^= (uint8_t)(1 << (bit % 8));
    }
    assert_true(opens_at(&home, (struct bytes){copy, sealed.size}));
}

static void does_not_open_cut_or_lengthened(void **state)
{
    struct bytes sealed = sealed_at_home("tok_1");
    uint8_t *longer = arena_alloc(arena, sealed.size + 1);

    (void)state;
    memcpy(longer, sealed.data, sealed.size);
    for (size_t size = 0; size < sealed.size; size++)
        assert_false(opens_at(&home, (struct bytes){sealed.data, size}));
    assert_false(opens_at(&home, (struct bytes){longer, sealed.size + 1}));
}

static void never_uses_a_nonce_twice(void **state)
{
    struct bytes one = sealed_at_home("same");
    struct bytes other = sealed_at_home("same");

    (void)state;
    assert_memory_not_equal((const uint8_t *)one.data + 1 + KEY_ID_SIZE,
                            (const uint8_t *)other.data + 1 + KEY_ID_SIZE, SEALED_NONCE_SIZE);
    assert_memory_not_equal((const uint8_t *)one.data + SEALED_HEAD_SIZE,
                            (const uint8_t *)other.data + SEALED_HEAD_SIZE, 4);
}

static int open_arena(void **state)
{
    (void)state;
    arena = arena_new(8 << 20);
    return 0;
}

static int close_arena(void **state)
{
    (void)state;
    arena_free(arena);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(encrypts_as_the_standard_says),
        cmocka_unit_test(derives_the_key_of_a_message_as_its_specification_says),
        cmocka_unit_test(opens_where_it_was_sealed),
        cmocka_unit_test(does_not_open_anywhere_else),
        cmocka_unit_test(does_not_open_with_another_key),
        cmocka_unit_test(notices_every_bit),
        cmocka_unit_test(does_not_open_cut_or_lengthened),
        cmocka_unit_test(never_uses_a_nonce_twice),
    };
    return cmocka_run_group_tests_name("sealed values", tests, open_arena, close_arena);
}
