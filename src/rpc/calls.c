/*
 * The life of a call, from being asked for to being forgotten.
 *
 * Memory is shared between the fiber, gRPC (which holds two tags of us) and the list of the living;
 * the fiber may end on any thread, so the last of the three references frees.
 */

#include <grpc/byte_buffer.h>
#include <grpc/support/alloc.h>

#include "base/bug.h"
#include "base/random.h"
#include "base/settings.h"
#include "base/text.h"
#include "base/trace.h"
#include "edge/edge.h"
#include "rpc/internal.h"

static struct arena *arena_borrow(struct rpc_server *server)
{
    struct arena *arena = NULL;

    pthread_mutex_lock(&server->mutex);
    if (server->arena_count > 0)
        arena = server->arenas[--server->arena_count];
    pthread_mutex_unlock(&server->mutex);
    return arena != NULL ? arena : arena_new(CALL_ARENA_SIZE_MAX);
}

/*
 * The last of a call that was accepted.  When the count reaches zero the server may be freed, so
 * nothing of it is touched afterwards.
 */
static void forget_call(struct rpc_server *server, struct arena *arena)
{
    arena_reset(arena);
    pthread_mutex_lock(&server->mutex);
    if (server->arena_count < ARENAS_KEPT_MAX) {
        server->arenas[server->arena_count++] = arena;
        arena = NULL;
    }
    pthread_mutex_unlock(&server->mutex);
    arena_free(arena);

    pthread_mutex_lock(&server->mutex);
    server->call_count--;
    if (server->call_count == 0)
        pthread_cond_broadcast(&server->quiet);
    pthread_mutex_unlock(&server->mutex);
}

static void living_remove(struct rpc_call *call)
{
    struct rpc_server *server = call->server;

    pthread_mutex_lock(&server->mutex);
    if (call->previous != NULL)
        call->previous->next = call->next;
    else
        server->living = call->next;
    if (call->next != NULL)
        call->next->previous = call->previous;
    rpc_message_forget(call);
    pthread_mutex_unlock(&server->mutex);
}

/* After its answer, so that the caller is told why. */
static void cut_connection(const struct rpc_call *call)
{
    char *peer = grpc_call_get_peer(call->handle);

    edge_cut(peer);
    gpr_free(peer);
}

void rpc_call_unref(struct rpc_call *call)
{
    struct rpc_server *server = call->server;
    struct arena *arena = call->call.arena;

    if (atomic_fetch_sub_explicit(&call->references, 1, memory_order_acq_rel) != 1)
        return;
    if (arena != NULL)
        living_remove(call);
    grpc_metadata_array_destroy(&call->metadata);
    if (call->route == NULL)
        grpc_call_details_destroy(&call->details);
    if (call->payload != NULL)
        grpc_byte_buffer_destroy(call->payload);
    if (call->is_last_of_connection)
        cut_connection(call);
    if (call->handle != NULL)
        grpc_call_unref(call->handle);
    free(call);
    if (arena != NULL)
        forget_call(server, arena);
}

static void living_add(struct rpc_call *call)
{
    struct rpc_server *server = call->server;

    pthread_mutex_lock(&server->mutex);
    call->next = server->living;
    if (call->next != NULL)
        call->next->previous = call;
    server->living = call;
    server->call_count++;
    pthread_mutex_unlock(&server->mutex);
}

static int64_t clamp_ms(int64_t value, int64_t least, int64_t most)
{
    if (value > most)
        value = most;
    return value < least ? least : value;
}

bool rpc_call_is_stream(const struct rpc_call *call)
{
    return call->route != NULL && call->route->is_stream;
}

/* The client's wish, within bounds; without one what the method usually gets. */
static int64_t deadline_ms(const struct rpc_call *call)
{
    const struct settings *settings = call->server->house->settings;
    gpr_timespec wish = call->route == NULL ? call->details.deadline : call->deadline;
    int64_t usual = settings->deadline_default_ms;
    int64_t most = settings->deadline_max_ms;

    if (call->route != NULL && call->route->method->time_limit_ms > 0)
        usual = most = call->route->method->time_limit_ms;
    if (gpr_time_cmp(wish, gpr_inf_future(wish.clock_type)) == 0)
        return clamp_ms(usual, DEADLINE_MS_MIN, most);
    gpr_timespec left = gpr_time_sub(gpr_convert_clock_type(wish, GPR_CLOCK_MONOTONIC),
                                     gpr_now(GPR_CLOCK_MONOTONIC));
    return clamp_ms(gpr_time_to_millis(left), DEADLINE_MS_MIN, most);
}

