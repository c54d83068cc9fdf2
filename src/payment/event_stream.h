/*
 * What the streams over a customer's events have in common: the backlog page by page from the
 * database, then what is new as it comes.  Kept per stream is the position alone.
 */
#pragma once

#include "base/stream.h"
#include "customer/event.h"

struct ProtobufCMessage;

/* The fields of the request, and how a page is told. */
struct event_stream_wish {
    const char *parent;
    const char *cursor;
    bool from_now;

    /*
     * The message for a page, with the cursor behind its last event, in the round's arena; `*told`
     * says how much is in it.
     */
    const struct ProtobufCMessage *(*tell)(struct arena *arena, struct uuid customer,
                                           const struct event *events, size_t count, char *cursor,
                                           size_t *told);
};

/* Until the stream must end; see stream_send. */
const struct error *event_stream_run(struct call *call, struct stream *stream,
                                     const struct event_stream_wish *wish) MUST_CHECK;
