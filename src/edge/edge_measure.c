/*
 * What the guards have counted, for /metrics.
 */

#include "base/attributes.h"
#include "edge/accept_guard.h"
#include "edge/edge.h"
#include "edge/frame_guard.h"

static const struct measure connections = {
    .name = "dues_edge_connections",
    .help = "Connections that are open at the gRPC listener",
    .kind = MEASURE_GAUGE,
};

static const struct measure shed = {
    .name = "dues_edge_connections_shed_total",
    .help = "Connections closed as soon as they were accepted",
    .kind = MEASURE_COUNTER,
};

static const struct measure cut = {
    .name = "dues_edge_connections_cut_total",
    .help = "Connections cut for a certificate that is not accepted any more",
    .kind = MEASURE_COUNTER,
};

static const struct measure refused = {
    .name = "dues_edge_frames_refused_total",
    .help = "Connections cut for what they sent",
    .kind = MEASURE_COUNTER,
};

static int64_t read_counter(const atomic_uint_least64_t *counter)
{
    return (int64_t)atomic_load(counter);
}

void edge_measure(struct measures *out)
{
    static const char *const causes[ACCEPT_CAUSES] = {
        [ACCEPT_SHED_TOTAL] = "total",
        [ACCEPT_SHED_SOURCE] = "source",
        [ACCEPT_SHED_RATE] = "rate",
        [ACCEPT_SHED_DESCRIPTORS] = "descriptors",
    };
    const struct accept_guard *guard = accept_guard_of_process();
    /* In this order: one that leaves in between is not counted below zero. */
    int64_t left = read_counter(&guard->left);

    measure_number(out, &connections, MEASURE_NO_LABELS, read_counter(&guard->admitted) - left);
    for (size_t i = 0; i < ACCEPT_CAUSES; i++)
        measure_number(out, &shed, MEASURE_LABELS({"cause", causes[i]}),
                       read_counter(&guard->shed[i]));
    measure_number(out, &cut, MEASURE_NO_LABELS, read_counter(&guard->cut));
    for (int i = FRAME_FINE + 1; i < FRAME_VERDICTS; i++)
        measure_number(out, &refused,
                       MEASURE_LABELS({"cause", frame_verdict_name((enum frame_verdict)i)}),
                       read_counter(&frame_guard_refused[i]));
}
