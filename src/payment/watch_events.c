/*
 * WatchEvents: what happened to a customer, and what happens from then on.
 */

#include "payment/payment_internal.h"

#include "dues/payment/v1/payment_service.pb-c.h"
#include "payment/event_proto.h"
#include "payment/event_stream.h"

static const struct ProtobufCMessage *tell(struct arena *arena, struct uuid customer,
                                           const struct event *events, size_t count, char *cursor,
                                           size_t *told)
{
    Dues__Payment__V1__WatchEventsResponse *message = arena_alloc(arena, sizeof *message);

    dues__payment__v1__watch_events_response__init(message);
    message->events = events_to_proto(arena, customer, events, count);
    message->n_events = *told = count;
    message->cursor = cursor;
    return &message->base;
}

const struct error *watch_events(struct call *call, const void *request, struct stream *stream)
{
    const Dues__Payment__V1__WatchEventsRequest *req = request;
    const struct event_stream_wish wish = {
        .parent = req->parent,
        .cursor = req->cursor,
        .from_now = req->from_now != 0,
        .tell = tell,
    };

    return event_stream_run(call, stream, &wish);
}
