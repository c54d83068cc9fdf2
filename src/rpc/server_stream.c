/*
 * Streams of rows: what a handler's stream_send and stream_wait do, and when they end.
 *
 * A fiber that waits is resumed by whoever takes `waiting` from it: the tick, its client's leaving,
 * or what it waits for, on any thread.  It is queued at the poller and never run on top of whoever
 * wakes it.
 *
 * A client that does not read: gRPC takes one message from us and no more until that has fitted
 * into the client's window.  When that lasts too long the fiber ends, and its error waits behind
 * that message until the client reads, or is cut as every answer that nobody takes.
 */

#include <inttypes.h>
#include <stddef.h>

#include "base/settings.h"
#include "rpc/internal.h"

/* How often a stream's caller is looked at again. */
#define CHECK_US US_PER_SECOND
/* For what is found out about it. */
#define CHECK_ARENA_SIZE (64 * 1024)
/* Those whom this server sends away come back to another one, or to its successor. */
#define COME_BACK_MS 200

static struct rpc_call *call_of(struct stream *stream)
{
    return (struct rpc_call *)(void *)((char *)stream - offsetof(struct rpc_call, stream));
}

static const struct error *check_caller(struct rpc_call *call)
{
    TRY(rpc_identify_again(call));
    AUTO(arena_auto_free) struct arena *arena = arena_new(CHECK_ARENA_SIZE);
    const struct error *error = rpc_authorise_again(call, arena);
    return error == NULL ? NULL : error_copy(call->call.arena, error);
}

const struct error *rpc_server_stream_check(struct rpc_call *rpc)
{
    struct call *call = &rpc->call;
    int64_t now_us = clock_monotonic_us(call->house->clock);

    if (atomic_load_explicit(&rpc->client_gone, memory_order_acquire))
        return refuse(call, STATUS_CANCELLED, "CANCELLED", "client has left");
    if (rpc->is_slow)
        return refuse(call, STATUS_RESOURCE_EXHAUSTED, "SLOW_READER",
                      "client has not taken a message for %" PRId64 " ms",
                      call->house->settings->stream_stall_ms);
    if (atomic_load_explicit(&rpc->server->draining, memory_order_acquire))
        return error_retry(refuse(call, STATUS_UNAVAILABLE, "SERVER_STOPPING",
                                  "server stops: go on elsewhere, after the cursor"),
                           COME_BACK_MS);
    if (now_us >= rpc->answer_by_us)
        return refuse(call, STATUS_DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED",
                      "deadline of the stream has passed");
    if (now_us - rpc->checked_us < CHECK_US)
        return NULL;
    rpc->checked_us = now_us;
    return check_caller(rpc);
}

static const struct error *send(struct stream *stream, const struct ProtobufCMessage *message)
{
    struct rpc_call *call = call_of(stream);

    TRY(rpc_server_stream_check(call));
    if (rpc_stream_send(call, message)) {
        call->sent++;
        atomic_fetch_add_explicit(&call->server->counts.stream_messages, 1, memory_order_relaxed);
        return NULL;
    }
    TRY(rpc_server_stream_check(call));
    return refuse(&call->call, STATUS_CANCELLED, "CANCELLED", "client has left");
}

/* Its stack has been left: from now on it may be resumed. */
static void let_wait(struct fiber *self, void *argument)
{
    struct rpc_call *call = argument;

    atomic_store(&call->waiting, true);
    if (atomic_load(&call->woken) && atomic_exchange(&call->waiting, false))
        fiber_resume_soon(self);
}

static void wake(struct stream *stream)
{
    struct rpc_call *call = call_of(stream);

    atomic_store(&call->woken, true);
    if (atomic_exchange(&call->waiting, false))
        fiber_resume_soon(call->parked);
}

static const struct error *wait_for_news(struct stream *stream, int64_t at_most_us)
{
    struct rpc_call *call = call_of(stream);
    const struct clock *clock = call->server->house->clock;

    TRY(rpc_server_stream_check(call));
    call->wait_until_us = clock_monotonic_us(clock) + at_most_us;
    for (;;) {
        call->parked = fiber_current();
        if (!atomic_load(&call->woken))
            fiber_park(let_wait, call);
        bool woken = atomic_exchange(&call->woken, false);
        TRY(rpc_server_stream_check(call));
        if (woken || clock_monotonic_us(clock) >= call->wait_until_us)
            return NULL;
    }
}

const struct stream_ways rpc_stream_ways = {.send = send, .wait = wait_for_news, .wake = wake};

/* A message that fits is on its way in a moment: what is left behind is sent all the same. */
static void tick_sending(struct rpc_call *call, bool must_end, int64_t now_us)
{
    int64_t stall_us = call->server->house->settings->stream_stall_ms * US_PER_MS;

    call->is_slow = now_us - call->batch_since_us >= stall_us;
    if (!call->is_slow && !must_end)
        return;
    if (call->is_slow)
        atomic_fetch_add_explicit(&call->server->counts.slow_readers, 1, memory_order_relaxed);
    rpc_stream_leave_batch(call);
}

void rpc_server_stream_tick(struct rpc_call *call, bool draining, int64_t now_us)
{
    bool must_end = draining || now_us >= call->answer_by_us;

    if (call->batch_since_us != 0)
        tick_sending(call, must_end, now_us);
    else if ((must_end || now_us >= call->wait_until_us || now_us - call->checked_us >= CHECK_US) &&
             atomic_exchange(&call->waiting, false))
        fiber_resume_soon(call->parked);
}

const struct error *rpc_server_stream_error(struct rpc_call *call, const struct error *error)
{
    struct arena *arena = call->call.arena;

    if (error == NULL || call->stream.cursor[0] == '\0')
        return error;
    return error_with(arena, error_copy(arena, error), "cursor", "%s", call->stream.cursor);
}