/* A stream of a row lasts as long as its client wishes; what it does at once has a usual time. */
int64_t rpc_stream_until_us(const struct rpc_call *call)
{
    int64_t now_us = clock_monotonic_us(call->server->house->clock);

    if (gpr_time_cmp(call->deadline, gpr_inf_future(call->deadline.clock_type)) == 0)
        return INT64_MAX;
    gpr_timespec left = gpr_time_sub(gpr_convert_clock_type(call->deadline, GPR_CLOCK_MONOTONIC),
                                     gpr_now(GPR_CLOCK_MONOTONIC));
    return now_us + clamp_ms(gpr_time_to_millis(left), DEADLINE_MS_MIN, STREAM_MS_MAX) * US_PER_MS;
}

/* The one traceparent of the call; twice is none (W3C Trace Context 3.2). */
static bool find_parent(const struct rpc_call *rpc, struct trace_parent *parent)
{
    const grpc_slice *found = NULL;

    for (size_t i = 0; i < rpc->metadata.count; i++) {
        if (grpc_slice_str_cmp(rpc->metadata.metadata[i].key, "traceparent") != 0)
            continue;
        if (found != NULL)
            return false;
        found = &rpc->metadata.metadata[i].value;
    }
    return found != NULL && trace_parse((const char *)GRPC_SLICE_START_PTR(*found),
                                        GRPC_SLICE_LENGTH(*found), parent);
}

/* Another path is the client's text: printable, and not longer than a log line wants. */
static const char *unknown_path(struct rpc_call *call)
{
    grpc_slice method = call->details.method;
    size_t size = GRPC_SLICE_LENGTH(method);
    char *text = arena_strndup(call->call.arena, (const char *)GRPC_SLICE_START_PTR(method),
                               size < 128 ? size : 128);

    for (char *at = text; *at != '\0'; at++) {
        if (*at < 0x20 || *at > 0x7e)
            *at = '?';
    }
    return text;
}

/* On the poller's thread. */
static const uint8_t *draw_trace(struct rpc_server *server)
{
    if (server->traces_left == 0) {
        random_fill(server->house->random, server->traces, sizeof server->traces);
        server->traces_left = TRACES_DRAWN;
    }
    return server->traces[--server->traces_left];
}

static void describe(struct rpc_call *rpc)
{
    struct call *call = &rpc->call;
    const struct house *house = rpc->server->house;
    struct trace_parent parent;

    call->arena = arena_borrow(rpc->server);
    call->house = house;
    call->now_us = clock_wall_us(house->clock);
    rpc->accept_us = clock_monotonic_us(house->clock);
    rpc->answer_by_us = rpc->accept_us + deadline_ms(rpc) * US_PER_MS;
    call->deadline_us = rpc->answer_by_us;
    rpc->checked_us = rpc->accept_us;
    trace_begin_from(call, draw_trace(rpc->server));
    if (find_parent(rpc, &parent))
        trace_go_on(call, &parent);
    call->request_id = "";
    call->caller.spiffe_id = "";
    call->method = rpc->route == NULL ? unknown_path(rpc) : rpc->route->path;
}

/* A stream's client has the answer, or has left. */
static void on_closed(struct rpc_call *call, bool success)
{
    if (!success || call->cancelled != 0)
        atomic_store_explicit(&call->client_gone, true, memory_order_release);
    if (call->parked_for_tick) {
        call->parked_for_tick = false;
        fiber_resume(call->parked);
    }
    if (call->has_stream_fiber && call->route->converse == NULL)
        stream_wake(&call->stream);
    rpc_call_unref(call);
}

static void on_answered(struct rpc_call *call, bool success)
{
    (void)success; /* a client that left does not get the answer; with its request_id it can */
    rpc_call_unref(call);
}

/* A stream must hear of its client's leaving; a handler is not told: what it began is finished. */
static void watch_close(struct rpc_call *call)
{
    const grpc_op op = {
        .op = GRPC_OP_RECV_CLOSE_ON_SERVER,
        .data.recv_close_on_server.cancelled = &call->cancelled,
    };

    atomic_store_explicit(&call->references, 3, memory_order_relaxed);
    if (grpc_call_start_batch(call->handle, &op, 1, &call->closed, NULL) != GRPC_CALL_OK)
        bug("rpc: a new call refuses its first batch");
}

/*
 * gRPC gives us a call, or tells that there will be none: the server shuts down.  Work is shed
 * after the re-arming: gRPC would queue without bound what is not asked for.
 */
static void on_accepted(struct rpc_call *call, bool success)
{
    struct rpc_server *server = call->server;
    bool converses = call->route != NULL && call->route->converse != NULL;

    if (!success) {
        rpc_call_unref(call);
        return;
    }
    rpc_call_arm(server, call->route);
    /* The one reference of an armed call becomes the fiber's. */
    atomic_store_explicit(&call->references, 2, memory_order_relaxed);
    describe(call);
    if (rpc_call_is_stream(call))
        watch_close(call);
    const struct error *error = rpc_admit(call);
    living_add(call);
    if (error != NULL)
        rpc_refuse(call, error);
    else if (!converses)
        rpc_message_await(call);
    else if (!rpc_call_run(call))
        rpc_refuse(call, rpc_overloaded(call, REFUSED_STREAMS));
}

