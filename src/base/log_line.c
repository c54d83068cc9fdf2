/*
 * Lines as text.  Nearly all that is ever logged stands for itself, so each value is looked through
 * for what does not before it is written letter by letter.
 */
#include "base/log_line.h"

#include <inttypes.h>

#include "base/bug.h"
#include "base/text.h"

#define CARD_NUMBER_REPLACEMENT "[removed: could be a card number]"
#define CUT_MARK                "…"
#define WORD_CHARACTERS         "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:/-+*@[]"

static const char *level_name(enum log_level level)
{
    switch (level) {
    case LOG_DEBUG:
        return "debug";
    case LOG_INFO:
        return "info";
    case LOG_WARNING:
        return "warning";
    case LOG_ERROR:
        return "error";
    }
    return "unknown";
}

static void put(struct log_line *line, const char *bytes, size_t size)
{
    if (size > sizeof line->text - line->length)
        bug("log: a line is longer than its fields can be");
    memcpy(line->text + line->length, bytes, size);
    line->length += size;
}

/* Is `text` longer than `length_max` bytes when it is escaped? */
static bool is_too_long(const char *text, size_t size, size_t length_max)
{
    char escaped[JSON_ESCAPE_SIZE];
    size_t length = 0;

    for (size_t i = 0; i < size && length <= length_max;) {
        i += json_escape(text + i, size - i, escaped);
        length += strlen(escaped);
    }
    return length > length_max;
}

/* How many bytes at the start of `text` stand for themselves in JSON, whatever their encoding. */
static size_t plain_length(const char *text)
{
    size_t length = 0;

    while (text[length] >= ' ' && text[length] <= '~' && text[length] != '"' &&
           text[length] != '\\')
        length++;
    return length;
}

/* `text` in quotes, escaped, at most `length_max` bytes between the quotes; a cut is marked. */
static void put_quoted(struct log_line *line, const char *text, size_t length_max)
{
    char escaped[JSON_ESCAPE_SIZE];
    size_t size = plain_length(text);
    size_t left = length_max;

    /* Nearly all that is ever logged. */
    if (text[size] == '\0' && size <= length_max) {
        put(line, "\"", 1);
        put(line, text, size);
        put(line, "\"", 1);
        return;
    }
    size = strlen(text);
    bool cut = is_too_long(text, size, length_max);
    if (cut)
        left -= strlen(CUT_MARK);
    put(line, "\"", 1);
    for (size_t i = 0; i < size;) {
        i += json_escape(text + i, size - i, escaped);
        size_t length = strlen(escaped);
        if (length > left)
            break;
        put(line, escaped, length);
        left -= length;
    }
    if (cut)
        put(line, CUT_MARK, strlen(CUT_MARK));
    put(line, "\"", 1);
}

static void put_text(struct log_line *line, const char *key, const char *text)
{
    put(line, line->length == 0 ? "{" : ",", 1);
    put_quoted(line, key, LOG_KEY_LENGTH_MAX);
    put(line, ":", 1);
    put_quoted(line, text_has_card_number(text) ? CARD_NUMBER_REPLACEMENT : text,
               LOG_VALUE_LENGTH_MAX);
}

static void put_number(struct log_line *line, const char *key, int64_t number)
{
    char digits[24];
    int length = snprintf(digits, sizeof digits, "%" PRId64, number);

    put(line, ",", 1);
    put_quoted(line, key, LOG_KEY_LENGTH_MAX);
    put(line, ":", 1);
    put(line, digits, (size_t)length);
}

/* A word stands for itself; anything else is quoted as in JSON, so that no text forges a field. */
static void put_value(struct log_line *line, const char *text)
{
    const char *safe = text_has_card_number(text) ? CARD_NUMBER_REPLACEMENT : text;
    size_t length = strspn(safe, WORD_CHARACTERS);

    if (length > 0 && safe[length] == '\0' && length <= LOG_VALUE_LENGTH_MAX)
        put(line, safe, length);
    else
        put_quoted(line, safe, LOG_VALUE_LENGTH_MAX);
}

void log_line_json(struct log_line *line, const struct log_event *event)
{
    char time[TIME_TEXT_SIZE];

    time_format(event->time_us, time);
    line->length = 0;
    put_text(line, "time", time);
    put_text(line, "level", level_name(event->level));
    put_text(line, "event", event->name);
    for (size_t i = 0; i < event->field_count && i < LOG_FIELDS_MAX; i++) {
        const struct log_field *field = &event->fields[i];
        if (field->key == NULL)
            continue;
        if (field->text != NULL)
            put_text(line, field->key, field->text);
        else
            put_number(line, field->key, field->number);
    }
    put(line, "}\n", 2);
}

void log_line_plain(struct log_line *line, const struct log_event *event)
{
    char time[TIME_TEXT_SIZE];
    char digits[24];

    time_format(event->time_us, time);
    line->length = 0;
    put(line, time, strlen(time));
    put(line, " ", 1);
    put(line, level_name(event->level), strlen(level_name(event->level)));
    put(line, " ", 1);
    put_value(line, event->name);
    for (size_t i = 0; i < event->field_count && i < LOG_FIELDS_MAX; i++) {
        const struct log_field *field = &event->fields[i];
        if (field->key == NULL)
            continue;
        put(line, " ", 1);
        put_value(line, field->key);
        put(line, "=", 1);
        if (field->text != NULL)
            put_value(line, field->text);
        else
            put(line, digits, (size_t)snprintf(digits, sizeof digits, "%" PRId64, field->number));
    }
    put(line, "\n", 1);
}
