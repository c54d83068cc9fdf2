/*
 * Reads what /metrics answers (Prometheus 0.0.4), for `dues top`.  Values become whole millionths,
 * because there are no floating-point numbers in the house.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"

#define METRICS_SAMPLES_MAX 20000
#define METRICS_MILLION     1000000LL

struct metrics_sample {
    const char *name;
    const char *labels; /* `rpc_method="GetTier",le="0.01"`, or "" */
    int64_t millionths;
};

struct metrics_page {
    struct metrics_sample *samples; /* in the order of the page */
    size_t count;
};

/*
 * "-12.345678" as millionths; what stands behind the sixth decimal is cut.  False: no such number.
 */
bool metrics_millionths(const char *text, size_t length, int64_t *millionths);

/* Lines that are none of ours are left out. */
void metrics_read(struct arena *arena, const char *text, struct metrics_page *page);

/* The value of a label, in the arena; "" when the sample has none of that name. */
const char *metrics_label(struct arena *arena, const struct metrics_sample *sample,
                          const char *name);

/* The first sample of the name whose labels hold `labels` (one `name="value"`, or ""); or NULL. */
const struct metrics_sample *metrics_find(const struct metrics_page *page, const char *name,
                                          const char *labels);

/* Its value in whole units; 0 when there is none. */
int64_t metrics_value(const struct metrics_page *page, const char *name, const char *labels);
