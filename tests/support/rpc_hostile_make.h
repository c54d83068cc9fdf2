/*
 * What the makers of hostile values share.
 */
#pragma once

#include "support/rpc_hostile.h"

#define TEXT(what, value, says)                                                                    \
    (struct hostile_value)                                                                         \
    {                                                                                              \
        .label = (what), .bytes = (value), .size = sizeof(value) - 1, .verdict = (says)            \
    }
#define NUMBER(what, value, says)                                                                  \
    (struct hostile_value)                                                                         \
    {                                                                                              \
        .label = (what), .number = (value), .verdict = (says)                                      \
    }

#define SQL_TEXT "x'; DROP TABLE dues.payment; --"
/* U+202E in octal, which ends after three digits. */
#define RTL_TEXT      "a\342\200\256b"
#define UNKNOWN_UUID  "018f0000-0000-7000-8000-000000000000"
#define INT32_LEAST   (-2147483648LL)
#define INT32_MOST    2147483647LL
#define TOO_LONG_SIZE 9000
#define LONG_MAX_SIZE 600

/* What a maker of values may need to know. */
struct place {
    const struct field_rule *rule;
    const struct rpc_method *method;
    const char *sample;
};

static inline void add(struct hostile_list *list, struct hostile_value value)
{
    if (list->count == HOSTILE_VALUES_MAX)
        abort();
    list->values[list->count++] = value;
}

/* `length` times 'a': longer texts are cuts of one. */
static inline void add_length(struct hostile_list *list, const char *label, size_t length,
                              enum hostile_verdict verdict)
{
    static char letters[TOO_LONG_SIZE];
    memset(letters, 'a', sizeof(letters));
    if (length > sizeof(letters))
        abort();
    add(list, (struct hostile_value){
                  .label = label, .bytes = letters, .size = length, .verdict = verdict});
}

static inline void add_status(struct hostile_list *list, struct hostile_value value,
                              enum status status, const char *reason)
{
    value.verdict = VERDICT_STATUS;
    value.status = status;
    value.reason = reason;
    add(list, value);
}

static inline struct hostile_value made(const char *label, const char *format, const char *sample,
                                        enum hostile_verdict verdict)
{
    static char store[8][LONG_MAX_SIZE];
    static size_t next;
    char *text = store[next++ % 8];
    const char *mark = strchr(format, '@');
    snprintf(text, LONG_MAX_SIZE, "%.*s%s%s", (int)(mark - format), format, sample, mark + 1);
    return (struct hostile_value){
        .label = label, .bytes = text, .size = strlen(text), .verdict = verdict};
}

typedef void maker(struct hostile_list *list, const struct place *place);

/* rpc_hostile_webhooks.c */
maker hostile_make_url, hostile_make_event_type, hostile_make_path, hostile_make_delivery;
