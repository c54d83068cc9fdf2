/*
 * What happens to every call, in this order: who is it, has it called too often, is there room; may
 * it, what does it ask, the handler, the answer, one log line.  Nobody else in the house logs a
 * call's error.
 */

#include "base/fail_point.h"
#include "base/settings.h"
#include "base/text.h"
#include "pg/lanes.h"
#include "rpc/internal.h"
#include "rpc/throttle.h"

/* What a shed client is told to wait: another one for each, so that they do not come back at once.
 */
#define OVERLOAD_RETRY_MS     500
#define OVERLOAD_RETRY_SPREAD 1000

static const struct error *check_sandbox(struct rpc_call *rpc)
{
    if (!rpc->route->method->sandbox_only || rpc->call.house->settings->sandbox)
        return NULL;
    return refuse(&rpc->call, STATUS_UNIMPLEMENTED, "SANDBOX_OFF",
                  "method belongs to the sandbox, which is off on this server");
}

/* What comes before every handler. */
static const struct error *prepare(struct rpc_call *rpc, ProtobufCMessage **request)
{
    TRY(check_sandbox(rpc));
    TRY(rpc_authorise(rpc));
    TRY(rpc_decode(rpc, request));
    rpc_object_tell(&rpc->call, rpc->route->object, *request);
    return NULL;
}

static const struct error *run(struct rpc_call *rpc, grpc_byte_buffer **packed)
{
    struct call *call = &rpc->call;
    const struct rpc_route *route = rpc->route;
    ProtobufCMessage *request;

    TRY(prepare(rpc, &request));

    ProtobufCMessage *reply = arena_alloc(call->arena, route->output->sizeof_message);
    route->output->message_init(reply);
    TRY(FAIL_STEP(call, "rpc.handler", route->method->name,
                  route->method->handler(call, request, reply)));
    rpc_object_tell(call, route->made, reply);

    *packed = rpc_reply_pack(call, reply);
    if (*packed != NULL)
        return NULL;
    return error_cause(call->arena, refuse(call, STATUS_INTERNAL, "INTERNAL", "internal error"),
                       "reply of %zu bytes is over the limit",
                       protobuf_c_message_get_packed_size(reply));
}

const struct error *rpc_too_late(struct rpc_call *call, const char *cause)
{
    return error_cause(call->call.arena,
                       refuse(&call->call, STATUS_DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED",
                              "deadline passed before the answer was ready"),
                       "%s", cause);
}

/* The deadline answered while the handler was at work; what it did stays done. */
static const struct error *answered_already(struct rpc_call *call, const struct error *error)
{
    const char *why = error == NULL ? "ok" : error->cause != NULL ? error->cause : error->message;

    return rpc_too_late(call,
                        arena_printf(call->call.arena, "the handler ended later with %s: %s",
                                     status_name(error == NULL ? STATUS_OK : error->status), why));
}

void rpc_call_end(struct rpc_call *call, const struct error *error)
{
    rpc_count_call(call, error);
    rpc_call_log(call, error);
}

/* The answer may not be taken yet, but it holds no place of those who work. */
static void ended(struct rpc_call *call)
{
    if (!rpc_call_is_stream(call))
        atomic_fetch_sub_explicit(&call->server->running, 1, memory_order_relaxed);
    rpc_call_unref(call);
}

static void serve_unary(void *argument)
{
    struct rpc_call *call = argument;
    grpc_byte_buffer *reply = NULL;
    const struct error *error = run(call, &reply);

    FAIL_POINT("rpc.answer");
    if (!rpc_answer_take(call)) {
        rpc_call_end(call, answered_already(call, error));
        grpc_byte_buffer_destroy(reply);
    } else {
        rpc_call_end(call, error);
        if (error == NULL)
            rpc_answer_reply(call, reply);
        else
            rpc_answer_error(call, error, call->call.arena);
    }
    ended(call);
}

static const struct error *converse(struct rpc_call *call)
{
    TRY(rpc_authorise(call));
    return call->route->converse(call);
}

static const struct error *run_stream(struct rpc_call *rpc)
{
    ProtobufCMessage *request;

    TRY(prepare(rpc, &request));
    rpc->answer_by_us = rpc_stream_until_us(rpc);
    return rpc->route->method->stream(&rpc->call, request, &rpc->stream);
}

