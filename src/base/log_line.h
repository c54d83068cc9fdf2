/*
 * One log line as text.  Used by base/log.c alone.
 */
#pragma once

#include "base/log.h"

#define LOG_KEY_LENGTH_MAX 64

/* Room for every field at its longest: key, quotes, colon, comma, value. */
#define LOG_LINE_SIZE ((LOG_FIELDS_MAX + 4) * (LOG_VALUE_LENGTH_MAX + LOG_KEY_LENGTH_MAX + 16))

struct log_line {
    size_t length;
    char text[LOG_LINE_SIZE]; /* ends in a line feed, not in a NUL */
};

/* What is said in one line; at most LOG_FIELDS_MAX fields, those without a key left out. */
struct log_event {
    int64_t time_us;
    enum log_level level;
    const char *name;
    const struct log_field *fields;
    size_t field_count;
};

/* {"time":"…","level":"…","event":"…", fields…} */
void log_line_json(struct log_line *line, const struct log_event *event);

/* "2026-11-22T10:11:12.123456Z warning call method=/dues… code=UNAVAILABLE us=1234" */
void log_line_plain(struct log_line *line, const struct log_event *event);
