/*
 * The rule is told in the header; here it is kept from swinging: what is measured is smoothed over
 * some ticks, the limit falls at once and rises in steps.
 */

#include "rpc/admission.h"

#include "base/time.h"

/* New values count for one in so many. */
#define SMOOTHING 4

/* Before the first calls have ended: a payment reads twice and writes twice. */
#define OPS_AT_FIRST 4

void admission_init(struct admission *admission, int64_t target_us, int64_t calls_max)
{
    *admission = (struct admission){
        .target_us = target_us,
        .most = calls_max,
        .ops_kept = OPS_AT_FIRST,
        .ops_squared_kept = OPS_AT_FIRST * OPS_AT_FIRST,
    };
    atomic_init(&admission->limit, calls_max);
}

bool admission_admits(struct admission *admission, int64_t waiting)
{
    if (admission->target_us == 0)
        return true;
    atomic_fetch_add_explicit(&admission->asked, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&admission->found, waiting, memory_order_relaxed);
    if (waiting < atomic_load_explicit(&admission->limit, memory_order_relaxed))
        return true;
    atomic_fetch_add_explicit(&admission->refused, 1, memory_order_relaxed);
    return false;
}

void admission_ended(struct admission *admission, int64_t ops)
{
    if (admission->target_us == 0 || ops == 0)
        return;
    atomic_fetch_add_explicit(&admission->ops, ops, memory_order_relaxed);
    atomic_fetch_add_explicit(&admission->ops_squared, ops * ops, memory_order_relaxed);
}

static int64_t take(atomic_int_least64_t *sum)
{
    return atomic_exchange_explicit(sum, 0, memory_order_relaxed);
}

static void learn_ops(struct admission *admission)
{
    int64_t ops = take(&admission->ops);
    int64_t squared = take(&admission->ops_squared);

    if (ops == 0)
        return;
    /* Sums, so a tick counts for as many calls as ended in it. */
    admission->ops_kept += ops - admission->ops_kept / SMOOTHING;
    admission->ops_squared_kept += squared - admission->ops_squared_kept / SMOOTHING;
}

static int64_t within(const struct admission *admission, int64_t limit)
{
    if (limit > admission->most)
        limit = admission->most;
    return limit < ADMISSION_LEAST ? ADMISSION_LEAST : limit;
}

/* Of how many ops the call is that a random op belongs to: Σ n² / Σ n. */
static int64_t wanted(const struct admission *admission)
{
    int64_t ops = admission->rate * admission->target_us / US_PER_SECOND;

    return within(admission, ops * admission->ops_kept / admission->ops_squared_kept);
}

static int64_t next_limit(int64_t limit, int64_t wanted, int64_t inside, bool refused)
{
    if (inside > wanted)
        return wanted < limit ? wanted : limit;
    if (!refused)
        return limit + limit / 8;
    /* It refuses although the database would do more: there in some steps, or beyond in small ones.
     */
    int64_t step = wanted > limit ? (wanted - limit) / 4 : 0;
    return limit + step + limit / 32 + 1;
}

void admission_tick(struct admission *admission, int64_t waiting, int64_t answered, int64_t now_us)
{
    int64_t passed_us = now_us - admission->ticked_us;

    if (admission->target_us == 0 || passed_us < ADMISSION_TICK_US)
        return;
    int64_t rate = (answered - admission->answered) * US_PER_SECOND / passed_us;
    int64_t asked = take(&admission->asked);
    int64_t found = take(&admission->found);
    bool refused = take(&admission->refused) > 0;
    bool first = admission->ticked_us == 0;

    admission->ticked_us = now_us;
    admission->answered = answered;
    learn_ops(admission);
    if (first)
        return;
    /* What it can do shows only while it has enough to do: up at once, down slowly. */
    admission->rate = rate > admission->rate
                          ? rate
                          : admission->rate - (admission->rate - rate) / (2 * SMOOTHING);
    int64_t inside = asked > 0 ? found / asked : waiting;
    int64_t limit = atomic_load_explicit(&admission->limit, memory_order_relaxed);
    limit = next_limit(limit, wanted(admission), inside, refused);
    atomic_store_explicit(&admission->limit, within(admission, limit), memory_order_relaxed);
}
