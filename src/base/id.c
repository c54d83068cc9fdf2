/*
 * UUIDs and the resource names that carry them.  Only the canonical lower-case form is read, so
 * that one thing has one name.
 */

#include "base/id.h"

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

static bool is_dash_position(size_t position)
{
    return position == 8 || position == 13 || position == 18 || position == 23;
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return -1;
}

/* The first 36 characters; what follows them is the caller's business. */
static bool parse_prefix(const char *text, struct uuid *id)
{
    struct uuid parsed = UUID_NIL;
    size_t digits = 0;

    for (size_t i = 0; i < UUID_TEXT_LENGTH; i++) {
        if (is_dash_position(i)) {
            if (text[i] != '-')
                return false;
            continue;
        }
        int value = hex_value(text[i]);
        if (value < 0)
            return false;
        parsed.bytes[digits / 2] = (uint8_t)(parsed.bytes[digits / 2] << 4 | value);
        digits++;
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
    size_t digit = 0;

    for (size_t i = 0; i < UUID_TEXT_LENGTH; i++) {
        if (is_dash_position(i)) {
            text[i] = '-';
            continue;
        }
        uint8_t byte = id.bytes[digit / 2];
        text[i] = digits[digit % 2 == 0 ? byte >> 4 : byte & 0x0f];
        digit++;
    }
    text[UUID_TEXT_LENGTH] = '\0';
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