static grpc_call_error request_call(struct rpc_call *call)
{
    struct rpc_server *server = call->server;

    if (call->route == NULL)
        return grpc_server_request_call(server->grpc, &call->handle, &call->details,
                                        &call->metadata, server->queue, server->queue,
                                        &call->accepted);
    return grpc_server_request_registered_call(server->grpc, call->route->registered, &call->handle,
                                               &call->deadline, &call->metadata, NULL,
                                               server->queue, server->queue, &call->accepted);
}

void rpc_call_arm(struct rpc_server *server, const struct rpc_route *route)
{
    struct rpc_call *call = calloc(1, sizeof *call);

    if (call == NULL)
        bug("rpc: out of memory");
    call->server = server;
    call->route = route;
    call->stream.ways = &rpc_stream_ways;
    atomic_init(&call->references, 1);
    call->accepted = (struct rpc_event){on_accepted, call};
    call->received = (struct rpc_event){rpc_message_received, call};
    call->answered = (struct rpc_event){on_answered, call};
    call->closed = (struct rpc_event){on_closed, call};
    grpc_metadata_array_init(&call->metadata);
    if (route == NULL)
        grpc_call_details_init(&call->details);
    if (request_call(call) != GRPC_CALL_OK)
        rpc_call_unref(call);
}

static bool is_sent_away(const struct rpc_call *call)
{
    return rpc_call_is_stream(call) &&
           atomic_load_explicit(&call->server->draining, memory_order_acquire);
}

static int64_t keep_answer_us(const struct rpc_call *call)
{
    int64_t usual_us = call->server->house->settings->deadline_default_ms * US_PER_MS;

    return is_sent_away(call) && usual_us > STOPPING_ANSWER_US ? STOPPING_ANSWER_US : usual_us;
}

/* What its client hears of the answer: the status alone, which needs no room in its window. */
static void cut_answer(struct rpc_call *call)
{
    if (call->is_slow)
        grpc_call_cancel_with_status(call->handle, GRPC_STATUS_RESOURCE_EXHAUSTED,
                                     "client does not read", NULL);
    else if (is_sent_away(call))
        grpc_call_cancel_with_status(call->handle, GRPC_STATUS_UNAVAILABLE, "server stops", NULL);
    else
        grpc_call_cancel_with_status(call->handle, GRPC_STATUS_CANCELLED, "answer was not taken",
                                     NULL);
}

/*
 * A client that does not read makes us keep its answers: what was answered as long ago as a call
 * may usually take is cut, and at once when there are as many newer ones as may run.  Who reads has
 * his answer within a tick.
 */
static void cut_if_not_taken(struct rpc_call *call, size_t newer, int64_t now_us)
{
    const struct settings *settings = call->server->house->settings;

    if (call->answered_us == 0)
        call->answered_us = now_us;
    bool crowded_out = newer >= (size_t)settings->calls_max && !call->cut;
    if (!crowded_out && now_us - call->answered_us < keep_answer_us(call))
        return;
    call->cut = true;
    call->answered_us = now_us;
    cut_answer(call);
}

static void answer_too_late(struct rpc_call *call)
{
    /* No handler will tell the log. */
    if (call->waits) {
        rpc_message_forget(call);
        rpc_call_end(call, rpc_too_late(call, "it has waited for the message"));
    }
    /* The call's own arena is in the handler's hands. */
    AUTO(arena_auto_free) struct arena *arena = arena_new(64 * 1024);

    rpc_answer_error(call,
                     error_make(arena, STATUS_DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED",
                                "deadline passed before the answer was ready"),
                     arena);
}

void rpc_calls_expire(struct rpc_server *server)
{
    int64_t now_us = clock_monotonic_us(server->house->clock);
    size_t answered = 0;

    /* Under the mutex no call of the list can end, so none goes away below our hands. */
    pthread_mutex_lock(&server->mutex);
    for (struct rpc_call *call = server->living; call != NULL; call = call->next) {
        /* A stream's fiber sees to it by itself. */
        bool awaited = call->waits || !rpc_call_is_stream(call);

        if (atomic_load_explicit(&call->answer_taken, memory_order_acquire))
            cut_if_not_taken(call, answered++, now_us);
        else if (awaited && now_us >= call->answer_by_us && rpc_answer_take(call))
            answer_too_late(call);
    }
    pthread_mutex_unlock(&server->mutex);
}
