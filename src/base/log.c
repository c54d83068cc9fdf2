/*
 * Log lines.  A line is built whole in one buffer and leaves by one write(2), so that lines of
 * several threads and processes on one pipe or file do not mix.  Lines of one burst leave together,
 * as many as a pipe takes whole: a write(2) for each would be a fifth of what a short call costs.
 * Whatever is wrong with the descriptor, the caller goes on.
 */

#include "base/log.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <pthread.h>
#include <stdbool.h>
#include <unistd.h>

#include "base/bug.h"
#include "base/burst.h"
#include "base/text.h"

#define CARD_NUMBER_REPLACEMENT "[removed: could be a card number]"
#define CUT_MARK                "…"
#define KEY_LENGTH_MAX          64
#define WORD_CHARACTERS         "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:/-+*@[]"

/* Room for every field at its longest: key, quotes, colon, comma, value. */
#define LINE_SIZE ((LOG_FIELDS_MAX + 4) * (LOG_VALUE_LENGTH_MAX + KEY_LENGTH_MAX + 16))

struct log {
    int descriptor;
    enum log_level least;
    enum log_format format;
    const struct clock *clock;
    pthread_mutex_t lock; /* guards what is below; never held across an await */
    bool will_flush;      /* at the end of a burst */
    size_t line_at;       /* where the line that is being built begins; whole ones before it */
    size_t length;
    char lines[PIPE_BUF + LINE_SIZE];
};

struct log *log_open(int descriptor, enum log_level least, const struct clock *clock)
{
    struct log *log = calloc(1, sizeof *log);

    if (log == NULL)
        bug("log: out of memory");
    log->descriptor = descriptor;
    log->least = least;
    log->clock = clock;
    if (pthread_mutex_init(&log->lock, NULL) != 0)
        bug("log: cannot make a mutex");
    return log;
}

void log_set_format(struct log *log, enum log_format format)
{
    log->format = format;
}

void log_close(struct log *log)
{
    if (log == NULL)
        return;
    log_flush(log);
    pthread_mutex_destroy(&log->lock);
    free(log);
}

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

static void put(struct log *log, const char *bytes, size_t size)
{
    if (size > sizeof log->lines - log->length)
        bug("log: a line is longer than its fields can be");
    memcpy(log->lines + log->length, bytes, size);
    log->length += size;
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
static void put_quoted(struct log *log, const char *text, size_t length_max)
{
    char escaped[JSON_ESCAPE_SIZE];
    size_t size = plain_length(text);
    size_t left = length_max;

    /* Nearly all that is ever logged. */
    if (text[size] == '\0' && size <= length_max) {
        put(log, "\"", 1);
        put(log, text, size);
        put(log, "\"", 1);
        return;
    }
    size = strlen(text);
    bool cut = is_too_long(text, size, length_max);
    if (cut)
        left -= strlen(CUT_MARK);
    put(log, "\"", 1);
    for (size_t i = 0; i < size;) {
        i += json_escape(text + i, size - i, escaped);
        size_t length = strlen(escaped);
        if (length > left)
            break;
        put(log, escaped, length);
        left -= length;
    }
    if (cut)
        put(log, CUT_MARK, strlen(CUT_MARK));
    put(log, "\"", 1);
}

static void put_text(struct log *log, const char *key, const char *text)
{
    put(log, log->length == log->line_at ? "{" : ",", 1);
    put_quoted(log, key, KEY_LENGTH_MAX);
    put(log, ":", 1);
    put_quoted(log, text_has_card_number(text) ? CARD_NUMBER_REPLACEMENT : text,
               LOG_VALUE_LENGTH_MAX);
}

static void put_number(struct log *log, const char *key, int64_t number)
{
    char digits[24];
    int length = snprintf(digits, sizeof digits, "%" PRId64, number);

    put(log, ",", 1);
    put_quoted(log, key, KEY_LENGTH_MAX);
    put(log, ":", 1);
    put(log, digits, (size_t)length);
}

static void send_bytes(const struct log *log, const char *bytes, size_t size)
{
    /* More than one write only when the first was cut short by a signal or a full disk. */
    while (size > 0) {
        ssize_t sent = write(log->descriptor, bytes, size);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent <= 0)
            return;
        bytes += sent;
        size -= (size_t)sent;
    }
}

