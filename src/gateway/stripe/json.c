/*
 * Depth is counted before jansson recurses.  Numbers are believed only as whole ones of 64 bits.
 */

#include "gateway/stripe/json.h"

#include "base/text.h"

/* Brackets outside of strings; whether they match is the parser's business. */
static bool is_flat(const char *text, size_t size)
{
    bool in_string = false;
    int depth = 0;

    for (size_t i = 0; i < size; i++) {
        char byte = text[i];
        if (in_string && byte == '\\')
            i++;
        else if (byte == '"')
            in_string = !in_string;
        else if (!in_string && (byte == '{' || byte == '['))
            depth++;
        else if (!in_string && (byte == '}' || byte == ']'))
            depth--;
        if (depth > STRIPE_JSON_DEPTH_MAX)
            return false;
    }
    return true;
}

json_t *stripe_json(const char *text, size_t size)
{
    json_error_t error;

    if (size == 0 || !is_flat(text, size))
        return NULL;
    json_t *json = json_loadb(text, size, JSON_REJECT_DUPLICATES, &error);
    if (json != NULL && !json_is_object(json)) {
        json_decref(json);
        return NULL;
    }
    return json;
}

void stripe_json_release(json_t **json)
{
    json_decref(*json);
    *json = NULL;
}

static const char *plain_text(const json_t *value)
{
    size_t length = json_string_length(value);

    if (!json_is_string(value) || length > STRIPE_TEXT_MAX ||
        !text_is_plain(json_string_value(value), length))
        return "";
    return json_string_value(value);
}

const char *stripe_text(const json_t *object, const char *member)
{
    return plain_text(json_object_get(object, member));
}

bool stripe_number(const json_t *object, const char *member, int64_t *number)
{
    const json_t *value = json_object_get(object, member);

    if (!json_is_integer(value))
        return false;
    *number = json_integer_value(value);
    return true;
}

bool stripe_flag(const json_t *object, const char *member)
{
    return json_is_true(json_object_get(object, member));
}

const json_t *stripe_object(const json_t *object, const char *member)
{
    const json_t *value = json_object_get(object, member);

    return json_is_object(value) ? value : NULL;
}

const char *stripe_reference(const json_t *object, const char *member)
{
    const json_t *value = json_object_get(object, member);

    return json_is_object(value) ? stripe_text(value, "id") : plain_text(value);
}

bool stripe_is_id(const char *text, const char *prefix)
{
    size_t length = strlen(prefix);

    if (!text_starts_with(text, prefix) || text[length] == '\0' || strlen(text) > STRIPE_TEXT_MAX)
        return false;
    for (const char *at = text; *at != '\0'; at++) {
        if (*at != '_' && !(*at >= '0' && *at <= '9') && !(*at >= 'a' && *at <= 'z') &&
            !(*at >= 'A' && *at <= 'Z'))
            return false;
    }
    return true;
}
