/*
 * What all streams do: a fiber that parks on a batch and reads like a loop, and a tick that looks
 * after them.  What those of a row may do besides is in server_stream.c.
 *
 * These fibers start on the poller thread and only the poller resumes them, so they need no lock:
 * a batch may be started before the fiber parks, because its event waits for this very thread.
 */

#include <grpc/byte_buffer.h>

#include "base/settings.h"
#include "base/text.h"
#include "rpc/internal.h"
#include "rpc/status.h"

static void stay(struct fiber *self, void *argument)
{
    (void)self;
    (void)argument;
}

static void on_batch(struct rpc_call *call, bool success)
{
    if (call->batch_left) {
        rpc_call_unref(call);
        return;
    }
    call->batch_worked = success;
    fiber_resume(call->parked);
}

void rpc_stream_leave_batch(struct rpc_call *call)
{
    atomic_fetch_add_explicit(&call->references, 1, memory_order_relaxed);
    call->batch_left = true;
    call->batch_worked = false;
    fiber_resume(call->parked);
}

static bool run_batch(struct rpc_call *call, const grpc_op *ops, size_t count)
{
    call->batch_done = (struct rpc_event){on_batch, call};
    call->parked = fiber_current();
    if (grpc_call_start_batch(call->handle, ops, count, &call->batch_done, NULL) != GRPC_CALL_OK)
        return false;
    call->batch_since_us = clock_monotonic_us(call->server->house->clock);
    fiber_park(stay, NULL);
    call->batch_since_us = 0;
    return call->batch_worked;
}

bool rpc_stream_send(struct rpc_call *call, const ProtobufCMessage *message)
{
    grpc_metadata headers = rpc_trace_header(call->call.trace);
    grpc_byte_buffer *buffer = rpc_buffer_pack(message);
    const grpc_op ops[] = {
        {.op = GRPC_OP_SEND_MESSAGE, .data.send_message.send_message = buffer},
        {.op = GRPC_OP_SEND_INITIAL_METADATA,
         .data.send_initial_metadata = {.count = 1, .metadata = &headers}},
    };

    bool worked = run_batch(call, ops, call->headers_sent ? 1 : 2);
    call->headers_sent = true;
    grpc_byte_buffer_destroy(buffer);
    grpc_slice_unref(headers.value);
    return worked;
}

static void release_buffer(grpc_byte_buffer **buffer)
{
    if (*buffer != NULL)
        grpc_byte_buffer_destroy(*buffer);
}

const struct error *rpc_stream_receive(struct rpc_call *call, struct call *into,
                                       ProtobufCMessage **message)
{
    AUTO(release_buffer) grpc_byte_buffer *payload = NULL;
    const grpc_op op = {.op = GRPC_OP_RECV_MESSAGE, .data.recv_message.recv_message = &payload};

    *message = NULL;
    call->reads = true;
    bool worked = run_batch(call, &op, 1);
    call->reads = false;
    if (!worked || payload == NULL)
        return NULL;
    return rpc_decode_payload(into, call->route->input, payload, false, message);
}

void rpc_stream_wait(struct rpc_call *call)
{
    if (atomic_load_explicit(&call->client_gone, memory_order_acquire))
        return;
    call->parked = fiber_current();
    call->parked_for_tick = true;
    fiber_park(stay, NULL);
}

/* One certificate is in every copy of an app, and a device is one person. */
static int most_of(const struct rpc_call *call)
{
    const struct settings *settings = call->server->house->settings;

    if ((call->call.caller.kind & (CALLER_SERVICE | CALLER_OPERATOR)) != 0)
        return settings->streams_per_caller_max;
    return STREAMS_OF_AN_APP_MAX;
}

bool rpc_stream_is_one_too_many(const struct rpc_call *call)
{
    struct rpc_server *server = call->server;
    int of_caller = 0;

    if (server->stream_count >= server->house->settings->streams_max)
        return true;
    pthread_mutex_lock(&server->mutex);
    for (const struct rpc_call *other = server->living; other != NULL; other = other->next)
        of_caller += other != call && rpc_call_is_stream(other) &&
                     !atomic_load_explicit(&other->answer_taken, memory_order_relaxed) &&
                     text_equal(other->call.caller.spiffe_id, call->call.caller.spiffe_id);
    pthread_mutex_unlock(&server->mutex);
    return of_caller >= most_of(call);
}

/* The client says nothing, or does not read, for longer than a call may usually take. */
static bool is_idle(const struct rpc_call *call, int64_t now_us)
{
    return call->batch_since_us != 0 &&
           now_us - call->batch_since_us >=
               call->server->house->settings->deadline_default_ms * US_PER_MS;
}

/* One that reads may hear nothing for ever; one that writes has a moment to be read. */
static bool holds_up_stop(const struct rpc_call *call, int64_t now_us)
{
    return call->reads || now_us - call->batch_since_us >= STOPPING_ANSWER_US;
}

static void tick(struct rpc_call *call, bool draining, int64_t now_us)
{
    if (call->parked_for_tick) {
        call->parked_for_tick = false;
        fiber_resume(call->parked);
    } else if (draining && holds_up_stop(call, now_us)) {
        grpc_call_cancel_with_status(call->handle, GRPC_STATUS_UNAVAILABLE,
                                     "server is shutting down", NULL);
    } else if (is_idle(call, now_us)) {
        call->batch_since_us = 0;
        grpc_call_cancel_with_status(call->handle, GRPC_STATUS_DEADLINE_EXCEEDED, "stream was idle",
                                     NULL);
    } else if (!call->cut && rpc_identify_again(call) != NULL) {
        call->cut = true;
        grpc_call_cancel_with_status(call->handle, GRPC_STATUS_UNAUTHENTICATED,
                                     "client certificate is not accepted any more", NULL);
    }
}

/*
 * Wakes those who wait, and cancels those who would hold up a server that drains.  This thread
 * alone ends streams, so none but the resumed one can be gone.
 */
void rpc_streams_tick(struct rpc_server *server)
{
    size_t most = (size_t)server->stream_count;
    size_t count = 0;
    bool draining = atomic_load_explicit(&server->draining, memory_order_acquire);
    int64_t now_us = clock_monotonic_us(server->house->clock);

    if (most == 0)
        return;
    pthread_mutex_lock(&server->mutex);
    for (struct rpc_call *call = server->living; call != NULL && count < most; call = call->next) {
        if (call->has_stream_fiber)
            server->streams[count++] = call;
    }
    pthread_mutex_unlock(&server->mutex);
    for (size_t i = 0; i < count; i++) {
        if (server->streams[i]->route->converse != NULL)
            tick(server->streams[i], draining, now_us);
        else
            rpc_server_stream_tick(server->streams[i], draining, now_us);
    }
}
