/*
 * Histograms of durations: bounds in steps of 1, 2.5, 5, 10, wide enough from an answer out of
 * memory to a gateway that takes its time.
 */

#include "base/histogram.h"

const int64_t histogram_bounds_us[HISTOGRAM_BOUNDS] = {
    100,   250,    500,    1000,   2500,    5000,    10000,   25000,
    50000, 100000, 250000, 500000, 1000000, 2500000, 5000000, 10000000,
};

void histogram_add(struct histogram *histogram, int64_t duration_us)
{
    size_t i = 0;

    if (duration_us < 0)
        duration_us = 0;
    while (i < HISTOGRAM_BOUNDS && duration_us > histogram_bounds_us[i])
        i++;
    atomic_fetch_add_explicit(&histogram->counts[i], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&histogram->sum_us, (uint64_t)duration_us, memory_order_relaxed);
}

bool histogram_is_empty(const struct histogram *histogram)
{
    for (size_t i = 0; i <= HISTOGRAM_BOUNDS; i++) {
        if (atomic_load_explicit(&histogram->counts[i], memory_order_relaxed) != 0)
            return false;
    }
    return true;
}
