/*
 * Latencies as counts in buckets that grow with the value: exact below 128 µs, within 1 % above.
 * Adding costs an increment, whatever the number of calls.
 */
#pragma once

#include <stdint.h>
#include <stdio.h>

#define LATENCY_FINE    128 /* buckets a doubling, twice that below the first */
#define LATENCY_BUCKETS (LATENCY_FINE * 34)

struct latency {
    uint64_t count;
    int64_t max_us;
    uint64_t buckets[LATENCY_BUCKETS];
};

void latency_add(struct latency *latency, int64_t took_us);
void latency_merge(struct latency *into, const struct latency *from);

/* The least value that `per_100000` of the calls did not exceed; 0 of none. */
int64_t latency_at(const struct latency *latency, uint64_t per_100000);

/* As a JSON object: count, p50_us, p90_us, p99_us, p999_us, max_us. */
void latency_write(const struct latency *latency, FILE *file);
