/*
 * Identifiers: UUIDv7 (RFC 9562 §5.7) made by the server, and the resource names that carry them.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"

#define UUID_TEXT_LENGTH 36

struct uuid {
    uint8_t bytes[16];
};

struct random;

extern const struct uuid UUID_NIL;

/* Millisecond time first, then random bits: new rows go to the right edge of their index. */
struct uuid uuid_make(const struct random *random, int64_t now_us);

bool uuid_equal(struct uuid a, struct uuid b);
bool uuid_is_nil(struct uuid id);

/* Lower-case canonical form only.  False leaves `*id` alone. */
bool uuid_parse(const char *text, struct uuid *id);
void uuid_format(struct uuid id, char text[UUID_TEXT_LENGTH + 1]);
const char *uuid_text(struct arena *arena, struct uuid id);

/*
 * Matches a resource name against a pattern whose `{}` segments are UUIDs, e.g.
 * name_parse("customers/{}/payments/{}", name, ids, 2).  Every `{}` is written to ids in order;
 * `ids` is untouched on false.  `customers/me` is not known here: see base/owner.h.
 */
bool name_parse(const char *pattern, const char *name, struct uuid *ids, size_t id_count);

/* The reverse: name_make(arena, "customers/{}/payments/{}", ids). */
char *name_make(struct arena *arena, const char *pattern, const struct uuid *ids);
