/*
 * Log lines: one JSON object a line, on the descriptor given at start.
 *
 * Whoever writes a line only leaves it in a queue; a thread of the log's own makes it text and
 * writes it, a millisecond later at most while there is much to write.  So a slow disk or reader
 * stops nobody before the queue is full, and a process that is killed loses what is queued: what
 * must not be lost is in the database.
 *
 * Only rpc/dispatch.c (a call), jobs/ (an obligation) and main.c (the process) write here.  Nothing
 * that is secret has a formatter; a value that could be a card number is replaced before writing.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/time.h"

enum log_format { LOG_JSON, LOG_PLAIN };
enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARNING, LOG_ERROR };

#define LOG_FIELDS_MAX       32
#define LOG_VALUE_LENGTH_MAX 1024 /* longer ones are cut, and end in "…" */
#define LOG_QUEUE_SIZE       ((size_t)256 * 1024)

struct log_field {
    const char *key;  /* a literal; NULL: the field is left out */
    const char *text; /* NULL: `number` is meant */
    int64_t number;
};

struct log;

/* `descriptor` stays the caller's. */
struct log *log_open(int descriptor, enum log_level least, const struct clock *clock);

/* LOG_PLAIN is for people: time, level, event, then key=value. */
void log_set_format(struct log *log, enum log_format format);

/* Returns when all that was written before is with the descriptor.  Any thread; NULL is allowed. */
void log_flush(struct log *log);

/* Flushes and frees, when nobody writes any more.  NULL is allowed. */
void log_close(struct log *log);

/*
 * {"time":"…","level":"…","event":"…", fields…}.  Copies the texts it is given; `event` and the
 * keys are literals.  Safe from any thread; never fails; waits only while LOG_QUEUE_SIZE bytes are
 * not yet written.  NULL is allowed.
 */
void log_write(struct log *log, enum log_level level, const char *event,
               const struct log_field *fields, size_t field_count);

/* NULL is written as "". */
static inline struct log_field log_field_text(const char *key, const char *text)
{
    return (struct log_field){.key = key, .text = text != NULL ? text : ""};
}

/* Nothing at all for "" and NULL. */
static inline struct log_field log_field_some(const char *key, const char *text)
{
    bool is_there = text != NULL && text[0] != '\0';

    return (struct log_field){.key = is_there ? key : NULL, .text = text};
}

#define LOG_SOME(name, value)   log_field_some((name), (value))
#define LOG_TEXT(name, value)   log_field_text((name), (value))
#define LOG_NUMBER(name, value) ((struct log_field){.key = (name), .number = (value)})
#define LOG_FIELDS(...)                                                                            \
    (const struct log_field[]){__VA_ARGS__},                                                       \
        sizeof((const struct log_field[]){__VA_ARGS__}) / sizeof(struct log_field)
