/*
 * UUIDs and the resource names that carry them.  Only the canonical lower-case form is read, so
 * that one thing has one name.
 */

#include "base/id.h"

#include <limits.h>

#include "base/bug.h"
#include "base/random.h"
#include "base/text.h"
#include "base/time.h"

#define NAME_IDS_MAX 4

const struct uuid UUID_NIL;

struct uuid uuid_make(const struct random *random, int64_t now_us)
{
    struct uuid id;
    uint64_t now_ms = (uint64_t)(now_us / US_PER_MS);

    random_fill(random, id.bytes, sizeof id.bytes);
    for (size_t i = 0; i < 6; i++)
        id.bytes[i] = (uint8_t)(now_ms >> (40 - 8 * i));
    id.bytes[6] = (uint8_t)((id.bytes[6] & 0x0f) | 0x70); /* version 7 */
    id.bytes[8] = (uint8_t)((id.bytes[8] & 0x3f) | 0x80); /* the RFC's variant */
    return id;
}

bool uuid_equal(struct uuid a, struct uuid b)
{
    return memcmp(a.bytes, b.bytes, sizeof a.bytes) == 0;
}

bool uuid_is_nil(struct uuid id)
{
    return uuid_equal(id, UUID_NIL);
}

/* Where the two digits of each byte stand; the dashes are at 8, 13, 18 and 23. */
static const uint8_t digits_at[16] = {0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34};

/* One more than the value of a lower-case digit; 0 is none. */
static const uint8_t hex_values[UCHAR_MAX + 1] = {
    ['0'] = 1, ['1'] = 2,  ['2'] = 3,  ['3'] = 4,  ['4'] = 5,  ['5'] = 6,  ['6'] = 7,  ['7'] = 8,
    ['8'] = 9, ['9'] = 10, ['a'] = 11, ['b'] = 12, ['c'] = 13, ['d'] = 14, ['e'] = 15, ['f'] = 16,
};

/* The first 36 characters; what follows them is the caller's business. */
static bool parse_prefix(const char *text, struct uuid *id)
{
    struct uuid parsed;

    if (strnlen(text, UUID_TEXT_LENGTH) < UUID_TEXT_LENGTH || text[8] != '-' || text[13] != '-' ||
        text[18] != '-' || text[23] != '-')
        return false;
    for (size_t i = 0; i < sizeof parsed.bytes; i++) {
        const char *digits = text + digits_at[i];
        unsigned high = hex_values[(unsigned char)digits[0]];
        unsigned low = hex_values[(unsigned char)digits[1]];
        if (high == 0 || low == 0)
            return false;
        parsed.bytes[i] = (uint8_t)((high - 1) << 4 | (low - 1));
    }
    *id = parsed;
    return true;
}

bool uuid_parse(const char *text, struct uuid *id)
{
    struct uuid parsed;

    if (text == NULL || !parse_prefix(text, &parsed) || text[UUID_TEXT_LENGTH] != '\0')
        return false;
    *id = parsed;
    return true;
}

void uuid_format(struct uuid id, char text[UUID_TEXT_LENGTH + 1])
{
    static const char digits[] = "0123456789abcdef";

    memcpy(text, "00000000-0000-0000-0000-000000000000", UUID_TEXT_LENGTH + 1);
    for (size_t i = 0; i < sizeof id.bytes; i++) {
        text[digits_at[i]] = digits[id.bytes[i] >> 4];
        text[digits_at[i] + 1] = digits[id.bytes[i] & 0x0f];
    }
}

const char *uuid_text(struct arena *arena, struct uuid id)
{
    char *text = arena_alloc(arena, UUID_TEXT_LENGTH + 1);

    uuid_format(id, text);
    return text;
}

bool name_parse(const char *pattern, const char *name, struct uuid *ids, size_t id_count)
{
    struct uuid parsed[NAME_IDS_MAX];
    size_t count = 0;

    if (id_count > NAME_IDS_MAX)
        bug("name_parse: more than %d ids in '%s'", NAME_IDS_MAX, pattern);
    if (name == NULL)
        return false;
    while (*pattern != '\0') {
        if (text_starts_with(pattern, "{}")) {
            if (count == id_count)
                bug("name_parse: '%s' has more than %zu ids", pattern, id_count);
            if (!parse_prefix(name, &parsed[count++]))
                return false;
            pattern += 2;
            name += UUID_TEXT_LENGTH;
        } else if (*pattern++ != *name++) {
            return false;
        }
    }
    if (*name != '\0')
        return false;
    if (count != id_count)
        bug("name_parse: %zu ids wanted of a pattern with %zu", id_count, count);
    if (count > 0)
        memcpy(ids, parsed, count * sizeof parsed[0]);
    return true;
}

char *name_make(struct arena *arena, const char *pattern, const struct uuid *ids)
{
    size_t size = strlen(pattern) + 1;

    for (const char *p = strstr(pattern, "{}"); p != NULL; p = strstr(p + 2, "{}"))
        size += UUID_TEXT_LENGTH - 2;

    char *name = arena_alloc(arena, size);
    char *end = name;
    while (*pattern != '\0') {
        if (text_starts_with(pattern, "{}")) {
            uuid_format(*ids++, end);
            end += UUID_TEXT_LENGTH;
            pattern += 2;
        } else {
            *end++ = *pattern++;
        }
    }
    *end = '\0';
    return name;
}
