/*
 * Between a call's headers and its message: the call is ours already, so its deadline counts, but
 * it has no fiber and takes none of the places of running calls.
 *
 * As many calls may wait for their message as may run.  One more takes the place of the one that
 * has waited longest: messages come with their headers, so that is nobody who works.
 */

#include <grpc/byte_buffer.h>

#include "base/bug.h"
#include "base/settings.h"
#include "rpc/internal.h"

#define BYTES_OF_A_TOKEN 16384

void rpc_message_forget(struct rpc_call *call)
{
    struct rpc_server *server = call->server;

    if (!call->waits)
        return;
    call->waits = false;
    server->waiting_count--;
    if (call->waits_before != NULL)
        call->waits_before->waits_after = call->waits_after;
    else
        server->waiting_first = call->waits_after;
    if (call->waits_after != NULL)
        call->waits_after->waits_before = call->waits_before;
    else
        server->waiting_last = call->waits_before;
}

/* The one to give way, with its answer taken so that nothing else ends it; NULL: there is room. */
static struct rpc_call *append(struct rpc_call *call)
{
    struct rpc_server *server = call->server;
    struct rpc_call *oldest = NULL;

    pthread_mutex_lock(&server->mutex);
    if (server->waiting_count >= (size_t)server->house->settings->calls_max) {
        oldest = server->waiting_first;
        rpc_message_forget(oldest);
        rpc_answer_take(oldest);
    }
    call->waits = true;
    call->waits_before = server->waiting_last;
    if (call->waits_before != NULL)
        call->waits_before->waits_after = call;
    else
        server->waiting_first = call;
    server->waiting_last = call;
    server->waiting_count++;
    pthread_mutex_unlock(&server->mutex);
    return oldest;
}

/* A large message costs its caller as much as some calls. */
static const struct error *check(struct rpc_call *call, bool success)
{
    size_t size = call->payload == NULL ? 0 : grpc_byte_buffer_length(call->payload);

    if (!success)
        return refuse(&call->call, STATUS_CANCELLED, "CANCELLED",
                      "client left before its message was there");
    return size < BYTES_OF_A_TOKEN ? NULL : rpc_take_rate(call, (int64_t)(size / BYTES_OF_A_TOKEN));
}

void rpc_message_received(struct rpc_call *call, bool success)
{
    struct rpc_server *server = call->server;

    pthread_mutex_lock(&server->mutex);
    rpc_message_forget(call);
    pthread_mutex_unlock(&server->mutex);
    if (atomic_load_explicit(&call->answer_taken, memory_order_acquire)) {
        rpc_call_unref(call); /* its deadline has passed, or it gave way */
        return;
    }
    const struct error *error = check(call, success);
    if (error != NULL)
        rpc_refuse(call, error);
    else if (!rpc_call_run(call))
        rpc_refuse(
            call, rpc_overloaded(call, rpc_call_is_stream(call) ? REFUSED_STREAMS : REFUSED_CALLS));
}

void rpc_message_await(struct rpc_call *call)
{
    const grpc_op op = {.op = GRPC_OP_RECV_MESSAGE,
                        .data.recv_message.recv_message = &call->payload};
    struct rpc_call *oldest = append(call);

    if (oldest != NULL) {
        const struct error *error = rpc_overloaded(oldest, REFUSED_WAITING);
        rpc_count_call(oldest, error);
        rpc_refusal_log(oldest, error);
        rpc_answer_error(oldest, error, oldest->call.arena);
    }
    if (grpc_call_start_batch(call->handle, &op, 1, &call->received, NULL) != GRPC_CALL_OK)
        bug("rpc: a new call refuses its first batch");
}
