/*
 * WatchPayments: each change of state of a customer's payments once, in order.  They are events of
 * the one sequence, so their cursors are too.
 */

#include "payment/payment_internal.h"

#include "dues/payment/v1/payment_service.pb-c.h"
#include "payment/event_proto.h"
#include "payment/event_stream.h"

static const struct ProtobufCMessage *tell(struct arena *arena, struct uuid customer,
                                           const struct event *events, size_t count, char *cursor,
                                           size_t *told)
{
    Dues__Payment__V1__WatchPaymentsResponse *message = arena_alloc(arena, sizeof *message);

    dues__payment__v1__watch_payments_response__init(message);
    message->changes = arena_array(arena, count + 1, sizeof *message->changes);
    for (size_t i = 0; i < count; i++) {
        Dues__Payment__V1__PaymentChange *change = arena_alloc(arena, sizeof *change);
        dues__payment__v1__payment_change__init(change);
        if (payment_change_to_proto(arena, customer, &events[i], change))
            message->changes[message->n_changes++] = change;
    }
    *told = message->n_changes;
    message->cursor = cursor;
    return &message->base;
}

const struct error *watch_payments(struct call *call, const void *request, struct stream *stream)
{
    const Dues__Payment__V1__WatchPaymentsRequest *req = request;
    const struct event_stream_wish wish = {
        .parent = req->parent,
        .cursor = req->cursor,
        .from_now = req->from_now != 0,
        .tell = tell,
    };

    return event_stream_run(call, stream, &wish);
}
