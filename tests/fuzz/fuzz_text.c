/*
 * The small texts: times, amounts, ids, names, filters, encodings.  What is read and written again
 * is the same.
 */
#include <jansson.h>

#include "base/check.h"
#include "base/id.h"
#include "base/money.h"
#include "base/text.h"
#include "base/time.h"
#include "fuzz/context.h"
#include "fuzz/fuzz.h"
#include "payment/payment_internal.h"

static void try_time(const char *text)
{
    char formatted[TIME_TEXT_SIZE];
    int64_t time_us;
    int64_t again_us;

    if (!time_parse(text, &time_us))
        return;
    if (time_us < TIME_US_MIN || time_us > TIME_US_MAX)
        bug("'%s' is out of range", text);
    time_format(time_us, formatted);
    if (!time_parse(formatted, &again_us) || again_us != time_us)
        bug("'%s' becomes '%s'", text, formatted);
}

static void try_money(const uint8_t *data, size_t size)
{
    char text[MONEY_TEXT_SIZE];
    char code[4] = "";
    int64_t numbers[3] = {0};

    if (size < sizeof numbers + 3)
        return;
    memcpy(numbers, data, sizeof numbers);
    memcpy(code, data + sizeof numbers, 3);
    if (currency_known(code, NULL))
        money_format(money_make(code, numbers[0]), text);
    int64_t price = numbers[0] % MONEY_MINOR_UNITS_MAX;
    int64_t period_us = numbers[2] % (400 * US_PER_DAY);
    if (price < 0 || period_us <= 0)
        return;
    int64_t elapsed_us = (numbers[1] & INT64_MAX) % (period_us + 1);
    int64_t share = money_share(price, elapsed_us, period_us);
    if (share < 0 || share > price || money_share(price, period_us, period_us) != price)
        bug("a share of %lld out of %lld", (long long)share, (long long)price);
}

static void try_names(struct arena *arena, const char *text)
{
    char formatted[UUID_TEXT_LENGTH + 1];
    struct uuid ids[2];

    if (uuid_parse(text, &ids[0])) {
        uuid_format(ids[0], formatted);
        if (!text_equal(formatted, text))
            bug("'%s' is not canonical", text);
    }
    if (name_parse("customers/{}/payments/{}", text, ids, 2) &&
        !text_equal(name_make(arena, "customers/{}/payments/{}", ids), text))
        bug("'%s' is another name", text);
}

static void try_encodings(struct arena *arena, const char *text, const uint8_t *data, size_t size)
{
    size_t decoded_size = 0;
    const uint8_t *decoded = base64url_decode(arena, text, strlen(text), &decoded_size);

    if (decoded != NULL && !text_equal(base64url_encode(arena, decoded, decoded_size), text))
        bug("'%s' is not canonical base64url", text);
    const char *encoded = base64url_encode(arena, data, size);
    decoded = base64url_decode(arena, encoded, strlen(encoded), &decoded_size);
    if (decoded == NULL || decoded_size != size || (size > 0 && memcmp(decoded, data, size) != 0))
        bug("bytes change in base64url");

    json_t *json = json_loads(json_quote(arena, text), JSON_DECODE_ANY, NULL);
    if (json == NULL)
        bug("a quoted text is no JSON");
    if (text_is_utf8(text, strlen(text)) && !text_equal(json_string_value(json), text))
        bug("a text changes in JSON");
    json_decref(json);
}

static void try_fields(struct arena *arena, const char *text)
{
    struct call call = {.arena = arena, .method = "/fuzz"};
    struct field_errors errors = {.call = &call};
    struct payment_filter filter;
    const char *id;

    check_text(&errors, "text", text, 1, 64);
    check_token(&errors, "token", text, 1, 64);
    check_email(&errors, "email", text);
    check_catalogue_name(&errors, "name", text, "plans", &id);
    const struct error *error = field_errors_result(&errors);
    if ((error == NULL) != (errors.count == 0))
        bug("%zu fields are wrong and that is not said", errors.count);
    (void)text_has_card_number(text);
    error = payment_filter_parse(&call, text, &filter);
    if (error != NULL && error->reason == NULL)
        bug("a filter is refused without a reason");
}

int fuzz_one(const uint8_t *data, size_t size)
{
    struct arena *arena = fuzz_arena();
    const char *text = arena_strndup(arena, (const char *)data, size);

    try_time(text);
    try_money(data, size);
    try_names(arena, text);
    try_encodings(arena, text, data, size);
    if (text_is_utf8(text, strlen(text)))
        try_fields(arena, text);
    return 0;
}
