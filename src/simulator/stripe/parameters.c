/*
 * Parameters of a call: strings of a form, read as what they should be.  The errors are those of
 * the real one, as far as a client can see a difference.
 */

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "base/money.h"
#include "simulator/stripe/internal.h"

#define SEGMENT_SIZE   64
#define AMOUNT_MAX     99999999
#define METADATA_PAIRS 50
#define METADATA_KEY   40
#define METADATA_VALUE 500

/* Called by its form name: "card.number" is "card[number]". */
static const char *form_name(const struct stripe_call *call, const char *path)
{
    const char *dot = strchr(path, '.');
    const char *name = arena_strndup(call->arena, path, strcspn(path, "."));

    while (dot != NULL) {
        size_t length = strcspn(dot + 1, ".");
        name = arena_printf(call->arena, "%s[%.*s]", name, (int)length, dot + 1);
        dot = strchr(dot + 1, '.');
    }
    return name;
}

json_t *param_at(const struct stripe_call *call, const char *path)
{
    json_t *at = call->params;

    for (const char *segment = path; at != NULL && *segment != '\0';) {
        size_t length = strcspn(segment, ".");
        char key[SEGMENT_SIZE];
        snprintf(key, sizeof key, "%.*s", (int)length, segment);
        at = json_object_get(at, key);
        segment += length + (segment[length] == '.' ? 1 : 0);
    }
    return at;
}

const char *param_text(const struct stripe_call *call, const char *path)
{
    return json_string_value(param_at(call, path));
}

bool param_is_given(const struct stripe_call *call, const char *path)
{
    return param_at(call, path) != NULL;
}

bool param_integer(struct stripe_call *call, const char *path, int64_t *value)
{
    const json_t *given = param_at(call, path);
    const char *text = json_string_value(given);
    char *end;

    if (given == NULL || (text != NULL && text[0] == '\0'))
        return true;
    errno = 0;
    long long number = text == NULL ? 0 : strtoll(text, &end, 10);
    if (text != NULL && errno == 0 && *end == '\0' && strspn(text, "-0123456789") == strlen(text)) {
        *value = number;
        return true;
    }
    const char *name = form_name(call, path);
    stripe_refuse(call, 400, "parameter_invalid_integer", name, "Invalid integer: %s",
                  text == NULL ? "" : text);
    return false;
}

bool param_boolean(struct stripe_call *call, const char *path, bool *value)
{
    const json_t *given = param_at(call, path);
    const char *text = json_string_value(given);

    if (given == NULL)
        return true;
    if (text != NULL && (text_equal(text, "true") || text_equal(text, "false"))) {
        *value = text_equal(text, "true");
        return true;
    }
    stripe_refuse(call, 400, NULL, form_name(call, path), "Invalid boolean: %s",
                  text == NULL ? "" : text);
    return false;
}

bool word_in(const char *word, const char *words)
{
    size_t length = strlen(word);

    for (const char *at = words; *at != '\0';) {
        size_t size = strcspn(at, " ");
        if (size == length && memcmp(at, word, size) == 0)
            return true;
        at += size + strspn(at + size, " ");
    }
    return false;
}

bool param_choice(struct stripe_call *call, const char *path, const char *allowed)
{
    const json_t *given = param_at(call, path);
    const char *text = json_string_value(given);

    if (given == NULL || (text != NULL && word_in(text, allowed)))
        return true;
    const char *name = form_name(call, path);
    stripe_refuse(call, 400, NULL, name, "Invalid %s: must be one of %s", name, allowed);
    return false;
}

bool params_are_known(struct stripe_call *call, const char *words)
{
    const char *key;
    json_t *value;

    json_object_foreach(call->params, key, value)
    {
        if (word_in(key, words) || text_equal(key, "expand"))
            continue;
        stripe_refuse(call, 400, "parameter_unknown", key, "Received unknown parameter: %s", key);
        return false;
    }
    return true;
}

bool param_copy(struct stripe_call *call, json_t *object, const char *words)
{
    for (const char *at = words; *at != '\0';) {
        size_t size = strcspn(at, " ");
        const char *name = arena_strndup(call->arena, at, size);
        const json_t *given = param_at(call, name);
        const char *text = json_string_value(given);
        if (given != NULL && text == NULL) {
            stripe_refuse(call, 400, NULL, name, "Invalid string: %s", name);
            return false;
        }
        if (given != NULL)
            set_text(object, name, text[0] == '\0' ? NULL : text);
        at += size + strspn(at + size, " ");
    }
    return param_metadata(call, object);
}

bool param_nested(struct stripe_call *call, json_t *object, const char *key, const char *path,
                  const char *words)
{
    if (!param_is_given(call, path))
        return true;
    if (!json_is_object(json_object_get(object, key)))
        json_object_set_new(object, key, json_object());
    json_t *nested = json_object_get(object, key);
    for (const char *at = words; *at != '\0';) {
        size_t size = strcspn(at, " ");
        const char *name = arena_strndup(call->arena, at, size);
        const char *text = param_text(call, arena_printf(call->arena, "%s.%s", path, name));
        if (text != NULL || json_object_get(nested, name) == NULL)
            set_text(nested, name, text == NULL || text[0] == '\0' ? NULL : text);
        at += size + strspn(at + size, " ");
    }
    return true;
}

