/*
 * Counting, and telling it: durations by method and status under OpenTelemetry's names, what was
 * refused, and the calls that live now.
 */

#include "rpc/rpc_measure.h"

#include "base/measure.h"
#include "base/text.h"
#include "rpc/internal.h"

int64_t rpc_count_refusal(struct rpc_counts *counts, enum rpc_refusal why)
{
    return atomic_fetch_add_explicit(&counts->refused[why], 1, memory_order_relaxed);
}

void rpc_count_call(struct rpc_call *call, const struct error *error)
{
    struct rpc_durations *durations =
        call->route != NULL ? call->route->durations : &call->server->unknown;
    int64_t now_us = clock_monotonic_us(call->server->house->clock);

    histogram_add(&durations->by_status[error == NULL ? STATUS_OK : error->status],
                  now_us - call->accept_us);
}

static const struct measure duration = {"rpc_server_call_duration_seconds",
                                        "How long calls took, from their headers to their answer.",
                                        MEASURE_HISTOGRAM, MEASURE_SECONDS};
static const struct measure active = {"rpc_server_active_calls",
                                      "Calls that live now, by what they do.", MEASURE_GAUGE,
                                      MEASURE_PLAIN};
static const struct measure refused = {"dues_rpc_refused_total",
                                       "Calls refused before any work was done for them, by cause.",
                                       MEASURE_COUNTER, MEASURE_PLAIN};
static const struct measure limit = {"dues_admission_limit",
                                     "Calls that may wait for the database at the same time.",
                                     MEASURE_GAUGE, MEASURE_PLAIN};

static const struct measure stream_messages = {"dues_stream_messages_total",
                                               "Messages sent in streams of the services.",
                                               MEASURE_COUNTER, MEASURE_PLAIN};
static const struct measure slow_readers = {"dues_stream_slow_readers_total",
                                            "Streams ended because their client did not read.",
                                            MEASURE_COUNTER, MEASURE_PLAIN};

static void measure_method(const char *service, const char *method,
                           const struct rpc_durations *durations, struct measures *out)
{
    for (int status = 0; status < STATUS_COUNT; status++) {
        char code[12];
        if (histogram_is_empty(&durations->by_status[status]))
            continue;
        snprintf(code, sizeof code, "%d", status);
        measure_histogram(out, &duration,
                          MEASURE_LABELS({"rpc_system", "grpc"}, {"rpc_service", service},
                                         {"rpc_method", method}, {"rpc_grpc_status_code", code}),
                          &durations->by_status[status]);
    }
}

static void measure_durations(const struct rpc_server *server, struct measures *out)
{
    for (size_t i = 0; i < server->route_count; i++) {
        const struct rpc_route *route = server->routes[i];
        measure_method(route->service->name, route->method->name, route->durations, out);
    }
    /* What clients call such a path is theirs to choose, so it is no label. */
    measure_method("_OTHER", "_OTHER", &server->unknown, out);
}

static enum rpc_call_state state_of(const struct rpc_call *call)
{
    if (call->waits)
        return RPC_CALL_AWAITS_MESSAGE;
    if (atomic_load_explicit(&call->answer_taken, memory_order_acquire))
        return RPC_CALL_ANSWERED;
    return rpc_call_is_stream(call) ? RPC_CALL_STREAMS : RPC_CALL_RUNS;
}

const char *rpc_call_state_name(enum rpc_call_state state)
{
    switch (state) {
    case RPC_CALL_AWAITS_MESSAGE:
        return "awaits_message";
    case RPC_CALL_RUNS:
        return "runs";
    case RPC_CALL_STREAMS:
        return "streams";
    case RPC_CALL_ANSWERED:
        return "answered";
    }
    return "unknown";
}

static void measure_active(struct rpc_server *server, struct measures *out)
{
    int64_t counts[RPC_CALL_STATES] = {0};

    pthread_mutex_lock(&server->mutex);
    for (const struct rpc_call *call = server->living; call != NULL; call = call->next)
        counts[state_of(call)]++;
    pthread_mutex_unlock(&server->mutex);
    for (int state = 0; state < RPC_CALL_STATES; state++)
        measure_number(out, &active,
                       MEASURE_LABELS({"state", rpc_call_state_name((enum rpc_call_state)state)}),
                       counts[state]);
}

void rpc_server_measure(struct rpc_server *server, struct measures *out)
{
    static const char *const causes[REFUSALS] = {
        [REFUSED_RATE] = "rate",       [REFUSED_DATABASE] = "database", [REFUSED_CALLS] = "calls",
        [REFUSED_STREAMS] = "streams", [REFUSED_WAITING] = "waiting",
    };

    measure_durations(server, out);
    measure_active(server, out);
    for (int i = 0; i < REFUSALS; i++)
        measure_number(out, &refused, MEASURE_LABELS({"cause", causes[i]}),
                       atomic_load_explicit(&server->counts.refused[i], memory_order_relaxed));
    measure_number(out, &stream_messages, MEASURE_NO_LABELS,
                   atomic_load_explicit(&server->counts.stream_messages, memory_order_relaxed));
    measure_number(out, &slow_readers, MEASURE_NO_LABELS,
                   atomic_load_explicit(&server->counts.slow_readers, memory_order_relaxed));
    measure_number(out, &limit, MEASURE_NO_LABELS,
                   atomic_load_explicit(&server->admission.limit, memory_order_relaxed));
}

size_t rpc_server_describe_calls(struct rpc_server *server, struct rpc_call_view *views,
                                 size_t views_max)
{
    int64_t now_us = clock_monotonic_us(server->house->clock);
    size_t count = 0;

    pthread_mutex_lock(&server->mutex);
    for (const struct rpc_call *call = server->living; call != NULL && count < views_max;
         call = call->next) {
        struct rpc_call_view *view = &views[count++];
        const char *caller = call->call.caller.spiffe_id;
        snprintf(view->method, sizeof view->method, "%s", call->call.method);
        snprintf(view->caller, sizeof view->caller, "%s", caller == NULL ? "" : caller);
        view->age_us = now_us - call->accept_us;
        view->state = state_of(call);
    }
    pthread_mutex_unlock(&server->mutex);
    return count;
}
