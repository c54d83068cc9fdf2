/*
 * Checks of request fields.  A description says what would be right and never repeats the value:
 * it may be a secret in the wrong field.
 */

#include "base/check.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <stdarg.h>

#include "base/text.h"
#include "base/time.h"

#define PAGE_SIZE_DEFAULT       50
#define PAGE_SIZE_MAX           100
#define CATALOGUE_ID_LENGTH_MAX 63

void field_error_add(struct field_errors *errors, const char *field, const char *format, ...)
{
    va_list arguments;

    if (errors->count == ERROR_FIELDS_MAX)
        return;
    va_start(arguments, format);
    errors->list[errors->count++] = (struct field_error){
        .field = arena_strdup(errors->call->arena, field),
        .description = arena_vprintf(errors->call->arena, format, arguments),
    };
    va_end(arguments);
}

struct error *field_errors_tell(struct call *call, struct error *error)
{
    const struct field_error *first = &error->fields[0];

    if (error->field_count == 1)
        error->message = arena_printf(call->arena, "field %s %s", first->field, first->description);
    else
        error->message = arena_printf(call->arena, "%zu fields are wrong, the first: %s %s",
                                      error->field_count, first->field, first->description);
    return error_with(call->arena, error, "field", "%s", first->field);
}

const struct error *field_errors_result(struct field_errors *errors)
{
    if (errors->count == 0)
        return NULL;

    struct error *error =
        refuse(errors->call, STATUS_INVALID_ARGUMENT, "INVALID_FIELD", "wrong fields");
    memcpy(error->fields, errors->list, errors->count * sizeof errors->list[0]);
    error->field_count = errors->count;
    return field_errors_tell(errors->call, error);
}

void check_text(struct field_errors *errors, const char *field, const char *value,
                size_t length_min, size_t length_max)
{
    size_t length = value == NULL ? 0 : text_length(value);

    if (length == 0 && length_min > 0)
        field_error_add(errors, field, "must not be empty");
    else if (length < length_min || length > length_max)
        field_error_add(errors, field, "must have %zu to %zu characters", length_min, length_max);
}

