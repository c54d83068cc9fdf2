/*
 * Token buckets.  Time is kept in nanoseconds, because at 50,000 tokens a second one takes 20 µs.
 */

#include "base/bucket.h"

#include "base/time.h"

#define NS_PER_US     1000LL
#define NS_PER_SECOND (1000000 * NS_PER_US)

struct bucket_rate bucket_rate_make(int64_t per_second, int64_t burst)
{
    if (per_second <= 0)
        return (struct bucket_rate){0};
    int64_t token_ns = NS_PER_SECOND / per_second;
    return (struct bucket_rate){.token_ns = token_ns, .burst_ns = token_ns * burst};
}

/* What is missing from a full bucket, as time. */
static int64_t missing_ns(const struct bucket *bucket, int64_t now_us)
{
    int64_t missing = bucket->full_ns - now_us * NS_PER_US;

    return missing > 0 ? missing : 0;
}

/* More than the bucket holds is had from a full one, which then owes the rest. */
static int64_t most_missing_ns(struct bucket_rate rate, int64_t tokens)
{
    int64_t price_ns = rate.token_ns * tokens;

    return price_ns > rate.burst_ns ? 0 : rate.burst_ns - price_ns;
}

bool bucket_take(struct bucket *bucket, struct bucket_rate rate, int64_t tokens, int64_t now_us)
{
    int64_t missing = missing_ns(bucket, now_us);

    if (rate.token_ns == 0)
        return true;
    if (missing > most_missing_ns(rate, tokens))
        return false;
    bucket->full_ns = now_us * NS_PER_US + missing + rate.token_ns * tokens;
    return true;
}

void bucket_give(struct bucket *bucket, struct bucket_rate rate, int64_t tokens)
{
    int64_t given_ns = rate.token_ns * tokens;

    bucket->full_ns = bucket->full_ns > given_ns ? bucket->full_ns - given_ns : 0;
}

int64_t bucket_wait_us(const struct bucket *bucket, struct bucket_rate rate, int64_t tokens,
                       int64_t now_us)
{
    int64_t wait_ns = missing_ns(bucket, now_us) - most_missing_ns(rate, tokens);

    if (rate.token_ns == 0 || wait_ns <= 0)
        return 0;
    return (wait_ns + NS_PER_US - 1) / NS_PER_US;
}
