/*
 * Sealed values and files of keys: what is no value of ours does not open, what is one opens only
 * unchanged, and any text is read as keys or refused.
 */
#include "crypto/sealed.h"

#include "base/bug.h"
#include "crypto/key_file.h"
#include "fuzz/context.h"
#include "fuzz/fuzz.h"

static const struct seal_place place = {"payment_method", "token_sealed", {{1}}, "row"};

static void check_parse(struct arena *arena, const struct data_key *key, struct bytes value)
{
    struct sealed sealed;
    struct bytes plain;

    if (sealed_parse(value, &sealed) && sealed.body.size + SEALED_EXTRA != value.size)
        bug("a value has another size than its parts");
    if (sealed_open(arena, key, &place, value, &plain))
        bug("a value opens that was not sealed here");
}

static void check_changed(struct arena *arena, const struct data_key *key, const uint8_t *data,
                          size_t size)
{
    struct bytes value =
        sealed_make(arena, random_system(), key, &place, (struct bytes){data, size});
    uint8_t *copy = arena_copy(arena, value.data, value.size);
    struct bytes plain;

    if (!sealed_open(arena, key, &place, value, &plain) || plain.size != size ||
        memcmp(plain.data, data, size) != 0)
        bug("a value of our own does not open");
    copy[data[0] % value.size] ^= (uint8_t)(1 + data[0] / 2);
    if (sealed_open(arena, key, &place, (struct bytes){copy, value.size}, &plain))
        bug("a value that was changed opens");
    if (sealed_open(arena, key, &place, (struct bytes){value.data, data[0] % value.size}, &plain))
        bug("a value that was cut opens");
}

int fuzz_one(const uint8_t *data, size_t size)
{
    struct data_key key = {.id = {1}, .key = {2}};
    struct arena *arena = fuzz_arena();
    struct key_lines lines;

    check_parse(arena, &key, (struct bytes){data, size});
    if (size > 0)
        check_changed(arena, &key, data, size);
    if (key_lines_parse(arena_strndup(arena, (const char *)data, size), &lines) &&
        (lines.count == 0 || lines.count > KEY_RING_MAX))
        bug("a file of %zu keys", lines.count);
    return 0;
}