static bool metadata_pair(struct stripe_call *call, json_t *metadata, const char *key,
                          const json_t *value)
{
    const char *text = json_string_value(value);
    const char *param = arena_printf(call->arena, "metadata[%s]", key);

    if (text == NULL) {
        stripe_refuse(call, 400, NULL, param, "Invalid string: metadata values are strings");
        return false;
    }
    if (text_length(key) > METADATA_KEY || text_length(text) > METADATA_VALUE) {
        stripe_refuse(call, 400, NULL, param,
                      "Metadata keys can have up to %d characters, values up to %d", METADATA_KEY,
                      METADATA_VALUE);
        return false;
    }
    if (text[0] == '\0')
        json_object_del(metadata, key);
    else
        json_object_set_new(metadata, key, json_string(text));
    return true;
}

bool param_metadata(struct stripe_call *call, json_t *object)
{
    const json_t *given = param_at(call, "metadata");
    json_t *metadata = json_object_get(object, "metadata");
    const char *key;
    json_t *value;

    if (given == NULL)
        return true;
    if (json_is_string(given)) {
        json_object_clear(metadata);
        return true;
    }
    json_object_foreach(param_at(call, "metadata"), key, value)
    {
        if (!metadata_pair(call, metadata, key, value))
            return false;
    }
    if (json_object_size(metadata) <= METADATA_PAIRS)
        return true;
    stripe_refuse(call, 400, NULL, "metadata", "You can have up to %d keys of metadata",
                  METADATA_PAIRS);
    return false;
}

/* Charged in hundredths although ISO 4217 knows none, for compatibility: only whole units. */
#define WHOLE_UNITS_ONLY "isk ugx"
/* The last of their three digits is 0. */
#define TENS_ONLY "bhd jod kwd omr tnd"

/* What a charge has at least, in minor units; 50 where nothing is said. */
static const struct {
    const char *currency;
    int64_t least;
} minima[] = {
    {"aed", 200}, {"bgn", 100},   {"czk", 1500}, {"dkk", 250},  {"gbp", 30},
    {"hkd", 400}, {"huf", 17500}, {"mxn", 1000}, {"myr", 200},  {"nok", 300},
    {"pln", 200}, {"ron", 200},   {"sek", 300},  {"thb", 1000}, {"jpy", 50},
};

static int64_t least_amount(const char *currency)
{
    for (size_t i = 0; i < ARRAY_LENGTH(minima); i++) {
        if (text_equal(minima[i].currency, currency))
            return minima[i].least;
    }
    return 50;
}

static char with_case(char c, char from, char to)
{
    static const char letters[2][27] = {"abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ"};
    const char *found = c == '\0' ? NULL : strchr(letters[from == 'A'], c);

    if (found == NULL)
        return c;
    return letters[to == 'A'][found - letters[from == 'A']];
}

static bool currency_fits(struct stripe_call *call, const char *currency, char lower[4])
{
    char upper[4] = "";

    for (size_t i = 0; i < 3 && currency[i] != '\0'; i++) {
        upper[i] = with_case(currency[i], 'a', 'A');
        lower[i] = with_case(currency[i], 'A', 'a');
        lower[i + 1] = '\0';
    }
    if (strlen(currency) == 3 && currency_known(upper, NULL))
        return true;
    stripe_refuse(call, 400, NULL, "currency", "Invalid currency: %s.", currency);
    return false;
}

static bool amount_fits(struct stripe_call *call, int64_t amount, const char *currency)
{
    if (amount < 1)
        stripe_refuse(call, 400, "parameter_invalid_integer", "amount",
                      "This value must be greater than or equal to 1.");
    else if (amount > AMOUNT_MAX)
        stripe_refuse(call, 400, "amount_too_large", "amount",
                      "Amount must be no more than 99999999 minor units");
    else if ((word_in(currency, WHOLE_UNITS_ONLY) && amount % 100 != 0) ||
             (word_in(currency, TENS_ONLY) && amount % 10 != 0))
        stripe_refuse(call, 400, NULL, "amount",
                      "Invalid amount: %" PRId64 " is not what %s can be charged in", amount,
                      currency);
    else if (amount < least_amount(currency))
        stripe_refuse(call, 400, "amount_too_small", "amount",
                      "Amount must be at least %" PRId64 " minor units of %s",
                      least_amount(currency), currency);
    else
        return true;
    return false;
}

bool param_money(struct stripe_call *call, int64_t *amount, const char **currency)
{
    const char *given = param_text(call, "currency");
    char lower[4] = "";

    if (!param_is_given(call, "amount") || given == NULL) {
        stripe_missing(call, given == NULL ? "currency" : "amount");
        return false;
    }
    *amount = 0;
    if (!param_integer(call, "amount", amount) || !currency_fits(call, given, lower) ||
        !amount_fits(call, *amount, lower))
        return false;
    *currency = arena_strdup(call->arena, lower);
    return true;
}
