/*
 * Watching through libdues, and events that nothing but SQL made.
 */
#pragma once

#include "support/rpc_payment.h"

typedef Dues__Payment__V1__Event Event;
typedef Dues__Payment__V1__WatchEventsResponse EventsTold;
typedef Dues__Payment__V1__WatchPaymentsResponse ChangesTold;

/* Enough for a busy machine; waiting ends as soon as there is something. */
#define EVENT_PATIENCE_MS 20000

struct watch_wish {
    struct rpc_as as;
    const char *method; /* "WatchEvents" */
    const char *parent;
    const char *cursor; /* NULL: none */
    bool from_now;
    bool once; /* does not come back by itself */
};

struct dues_stream *watch(struct rpc_fixture *f, const struct watch_wish *wish);

/* WatchEvents by service-billing, which does not come back by itself. */
struct dues_stream *watch_events_of(struct rpc_fixture *f, const char *customer,
                                    const char *cursor);

/* What a reader has found: the numbers must be 1, 2, 3 … after `last`. */
struct reading {
    int64_t last;
    bool has_gap;
    char cursor[64]; /* of the last event */
};

void reading_take(struct reading *reading, const EventsTold *told);

/* Until number `until` has come; false when it does not. */
bool read_until(struct dues_stream *stream, struct reading *reading, int64_t until);

/* The end of the stream, whatever it tells before; NULL when it does not end. */
const struct dues_answer *await_end(struct dues_stream *stream);

/* The value of ErrorInfo's metadata; "" when it is not there. */
const char *metadata_of(const struct dues_answer *answer, const char *key);

/* As another server writes them: rows of type membership.renewed. */
void given_events(struct rpc_fixture *f, const char *customer, int count);

/* The number of the last one. */
int64_t last_event_of(struct rpc_fixture *f, const char *customer);

const struct dues_answer *ask_events(struct rpc_fixture *f, struct rpc_as as, const char *parent,
                                     int32_t page_size, const char *page_token, const char *cursor);
