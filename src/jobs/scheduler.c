/*
 * The scheduler: one fiber that looks for what is due in wall time and starts a fiber for each.  It
 * looks every job_poll_ms, and at once when jobs_wake says so.
 */
#include "base/random.h"
#include "base/settings.h"
#include "base/time.h"
#include "jobs/engine.h"

/* Buckets read with one statement.  Servers begin at different ranges, so they seldom meet. */
#define RANGE_BUCKETS 8
#define RANGE_COUNT   (JOB_BUCKETS / RANGE_BUCKETS)

#define LOOK_LIMIT_MS 5000

/* A due obligation on its way into a fiber of its own. */
struct job {
    struct jobs *jobs;
    struct arena *arena;
    struct obligation *obligation;
};

static void run_job(void *arg)
{
    struct job *job = arg;
    struct jobs *jobs = job->jobs;

    job_run(jobs, job->obligation, JOB_FOUND, 0, NULL, NULL);
    arena_free(job->arena);
    job_slot_free(jobs);
}

/* False: no room for one more now. */
static bool start_job(struct jobs *jobs, const struct obligation *obligation)
{
    if (!job_slot_take(jobs))
        return false;
    struct arena *arena = arena_new(64 * 1024);
    struct job *job = arena_alloc(arena, sizeof(*job));
    job->jobs = jobs;
    job->arena = arena;
    job->obligation = obligation_copy(arena, obligation);
    if (fiber_start(jobs->house->fibers, run_job, job))
        return true;
    arena_free(arena);
    job_slot_free(jobs);
    return false;
}

/* `*hungry`: more may be due than was started. */
static const struct error *look_in_range(struct jobs *jobs, struct call *call, int32_t range,
                                         bool *hungry)
{
    int64_t limit = jobs->house->settings->jobs_max;
    struct obligation *due;
    size_t count;

    if (limit > PG_ROWS_MAX - 1)
        limit = PG_ROWS_MAX - 1;
    TRY(obligation_list_due(call, range * RANGE_BUCKETS, (range + 1) * RANGE_BUCKETS - 1,
                            call->now_us, limit, &due, &count));
    *hungry = *hungry || count == (size_t)limit;
    for (size_t i = 0; i < count; i++) {
        if (!start_job(jobs, &due[i])) {
            *hungry = true;
            return NULL;
        }
    }
    return NULL;
}

static const struct error *look_everywhere(struct jobs *jobs, struct call *call, bool *hungry)
{
    for (int32_t i = 0; i < RANGE_COUNT && !*hungry; i++) {
        TRY(look_in_range(jobs, call, jobs->next_range, hungry));
        jobs->next_range = (jobs->next_range + 1) % RANGE_COUNT;
    }
    if (!jobs->house->settings->sandbox)
        return NULL;

    struct uuid clock;
    int64_t target_us;
    bool found;
    TRY(clock_find_abandoned(call, &clock, &target_us, &found));
    if (found)
        jobs_continue_advance(jobs, clock, target_us);
    return NULL;
}

static void look(struct jobs *jobs)
{
    bool hungry = false;
    struct call call;

    job_call_open(&call, jobs->house, "jobs/look", LOOK_LIMIT_MS);
    const struct error *error = look_everywhere(jobs, &call, &hungry);
    if (error != NULL && !jobs->in_trouble)
        log_write(jobs->house->log, LOG_WARNING, "jobs.cannot_look",
                  LOG_FIELDS(LOG_TEXT("reason", error->reason), LOG_TEXT("message", error->message),
                             LOG_TEXT("cause", error->cause)));
    jobs->in_trouble = error != NULL;
    job_call_close(&call);

    pthread_mutex_lock(&jobs->mutex);
    jobs->hungry = hungry;
    /* What ended before this was said could not know that somebody waits for its place. */
    if (error == NULL && hungry && jobs->running < jobs->house->settings->jobs_max)
        jobs_wake_held(jobs);
    pthread_mutex_unlock(&jobs->mutex);
}

/* On the timer thread. */
static void tick(void *arg);

/*
 * With the mutex held.  Short steps instead of one long timer, because a timer cannot be cancelled
 * and jobs_stop waits for it.
 */
static void arm_tick(struct jobs *jobs, int64_t delay_us)
{
    jobs->ticks++;
    fiber_after(jobs->house->fibers, delay_us, tick, jobs);
}

static void tick(void *arg)
{
    struct jobs *jobs = arg;
    struct fiber *fiber = NULL;
    int64_t now_us = clock_monotonic_us(jobs->house->clock);

    pthread_mutex_lock(&jobs->mutex);
    jobs->ticks--;
    if (jobs->woken || jobs->stopping || now_us >= jobs->look_at_us) {
        fiber = jobs->parked;
        jobs->parked = NULL;
    }
    if (jobs->ticks == 0 && jobs->parked != NULL) {
        int64_t left_us = jobs->look_at_us - now_us;
        arm_tick(jobs, left_us < 100 * US_PER_MS ? left_us : 100 * US_PER_MS);
    }
    pthread_cond_broadcast(&jobs->changed);
    pthread_mutex_unlock(&jobs->mutex);
    if (fiber != NULL)
        fiber_resume(fiber);
}

static void rest(struct fiber *self, void *arg)
{
    struct jobs *jobs = arg;

    pthread_mutex_lock(&jobs->mutex);
    jobs->parked = self;
    if (jobs->woken || jobs->stopping || jobs->ticks == 0)
        arm_tick(jobs, 0);
    pthread_mutex_unlock(&jobs->mutex);
}

void schedule(void *arg)
{
    struct jobs *jobs = arg;

    jobs->next_range = (int32_t)random_below(jobs->house->random, RANGE_COUNT);
    while (!jobs_is_stopping(jobs)) {
        pthread_mutex_lock(&jobs->mutex);
        jobs->woken = false;
        jobs->look_at_us =
            clock_monotonic_us(jobs->house->clock) + jobs->house->settings->job_poll_ms * US_PER_MS;
        pthread_mutex_unlock(&jobs->mutex);
        look(jobs);
        fiber_park(rest, jobs);
    }
    pthread_mutex_lock(&jobs->mutex);
    jobs->scheduler_lives = false;
    pthread_cond_broadcast(&jobs->changed);
    pthread_mutex_unlock(&jobs->mutex);
}

void jobs_wake_held(struct jobs *jobs)
{
    if (jobs->woken)
        return;
    jobs->woken = true;
    if (jobs->parked != NULL)
        arm_tick(jobs, 0);
}

void jobs_wake(struct jobs *jobs)
{
    pthread_mutex_lock(&jobs->mutex);
    jobs_wake_held(jobs);
    pthread_mutex_unlock(&jobs->mutex);
}
