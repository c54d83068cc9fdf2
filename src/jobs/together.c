/*
 * Running many obligations at once: as many fibers as may run deal the list out among themselves,
 * and the caller, who is one of them, goes on when all have ended.  What one customer owes stays in
 * its order, so a list keeps a customer's obligations side by side.
 */
#include "base/text.h"
#include "base/time.h"
#include "jobs/engine.h"

struct together {
    struct jobs *jobs;
    const struct obligation *list;
    size_t count;
    bool on_clock;
    int64_t until_us;
    pthread_mutex_t mutex; /* guards what is below */
    struct job_tally *tally;
    size_t next;
    int32_t helpers;      /* fibers of ours beside the caller */
    struct fiber *parked; /* the caller, waiting for them */
};

/* Nothing more is to be begun. */
static bool is_over(const struct together *together)
{
    return jobs_is_stopping(together->jobs) ||
           clock_monotonic_us(together->jobs->house->clock) >= together->until_us;
}

/* The next customer's obligations; false: nothing more is to be begun. */
static bool take(struct together *together, size_t *first, size_t *end)
{
    bool over = is_over(together);

    pthread_mutex_lock(&together->mutex);
    over = over || together->next == together->count;
    if (!over) {
        struct uuid customer = together->list[together->next].customer;
        *first = together->next;
        while (together->next < together->count &&
               uuid_equal(together->list[together->next].customer, customer))
            together->next++;
        *end = together->next;
    }
    pthread_mutex_unlock(&together->mutex);
    return !over;
}

static void note(struct together *together, const struct obligation *obligation,
                 enum job_run outcome, const char *problem)
{
    struct job_tally *tally = together->tally;

    pthread_mutex_lock(&together->mutex);
    switch (outcome) {
    case JOB_DONE:
        tally->done++;
        break;
    case JOB_LOST:
        tally->lost++;
        break;
    case JOB_FAILED:
        tally->failed++;
        job_say(obligation, problem, tally->problem);
        break;
    }
    pthread_mutex_unlock(&together->mutex);
}

static enum job_run run_one(struct together *together, const struct obligation *obligation)
{
    struct arena *arena = arena_new(64 * 1024);
    const char *problem = "";
    int64_t retry_at_us = together->on_clock ? obligation->due_us : 0;
    enum job_run outcome =
        job_run(together->jobs, obligation, together->on_clock ? JOB_DRIVEN : JOB_FOUND,
                retry_at_us, arena, &problem);

    note(together, obligation, outcome, problem);
    arena_free(arena);
    return outcome;
}

/* What a customer owes after something that was not done has to wait for it. */
static void work(struct together *together)
{
    size_t first;
    size_t end;

    while (take(together, &first, &end)) {
        enum job_run outcome = JOB_DONE;
        for (size_t i = first; i < end && outcome == JOB_DONE; i++)
            outcome = run_one(together, &together->list[i]);
    }
}

static void help(void *arg)
{
    struct together *together = arg;
    struct fiber *caller = NULL;

    work(together);
    job_slot_free(together->jobs);
    pthread_mutex_lock(&together->mutex);
    if (--together->helpers == 0) {
        caller = together->parked;
        together->parked = NULL;
    }
    pthread_mutex_unlock(&together->mutex);
    /* It lives on the caller's stack: gone, unless the caller waits. */
    if (caller != NULL)
        fiber_resume(caller);
}

/* A helper runs at once: one that finds nothing to begin would be followed by the next for ever. */
static bool has_more(struct together *together)
{
    bool over = is_over(together);

    pthread_mutex_lock(&together->mutex);
    bool more = !over && together->next < together->count;
    pthread_mutex_unlock(&together->mutex);
    return more;
}

static void count_helper(struct together *together, int32_t by)
{
    pthread_mutex_lock(&together->mutex);
    together->helpers += by;
    pthread_mutex_unlock(&together->mutex);
}

static void call_helpers(struct together *together)
{
    struct jobs *jobs = together->jobs;

    while (has_more(together) && job_slot_take(jobs)) {
        count_helper(together, 1);
        if (fiber_start(jobs->house->fibers, help, together))
            continue;
        count_helper(together, -1);
        job_slot_free(jobs);
        return;
    }
}

static void await_helpers(struct fiber *self, void *arg)
{
    struct together *together = arg;

    pthread_mutex_lock(&together->mutex);
    bool over = together->helpers == 0;
    if (!over)
        together->parked = self;
    pthread_mutex_unlock(&together->mutex);
    if (over)
        fiber_resume(self);
}

void jobs_run_together(struct jobs *jobs, const struct obligation *list, size_t count,
                       bool on_clock, int64_t until_us, struct job_tally *tally)
{
    struct together together = {
        .jobs = jobs,
        .list = list,
        .count = count,
        .on_clock = on_clock,
        .until_us = until_us,
        .tally = tally,
    };

    *tally = (struct job_tally){.done = 0};
    pthread_mutex_init(&together.mutex, NULL);
    call_helpers(&together);
    work(&together);
    fiber_park(await_helpers, &together);
    pthread_mutex_destroy(&together.mutex);
}