static bool is_alphanumeric(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

void check_token(struct field_errors *errors, const char *field, const char *value,
                 size_t length_min, size_t length_max)
{
    size_t length = 0;

    for (; value != NULL && value[length] != '\0'; length++) {
        char c = value[length];
        if (!is_alphanumeric(c) && c != '_' && c != '-') {
            field_error_add(errors, field, "may hold only letters, digits, '_' and '-'");
            return;
        }
    }
    if (length == 0 && length_min > 0)
        field_error_add(errors, field, "must not be empty");
    else if (length < length_min || length > length_max)
        field_error_add(errors, field, "must have %zu to %zu characters", length_min, length_max);
}

void check_ip_address(struct field_errors *errors, const char *field, const char *value)
{
    uint8_t address[sizeof(struct in6_addr)];

    if (value == NULL || value[0] == '\0')
        return;
    if (inet_pton(AF_INET, value, address) != 1 && inet_pton(AF_INET6, value, address) != 1)
        field_error_add(errors, field, "must be an IPv4 or IPv6 address");
}

/* RFC 5321's Dot-string of RFC 5322's atext; quoted local parts exist only in standards. */
static bool is_email_local_part(const char *text, size_t length)
{
    if (length == 0 || length > 64 || text[0] == '.' || text[length - 1] == '.')
        return false;
    for (size_t i = 0; i < length; i++) {
        if (text[i] == '.' && text[i + 1] == '.')
            return false;
        if (!is_alphanumeric(text[i]) && strchr(".!#$%&'*+/=?^_`{|}~-", text[i]) == NULL)
            return false;
    }
    return true;
}

/* At least two labels of letters, digits and inner dashes (RFC 1123 §2.1). */
static bool is_email_domain(const char *text)
{
    size_t label_length = 0;
    size_t label_count = 1;

    for (; *text != '\0'; text++) {
        if (*text == '.') {
            if (label_length == 0 || text[-1] == '-')
                return false;
            label_count++;
            label_length = 0;
            continue;
        }
        if (!is_alphanumeric(*text) && (*text != '-' || label_length == 0))
            return false;
        if (++label_length > 63)
            return false;
    }
    return label_count >= 2 && label_length > 0 && text[-1] != '-';
}

void check_email(struct field_errors *errors, const char *field, const char *value)
{
    const char *at = value == NULL ? NULL : strrchr(value, '@');

    if (value == NULL || *value == '\0') {
        field_error_add(errors, field, "must not be empty");
        return;
    }
    if (at == NULL || strlen(value) > 254 || !is_email_local_part(value, (size_t)(at - value)) ||
        !is_email_domain(at + 1))
        field_error_add(errors, field,
                        "must be an e-mail address in ASCII like 'name@example.com': at most 64 "
                        "characters, one '@', a domain with a dot, at most 254 in all");
}

void check_money(struct field_errors *errors, const char *field, bool present,
                 const char *currency_code, int64_t minor_units, struct money *money)
{
    if (!present) {
        field_error_add(errors, field, "must be given");
        return;
    }

    size_t count_before = errors->count;
    const char *code = currency_code == NULL ? "" : currency_code;
    if (!currency_known(code, NULL)) {
        const char *path = arena_printf(errors->call->arena, "%s.currency_code", field);
        field_error_add(errors, path, "must be an ISO 4217 code in upper case, like 'USD'");
    }
    if (minor_units < 1 || minor_units > MONEY_MINOR_UNITS_MAX) {
        const char *path = arena_printf(errors->call->arena, "%s.minor_units", field);
        field_error_add(errors, path, "must be between 1 and %lld", MONEY_MINOR_UNITS_MAX);
    }
    if (errors->count == count_before && count_before < ERROR_FIELDS_MAX)
        *money = money_make(code, minor_units);
}

/* "customers/{}/payments/{}" as people know it: "customers/{customer}/payments/{payment}". */
static const char *pattern_for_people(struct arena *arena, const char *pattern)
{
    char *text = arena_alloc(arena, 2 * strlen(pattern) + 1);
    char *end = text;
    const char *segment = pattern;

    while (*pattern != '\0') {
        if (!text_starts_with(pattern, "{}")) {
            if (*pattern == '/' && pattern[1] != '{')
                segment = pattern + 1;
            *end++ = *pattern++;
            continue;
        }
        *end++ = '{';
        /* The collection without its plural s: "payments/" gives "payment". */
        for (const char *c = segment; c + 2 < pattern; c++)
            *end++ = *c;
        *end++ = '}';
        pattern += 2;
    }
    *end = '\0';
    return text;
}

void check_name(struct field_errors *errors, const char *field, const char *value,
                const char *pattern, struct uuid *ids, size_t id_count)
{
    if (value == NULL || *value == '\0')
        field_error_add(errors, field, "must not be empty");
    else if (!name_parse(pattern, value, ids, id_count))
        field_error_add(errors, field,
                        "must be a resource name of the form '%s', each id a UUID in lower case as "
                        "the server gave it",
                        pattern_for_people(errors->call->arena, pattern));
}

static bool is_catalogue_id(const char *id)
{
    size_t length = strlen(id);

    if (length == 0 || length > CATALOGUE_ID_LENGTH_MAX || id[0] == '-' || id[length - 1] == '-')
        return false;
    for (; *id != '\0'; id++) {
        if (!(*id >= 'a' && *id <= 'z') && !(*id >= '0' && *id <= '9') && *id != '-')
            return false;
    }
    return true;
}

void check_catalogue_name(struct field_errors *errors, const char *field, const char *value,
                          const char *collection, const char **id)
{
    size_t length = strlen(collection);

    if (value == NULL || *value == '\0')
        field_error_add(errors, field, "must not be empty");
    else if (!text_starts_with(value, collection) || value[length] != '/' ||
             !is_catalogue_id(value + length + 1))
        field_error_add(errors, field,
                        "must be '%s/' and an id of lower-case letters, digits and inner dashes",
                        collection);
    else
        *id = value + length + 1;
}

int32_t check_page_size(struct field_errors *errors, const char *field, int32_t page_size)
{
    if (page_size < 0)
        field_error_add(errors, field, "must not be negative");
    if (page_size <= 0)
        return PAGE_SIZE_DEFAULT;
    return page_size < PAGE_SIZE_MAX ? page_size : PAGE_SIZE_MAX;
}

void check_timestamp(struct field_errors *errors, const char *field, bool present, int64_t seconds,
                     int32_t nanos, int64_t *time_us)
{
    if (!present)
        field_error_add(errors, field, "must be given");
    else if (nanos < 0 || nanos > 999999999)
        field_error_add(errors, field, "must have nanos between 0 and 999999999");
    else if (seconds < TIME_US_MIN / US_PER_SECOND || seconds > TIME_US_MAX / US_PER_SECOND)
        field_error_add(errors, field, "must be between the years 0001 and 9999");
    else
        *time_us = seconds * US_PER_SECOND + nanos / 1000;
}
