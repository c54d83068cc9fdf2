/*
 * A token bucket in one number (the generic cell rate algorithm of ATM Forum TM 4.0, also known as
 * a leaky bucket as a meter): the instant at which it would be full again.  Plain data, no lock.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct bucket {
    int64_t full_ns; /* monotonic; 0 or any instant that has passed: full */
};

struct bucket_rate {
    int64_t token_ns; /* time in which one token flows in; 0: no limit */
    int64_t burst_ns; /* what a full bucket holds, as time */
};

/* `per_second` 0 is no limit; else up to 1,000,000, and `burst` tokens from 1 to 1,000,000. */
struct bucket_rate bucket_rate_make(int64_t per_second, int64_t burst);

/* Takes `tokens`, which may be more than the burst when the bucket is full; false: nothing taken.
 */
bool bucket_take(struct bucket *bucket, struct bucket_rate rate, int64_t tokens, int64_t now_us);

/* Puts tokens back, up to a full bucket. */
void bucket_give(struct bucket *bucket, struct bucket_rate rate, int64_t tokens);

/* Microseconds until `tokens` could be taken; 0: now. */
int64_t bucket_wait_us(const struct bucket *bucket, struct bucket_rate rate, int64_t tokens,
                       int64_t now_us);
