/*
 * The rule is told in the header; here it is kept from swinging: what is measured is smoothed over
 * some ticks, the limit falls in one step and rises in several.
 */

#include "rpc/admission.h"

#include "base/time.h"

/* A lower rate counts for one in so many. */
#define SMOOTHING 16

/*
 * Half a second in a row is no moment any more.  At the start of a burst nothing is answered yet,
 * and a slow fsync of the machine passes.
 */
#define CROWDED_TICKS 10

void admission_init(struct admission *admission, int64_t target_us, int64_t calls_max)
{
    *admission = (struct admission){.target_us = target_us, .most = calls_max};
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

static int64_t take(atomic_int_least64_t *sum)
{
    return atomic_exchange_explicit(sum, 0, memory_order_relaxed);
}

static int64_t within(const struct admission *admission, int64_t limit)
{
    if (limit > admission->most)
        limit = admission->most;
    return limit < ADMISSION_LEAST ? ADMISSION_LEAST : limit;
}

/* What the database can do shows only while it has enough to do: up at once, down slowly. */
static void learn_rate(struct admission *admission, int64_t answered, int64_t passed_us)
{
    int64_t rate = (answered - admission->answered) * US_PER_SECOND / passed_us;

    admission->answered = answered;
    admission->rate =
        rate > admission->rate ? rate : admission->rate - (admission->rate - rate) / SMOOTHING;
}

static int64_t next_limit(struct admission *admission, int64_t wanted, int64_t inside, bool refused)
{
    int64_t limit = atomic_load_explicit(&admission->limit, memory_order_relaxed);

    admission->crowded = inside > wanted ? admission->crowded + 1 : 0;
    if (admission->crowded >= CROWDED_TICKS)
        return wanted < limit ? wanted : limit;
    if (admission->crowded > 0)
        return limit;
    if (!refused)
        return limit + limit / 8;
    /* It refuses although the database would do more: most of the way in some steps, and beyond. */
    int64_t step = wanted > limit ? (wanted - limit) / 4 : 0;
    return limit + step + limit / 32 + 1;
}

void admission_tick(struct admission *admission, int64_t waiting, int64_t answered, int64_t now_us)
{
    int64_t passed_us = now_us - admission->ticked_us;
    bool first = admission->ticked_us == 0;

    if (admission->target_us == 0 || passed_us < ADMISSION_TICK_US)
        return;
    int64_t asked = take(&admission->asked);
    int64_t found = take(&admission->found);
    bool refused = take(&admission->refused) > 0;
    admission->ticked_us = now_us;
    if (first) {
        admission->answered = answered;
        return;
    }
    learn_rate(admission, answered, passed_us);
    int64_t wanted = within(admission, admission->rate * admission->target_us / US_PER_SECOND);
    int64_t limit = next_limit(admission, wanted, asked > 0 ? found / asked : waiting, refused);
    atomic_store_explicit(&admission->limit, within(admission, limit), memory_order_relaxed);
}
