/*
 * How long things took: counts below fixed bounds, in microseconds.  Any thread adds, without a
 * lock; whoever reads sees each count whole, not all of one instant.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* 100 µs, 250 µs, … 10 s; what took longer is in the last count. */
#define HISTOGRAM_BOUNDS 16
extern const int64_t histogram_bounds_us[HISTOGRAM_BOUNDS];

struct histogram {
    atomic_uint_least64_t counts[HISTOGRAM_BOUNDS + 1];
    atomic_uint_least64_t sum_us;
};

void histogram_add(struct histogram *histogram, int64_t duration_us);

/* Nothing was ever added. */
bool histogram_is_empty(const struct histogram *histogram);
