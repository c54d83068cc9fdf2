/*
 * Writing the lanes' counts.  All samples of a name stand together, so each name has its own loop.
 */
#include "pg/lane_measure.h"

static const struct measure queue_length = {
    "dues_lane_queue_length", "Ops that wait for their answer.", MEASURE_GAUGE, MEASURE_PLAIN};
static const struct measure ready = {"dues_lanes_ready", "Lanes that are connected.", MEASURE_GAUGE,
                                     MEASURE_PLAIN};
static const struct measure batches = {"dues_lane_batches_total",
                                       "Batches sent, by how many ops they had at most.",
                                       MEASURE_COUNTER, MEASURE_PLAIN};
static const struct measure statements = {"dues_lane_statements_total",
                                          "Statements sent for ops; a set of look-ups is one.",
                                          MEASURE_COUNTER, MEASURE_PLAIN};
static const struct measure ops = {"dues_lane_ops_total", "Ops answered.", MEASURE_COUNTER,
                                   MEASURE_PLAIN};
static const struct measure runs_again = {
    "dues_lane_ops_run_again_total", "Ops run once more: rolled back, lost a race, or cut off.",
    MEASURE_COUNTER, MEASURE_PLAIN};
static const struct measure connects = {"dues_lane_connects_total", "Connections made.",
                                        MEASURE_COUNTER, MEASURE_PLAIN};
static const struct measure queue_delay = {"dues_lane_queue_delay_seconds",
                                           "How long ops waited before they were sent.",
                                           MEASURE_HISTOGRAM, MEASURE_SECONDS};
static const struct measure commit_duration = {"dues_lane_commit_duration_seconds",
                                               "From sending a write batch to knowing its commit.",
                                               MEASURE_HISTOGRAM, MEASURE_SECONDS};
static const struct measure read_duration = {"dues_lane_read_duration_seconds",
                                             "From sending a read batch to its last answer.",
                                             MEASURE_HISTOGRAM, MEASURE_SECONDS};

static const char *const batch_sizes[BATCH_SIZES] = {"1", "7", "31", "64"};
static const char *const outcomes[OP_OUTCOMES] = {
    [OP_ANSWERED] = "answered", [OP_REFUSED] = "refused", [OP_UNAVAILABLE] = "unavailable"};

static struct measure_label kind_label(const struct lane_group *group)
{
    return (struct measure_label){"kind", group->kind};
}

/* The sum of a counter that lies `offset` bytes within a lane. */
static int64_t sum_of(const struct lane_group *group, size_t offset)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < group->count; i++) {
        const char *lane = (const char *)&group->lanes[i];
        sum += atomic_load_explicit((const atomic_uint_least64_t *)(const void *)(lane + offset),
                                    memory_order_relaxed);
    }
    return (int64_t)sum;
}

static void write_counter(const struct lane_group *groups, size_t count,
                          const struct measure *measure, size_t offset, struct measures *out)
{
    for (size_t i = 0; i < count; i++)
        measure_number(out, measure, MEASURE_LABELS(kind_label(&groups[i])),
                       sum_of(&groups[i], offset));
}

static void write_gauges(const struct lane_group *groups, size_t count, struct measures *out)
{
    for (size_t i = 0; i < count; i++) {
        size_t load = 0;
        for (size_t j = 0; j < groups[i].count; j++)
            load += lane_load(&groups[i].lanes[j]);
        measure_number(out, &queue_length, MEASURE_LABELS(kind_label(&groups[i])), (int64_t)load);
    }
    for (size_t i = 0; i < count; i++) {
        int64_t connected = 0;
        for (size_t j = 0; j < groups[i].count; j++)
            connected += atomic_load(&groups[i].lanes[j].is_ready);
        measure_number(out, &ready, MEASURE_LABELS(kind_label(&groups[i])), connected);
    }
}

static void write_batches(const struct lane_group *groups, size_t count, struct measures *out)
{
    for (size_t i = 0; i < count; i++)
        for (size_t size = 0; size < BATCH_SIZES; size++)
            measure_number(out, &batches,
                           MEASURE_LABELS(kind_label(&groups[i]), {"ops", batch_sizes[size]}),
                           sum_of(&groups[i], offsetof(struct lane, counts.batches[size])));
}

static void write_ops(const struct lane_group *groups, size_t count, struct measures *out)
{
    for (size_t i = 0; i < count; i++)
        for (size_t outcome = 0; outcome < OP_OUTCOMES; outcome++)
            measure_number(out, &ops,
                           MEASURE_LABELS(kind_label(&groups[i]), {"outcome", outcomes[outcome]}),
                           sum_of(&groups[i], offsetof(struct lane, counts.ops[outcome])));
}

static void add_histogram(struct histogram *sum, const struct histogram *part)
{
    for (size_t i = 0; i <= HISTOGRAM_BOUNDS; i++)
        counter_add(&sum->counts[i], atomic_load_explicit(&part->counts[i], memory_order_relaxed));
    counter_add(&sum->sum_us, atomic_load_explicit(&part->sum_us, memory_order_relaxed));
}

static void write_histogram(const struct lane_group *group, const struct measure *measure,
                            struct measure_labels labels, bool round_trip, struct measures *out)
{
    struct histogram sum = {0};

    for (size_t i = 0; i < group->count; i++) {
        const struct lane_counts *counts = &group->lanes[i].counts;
        add_histogram(&sum, round_trip ? &counts->round_trip : &counts->queue_delay);
    }
    measure_histogram(out, measure, labels, &sum);
}

void lanes_measure(const struct lane_group *groups, size_t count, struct measures *out)
{
    write_gauges(groups, count, out);
    write_batches(groups, count, out);
    write_counter(groups, count, &statements, offsetof(struct lane, counts.statements), out);
    write_ops(groups, count, out);
    write_counter(groups, count, &runs_again, offsetof(struct lane, counts.runs_again), out);
    write_counter(groups, count, &connects, offsetof(struct lane, counts.connects), out);
    for (size_t i = 0; i < count; i++)
        write_histogram(&groups[i], &queue_delay, MEASURE_LABELS(kind_label(&groups[i])), false,
                        out);
    for (size_t i = 0; i < count; i++)
        write_histogram(&groups[i], groups[i].lanes[0].is_write ? &commit_duration : &read_duration,
                        MEASURE_NO_LABELS, true, out);
}