/* On the poller's thread, as all of it: the fiber's home. */
static void serve_stream(void *argument)
{
    struct rpc_call *call = argument;
    struct rpc_server *server = call->server;

    server->stream_count++;
    call->has_stream_fiber = true;
    const struct error *error = call->route->converse != NULL
                                    ? converse(call)
                                    : rpc_server_stream_error(call, run_stream(call));
    call->has_stream_fiber = false;
    server->stream_count--;
    rpc_call_end(call, error);
    rpc_answer_take(call); /* nobody else answers a stream */
    rpc_answer_error(call, error, call->call.arena);
    ended(call);
}

static bool run_call(struct rpc_call *call)
{
    struct rpc_server *server = call->server;
    size_t most = (size_t)server->house->settings->calls_max;

    /* There was room when its headers came; others may have begun while it waited. */
    if (atomic_fetch_add_explicit(&server->running, 1, memory_order_relaxed) < most &&
        fiber_start(server->house->fibers, serve_unary, call))
        return true;
    atomic_fetch_sub_explicit(&server->running, 1, memory_order_relaxed);
    return false;
}

bool rpc_call_run(struct rpc_call *call)
{
    struct rpc_server *server = call->server;

    if (!rpc_call_is_stream(call))
        return run_call(call);
    return server->stream_count < server->house->settings->streams_max &&
           fiber_start(server->house->fibers, serve_stream, call);
}

void rpc_refuse(struct rpc_call *call, const struct error *error)
{
    atomic_store_explicit(&call->answer_taken, true, memory_order_release);
    rpc_count_call(call, error);
    rpc_refusal_log(call, error);
    rpc_answer_error(call, error, call->call.arena);
    rpc_call_unref(call);
}

const struct error *rpc_overloaded(struct rpc_call *call, enum rpc_refusal why)
{
    int64_t nth = rpc_count_refusal(&call->server->counts, why);

    /* Steps of the golden ratio: however many are refused, they come back evenly spread. */
    return error_retry(refuse(&call->call, STATUS_RESOURCE_EXHAUSTED, "OVERLOADED",
                              "server has more to do than it accepts at once"),
                       OVERLOAD_RETRY_MS + nth * 618 % OVERLOAD_RETRY_SPREAD);
}

const struct error *rpc_take_rate(struct rpc_call *rpc, int64_t cost)
{
    struct rpc_server *server = rpc->server;

    if ((rpc->call.caller.kind & (CALLER_APP | CALLER_APP_USER)) != 0)
        rpc_peer_address(rpc); /* by which copies of an app are told apart */
    enum throttle_limit limit;
    int64_t wait_us = throttle_take(server->throttle, &rpc->call.caller, cost,
                                    clock_monotonic_us(server->house->clock), &limit);

    if (wait_us == 0)
        return NULL;
    rpc_count_refusal(&server->counts, REFUSED_RATE);
    return error_retry(refuse(&rpc->call, STATUS_RESOURCE_EXHAUSTED, "RATE_LIMITED",
                              limit == THROTTLE_SOURCE
                                  ? "caller's address has used up its share of the app's rate of "
                                    "calls"
                                  : "caller has used up its rate of calls"),
                       wait_us / US_PER_MS + 1);
}

static int64_t cost_of(const struct rpc_route *route)
{
    return route == NULL || route->method->cost == 0 ? 1 : route->method->cost;
}

static const struct error *check_room(struct rpc_call *rpc)
{
    struct rpc_server *server = rpc->server;

    if (atomic_load_explicit(&server->running, memory_order_relaxed) >=
        (size_t)server->house->settings->calls_max)
        return rpc_overloaded(rpc, REFUSED_CALLS);
    if (rpc->route->is_stream)
        return rpc_stream_is_one_too_many(rpc) ? rpc_overloaded(rpc, REFUSED_STREAMS) : NULL;
    if (rpc->route->method->no_database || server->house->pg == NULL ||
        admission_admits(&server->admission, pg_flow_read(server->house->pg).waiting))
        return NULL;
    return rpc_overloaded(rpc, REFUSED_DATABASE);
}

const struct error *rpc_admit(struct rpc_call *rpc)
{
    TRY(rpc_identify(rpc));
    TRY(rpc_take_rate(rpc, cost_of(rpc->route)));
    if (rpc->route == NULL)
        return error_with(rpc->call.arena,
                          refuse(&rpc->call, STATUS_UNIMPLEMENTED, "METHOD_UNKNOWN",
                                 "no such method: '%s'", rpc->call.method),
                          "method", "%s", rpc->call.method);
    return check_room(rpc);
}