/* What is held, and a line that does not fit beside it by itself.  The lock is held. */
static void send_lines(struct log *log)
{
    size_t held = log->length > PIPE_BUF ? log->line_at : 0;

    send_bytes(log, log->lines, held);
    send_bytes(log, log->lines + held, log->length - held);
    log->length = 0;
}

void log_flush(struct log *log)
{
    pthread_mutex_lock(&log->lock);
    send_lines(log);
    pthread_mutex_unlock(&log->lock);
}

static void flush_at_end(void *arg)
{
    struct log *log = arg;

    pthread_mutex_lock(&log->lock);
    log->will_flush = false;
    pthread_mutex_unlock(&log->lock);
    log_flush(log);
}

/* May the line wait for others of its burst?  The lock is held. */
static bool may_wait(struct log *log, enum log_level level)
{
    if (level >= LOG_WARNING || log->length > PIPE_BUF)
        return false;
    if (!log->will_flush)
        log->will_flush = burst_defer(flush_at_end, log);
    return log->will_flush;
}

static void put_json(struct log *log, const char *time, enum log_level level, const char *event,
                     const struct log_field *fields, size_t field_count)
{
    put_text(log, "time", time);
    put_text(log, "level", level_name(level));
    put_text(log, "event", event);
    for (size_t i = 0; i < field_count && i < LOG_FIELDS_MAX; i++) {
        if (fields[i].key == NULL)
            continue;
        if (fields[i].text != NULL)
            put_text(log, fields[i].key, fields[i].text);
        else
            put_number(log, fields[i].key, fields[i].number);
    }
    put(log, "}\n", 2);
}

/* A word stands for itself; anything else is quoted as in JSON, so that no text forges a field. */
static void put_value(struct log *log, const char *text)
{
    const char *safe = text_has_card_number(text) ? CARD_NUMBER_REPLACEMENT : text;
    size_t length = strspn(safe, WORD_CHARACTERS);

    if (length > 0 && safe[length] == '\0' && length <= LOG_VALUE_LENGTH_MAX)
        put(log, safe, length);
    else
        put_quoted(log, safe, LOG_VALUE_LENGTH_MAX);
}

/* "2026-11-22T10:11:12.123456Z warning call method=/dues… code=UNAVAILABLE us=1234" */
static void put_plain(struct log *log, const char *time, enum log_level level, const char *event,
                      const struct log_field *fields, size_t field_count)
{
    char digits[24];

    put(log, time, strlen(time));
    put(log, " ", 1);
    put(log, level_name(level), strlen(level_name(level)));
    put(log, " ", 1);
    put_value(log, event);
    for (size_t i = 0; i < field_count && i < LOG_FIELDS_MAX; i++) {
        if (fields[i].key == NULL)
            continue;
        put(log, " ", 1);
        put_value(log, fields[i].key);
        put(log, "=", 1);
        if (fields[i].text != NULL)
            put_value(log, fields[i].text);
        else
            put(log, digits, (size_t)snprintf(digits, sizeof digits, "%" PRId64, fields[i].number));
    }
    put(log, "\n", 1);
}

void log_write(struct log *log, enum log_level level, const char *event,
               const struct log_field *fields, size_t field_count)
{
    char time[TIME_TEXT_SIZE];

    if (log == NULL || level < log->least)
        return;
    time_format(clock_wall_us(log->clock), time);

    pthread_mutex_lock(&log->lock);
    log->line_at = log->length;
    if (log->format == LOG_JSON)
        put_json(log, time, level, event, fields, field_count);
    else
        put_plain(log, time, level, event, fields, field_count);
    if (!may_wait(log, level))
        send_lines(log);
    pthread_mutex_unlock(&log->lock);
}
