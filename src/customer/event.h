/*
 * Events: what happened to a customer, numbered 1, 2, 3 … without gaps by the steps themselves, in
 * the commit of what happened (SQL event_append).  A number that can be read has all lower ones
 * before it: a customer's steps are one after the other.
 */
#pragma once

#include "pg/pg.h"

/* One pair of the event's data: "amount" = "999". */
struct event_datum {
    const char *key;
    const char *value;
};

struct event {
    int64_t sequence;
    const char *type; /* "payment.succeeded" */
    struct uuid subject;
    struct event_datum *data; /* by key */
    size_t data_count;
    int64_t create_time_us;
};

/* "" when the event does not say. */
const char *event_datum(const struct event *event, const char *key);

/* Is `word` what events of the type are about: "payment" of "payment.succeeded"? */
bool event_is_about(const char *type, const char *word);

/*
 * The resource name of what an event is about; "" for a type of a later version.  `payment`: that
 * the event's data name, UUID_NIL when none.
 */
char *event_subject_name(struct arena *arena, const char *type, struct uuid customer,
                         struct uuid subject, struct uuid payment);

/* How many there are, which is the number of the last.  Fails with NOT_FOUND / CUSTOMER_NOT_FOUND.
 */
const struct error *event_head(struct call *call, struct uuid customer, int64_t *head) MUST_CHECK;

/* The first `limit` after number `after`, in order. */
const struct error *event_list(struct call *call, struct uuid customer, int64_t after,
                               int64_t limit, struct event **events, size_t *count) MUST_CHECK;

/*
 * Cursors: where a reader of a customer's events stands.  Clients keep them for as long as they
 * like, so nothing in them depends on a key that may be changed: they hold the customer, the number
 * and a check against damage.  There is nothing to forge, since whoever may read the customer's
 * events may read them from any number on.
 */
#define EVENT_CURSOR_LENGTH_MAX 63

const char *event_cursor_make(struct arena *arena, struct uuid customer, int64_t sequence);

/*
 * The number after which to go on.  Fails with INVALID_ARGUMENT / CURSOR_INVALID for what is not a
 * cursor of this customer, and with OUT_OF_RANGE / CURSOR_AHEAD for one beyond `head`: the events
 * that its owner has seen are not in this database.
 */
const struct error *event_cursor_read(struct call *call, struct uuid customer, const char *cursor,
                                      int64_t head, int64_t *after) MUST_CHECK;

extern const struct pg_statement event_head_statement, event_list_statement;
