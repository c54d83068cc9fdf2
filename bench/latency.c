/*
 * Log-linear buckets, as HdrHistogram has them: the highest eight bits of a value say its bucket.
 */
#include "latency.h"

#include <inttypes.h>

static size_t bucket_of(uint64_t value)
{
    if (value < LATENCY_FINE)
        return (size_t)value;
    unsigned shift = 63U - (unsigned)__builtin_clzll(value) - 7U;
    size_t bucket = (size_t)(shift + 1) * LATENCY_FINE + (size_t)((value >> shift) - LATENCY_FINE);
    return bucket < LATENCY_BUCKETS ? bucket : LATENCY_BUCKETS - 1;
}

/* The highest value that falls into the bucket. */
static int64_t highest_of(size_t bucket)
{
    if (bucket < LATENCY_FINE)
        return (int64_t)bucket;
    size_t shift = bucket / LATENCY_FINE - 1;
    return (int64_t)(((uint64_t)(bucket % LATENCY_FINE + LATENCY_FINE + 1) << shift) - 1);
}

void latency_add(struct latency *latency, int64_t took_us)
{
    if (took_us < 0)
        took_us = 0;
    latency->buckets[bucket_of((uint64_t)took_us)]++;
    latency->count++;
    if (took_us > latency->max_us)
        latency->max_us = took_us;
}

void latency_merge(struct latency *into, const struct latency *from)
{
    for (size_t i = 0; i < LATENCY_BUCKETS; i++)
        into->buckets[i] += from->buckets[i];
    into->count += from->count;
    if (from->max_us > into->max_us)
        into->max_us = from->max_us;
}

int64_t latency_at(const struct latency *latency, uint64_t per_100000)
{
    uint64_t wanted = (latency->count * per_100000 + 99999) / 100000;
    uint64_t seen = 0;

    for (size_t i = 0; i < LATENCY_BUCKETS; i++) {
        seen += latency->buckets[i];
        if (seen >= wanted && seen > 0)
            return highest_of(i) < latency->max_us ? highest_of(i) : latency->max_us;
    }
    return 0;
}

void latency_write(const struct latency *latency, FILE *file)
{
    fprintf(file,
            "{\"count\":%" PRIu64 ",\"p50_us\":%" PRId64 ",\"p90_us\":%" PRId64
            ",\"p99_us\":%" PRId64 ",\"p999_us\":%" PRId64 ",\"max_us\":%" PRId64 "}",
            latency->count, latency_at(latency, 50000), latency_at(latency, 90000),
            latency_at(latency, 99000), latency_at(latency, 99900), latency->max_us);
}
