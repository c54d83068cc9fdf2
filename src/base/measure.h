/*
 * What the rooms tell about themselves.  A room keeps its own counts and writes them when asked:
 *
 *   void pg_measure(struct pg *pg, struct measures *out);
 *
 * Names are OpenTelemetry's semantic conventions in Prometheus form (dots become underscores, the
 * unit and _total at the end): "rpc_server_call_duration_seconds", "dues_lane_queue_length".
 * All samples of one name are written one after another: give the loop over labels inside.
 */
#pragma once

#include <stdint.h>

#include "base/histogram.h"

struct measures;

enum measure_kind {
    MEASURE_COUNTER,   /* the name ends in _total */
    MEASURE_GAUGE,     /* goes up and down */
    MEASURE_HISTOGRAM, /* the name ends in _seconds */
};

enum measure_unit {
    MEASURE_PLAIN,   /* counts, bytes, minor units */
    MEASURE_SECONDS, /* given in microseconds, written as seconds with six decimals */
};

struct measure {
    const char *name; /* [a-z][a-z0-9_]* */
    const char *help; /* one line */
    enum measure_kind kind;
    enum measure_unit unit;
};

/* A closed set of values, or one that the room bounds: never what a client sends. */
struct measure_label {
    const char *name;
    const char *value;
};

#define MEASURE_LABELS_MAX 6

struct measure_labels {
    const struct measure_label *list;
    size_t count;
};

#define MEASURE_LABELS(...)                                                                        \
    ((struct measure_labels){(const struct measure_label[]){__VA_ARGS__},                          \
                             sizeof((const struct measure_label[]){__VA_ARGS__}) /                 \
                                 sizeof(struct measure_label)})
#define MEASURE_NO_LABELS ((struct measure_labels){0})

void measure_number(struct measures *out, const struct measure *what, struct measure_labels labels,
                    int64_t value);
void measure_histogram(struct measures *out, const struct measure *what,
                       struct measure_labels labels, const struct histogram *histogram);

/* A growing text in the exposition format of Prometheus 0.0.4; never fails (out of memory aborts).
 */
struct measures *measures_new(void);
void measures_free(struct measures *measures);
const char *measures_text(const struct measures *measures, size_t *size);
