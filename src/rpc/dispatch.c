/*
 * What happens to every call, in this order: who is it, may it, what does it ask, the handler, the
 * answer, one log line.  Nobody else in the house logs a call's error.
 */

#include "base/settings.h"
#include "rpc/internal.h"

/* What a shed client is told to wait. */
#define OVERLOAD_RETRY_MS 1000

static const struct error *check_sandbox(struct rpc_call *rpc)
{
    if (!rpc->route->method->sandbox_only || rpc->call.house->settings->sandbox)
        return NULL;
    return refuse(&rpc->call, STATUS_UNIMPLEMENTED, "SANDBOX_OFF",
                  "method belongs to the sandbox, which is off on this server");
}

static const struct error *run(struct rpc_call *rpc, grpc_byte_buffer **packed)
{
    struct call *call = &rpc->call;
    const struct rpc_route *route = rpc->route;
    ProtobufCMessage *request;

    TRY(rpc_identify(rpc));
    TRY(check_sandbox(rpc));
    TRY(rpc_authorise(rpc));
    TRY(rpc_decode(rpc, &request));

    ProtobufCMessage *reply = arena_alloc(call->arena, route->output->sizeof_message);
    route->output->message_init(reply);
    TRY(route->method->handler(call, request, reply));

    *packed = rpc_reply_pack(call, reply);
    if (*packed != NULL)
        return NULL;
    return error_cause(call->arena, refuse(call, STATUS_INTERNAL, "INTERNAL", "internal error"),
                       "reply of %zu bytes is over the limit",
                       protobuf_c_message_get_packed_size(reply));
}

/* The deadline answered while the handler was at work; what it did stays done. */
static const struct error *too_late(struct call *call, const struct error *error)
{
    return error_cause(call->arena,
                       refuse(call, STATUS_DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED",
                              "deadline passed before the answer was ready"),
                       "the handler ended later with %s: %s",
                       status_name(error == NULL ? STATUS_OK : error->status),
                       error == NULL          ? "ok"
                       : error->cause != NULL ? error->cause
                                              : error->message);
}

void rpc_serve_unary(void *argument)
{
    struct rpc_call *call = argument;
    grpc_byte_buffer *reply = NULL;
    const struct error *error = run(call, &reply);

    if (!rpc_answer_take(call)) {
        rpc_call_log(call, too_late(&call->call, error));
        grpc_byte_buffer_destroy(reply);
    } else {
        rpc_call_log(call, error);
        if (error == NULL)
            rpc_answer_reply(call, reply);
        else
            rpc_answer_error(call, error, call->call.arena);
    }
    rpc_call_unref(call);
}

static const struct error *run_stream(struct rpc_call *call)
{
    TRY(rpc_identify(call));
    TRY(rpc_authorise(call));
    return call->route->stream(call);
}

void rpc_serve_stream(void *argument)
{
    struct rpc_call *call = argument;

    call->server->stream_count++;
    const struct error *error = run_stream(call);
    call->server->stream_count--;
    rpc_call_log(call, error);
    rpc_answer_take(call); /* nobody else answers a stream */
    rpc_answer_error(call, error, call->call.arena);
    rpc_call_unref(call);
}

/* Without a fiber: nothing here waits. */
static void refuse_at_once(struct rpc_call *call, const struct error *error)
{
    atomic_store_explicit(&call->answer_taken, true, memory_order_release);
    rpc_call_log(call, error);
    rpc_answer_error(call, error, call->call.arena);
    rpc_call_unref(call);
}

void rpc_refuse_unknown(struct rpc_call *call)
{
    const struct error *invalid = rpc_identify(call);

    if (invalid != NULL) {
        refuse_at_once(call, invalid);
        return;
    }
    refuse_at_once(call, error_with(call->call.arena,
                                    refuse(&call->call, STATUS_UNIMPLEMENTED, "METHOD_UNKNOWN",
                                           "no such method: '%s'", call->call.method),
                                    "method", "%s", call->call.method));
}

void rpc_refuse_overload(struct rpc_call *call)
{
    refuse_at_once(call, error_retry(refuse(&call->call, STATUS_RESOURCE_EXHAUSTED, "OVERLOADED",
                                            "server has more to do than it accepts at once"),
                                     OVERLOAD_RETRY_MS));
}
