/*
 * JSON that is not trusted: bounded in depth, without duplicate members, every type asked for.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"

#define STRIPE_JSON_DEPTH_MAX 32
#define STRIPE_TEXT_MAX       255

/* NULL unless it is one object in strict UTF-8 JSON; to be released. */
json_t *stripe_json(const char *text, size_t size);
void stripe_json_release(json_t **json);

/* The member as text; "" when it is none, empty, longer than STRIPE_TEXT_MAX or not plain ASCII. */
const char *stripe_text(const json_t *object, const char *member);

/* False: no whole number. */
bool stripe_number(const json_t *object, const char *member, int64_t *number);

/* False also when it is no truth value. */
bool stripe_flag(const json_t *object, const char *member);

/* The member as an object; NULL when it is none. */
const json_t *stripe_object(const json_t *object, const char *member);

/* The id of what may be expanded: the text, or the object's "id". */
const char *stripe_reference(const json_t *object, const char *member);

/* Of letters, digits and '_', with this prefix and something behind it: safe in a path. */
bool stripe_is_id(const char *text, const char *prefix);
