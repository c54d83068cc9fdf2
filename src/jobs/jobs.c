/*
 * Life of the engine: open, start, stop, close, and how many run at once.
 */
#include "jobs/jobs.h"

#include "base/bug.h"
#include "base/settings.h"
#include "base/text.h"
#include "base/time.h"
#include "jobs/engine.h"

struct jobs *jobs_open(const struct house *house, const struct job_kind *const *kinds,
                       size_t kind_count)
{
    struct jobs *jobs = calloc(1, sizeof(*jobs));
    pthread_condattr_t attributes;

    if (jobs == NULL)
        bug("no memory for the job engine");
    jobs->house = house;
    jobs->kinds = kinds;
    jobs->kind_count = kind_count;
    jobs->counts = job_counts_open(kind_count);
    pthread_mutex_init(&jobs->mutex, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&jobs->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    return jobs;
}

void jobs_start(struct jobs *jobs)
{
    jobs->scheduler_lives = true;
    if (!fiber_start(jobs->house->fibers, schedule, jobs))
        bug("no fiber for the job scheduler");
}

static bool is_quiet(const struct jobs *jobs)
{
    return !jobs->scheduler_lives && jobs->running == 0 && jobs->ticks == 0;
}

bool jobs_stop(struct jobs *jobs, int64_t grace_ms)
{
    /* The condition's own clock: a test's clock must not make this wait for ever. */
    int64_t until_us = clock_monotonic_us(clock_system()) + grace_ms * US_PER_MS;
    struct timespec until = {
        .tv_sec = until_us / US_PER_SECOND,
        .tv_nsec = until_us % US_PER_SECOND * 1000,
    };

    pthread_mutex_lock(&jobs->mutex);
    jobs->stopping = true;
    pthread_mutex_unlock(&jobs->mutex);
    jobs_wake(jobs);
    pthread_mutex_lock(&jobs->mutex);
    while (!is_quiet(jobs) && pthread_cond_timedwait(&jobs->changed, &jobs->mutex, &until) == 0)
        continue;
    bool quiet = is_quiet(jobs);
    pthread_mutex_unlock(&jobs->mutex);
    return quiet;
}

size_t jobs_running(struct jobs *jobs)
{
    pthread_mutex_lock(&jobs->mutex);
    size_t running = (size_t)jobs->running;
    pthread_mutex_unlock(&jobs->mutex);
    return running;
}

void jobs_close(struct jobs *jobs)
{
    if (jobs == NULL)
        return;
    pthread_mutex_lock(&jobs->mutex);
    bool quiet = is_quiet(jobs);
    pthread_mutex_unlock(&jobs->mutex);
    /* What overstayed its grace still touches this, until the process ends. */
    if (!quiet)
        return;
    pthread_cond_destroy(&jobs->changed);
    pthread_mutex_destroy(&jobs->mutex);
    job_counts_close(jobs->counts);
    free(jobs);
}

const struct job_kind *jobs_kind(const struct jobs *jobs, const char *name)
{
    for (size_t i = 0; i < jobs->kind_count; i++) {
        if (text_equal(jobs->kinds[i]->name, name))
            return jobs->kinds[i];
    }
    return NULL;
}

bool jobs_is_stopping(struct jobs *jobs)
{
    pthread_mutex_lock(&jobs->mutex);
    bool stopping = jobs->stopping;
    pthread_mutex_unlock(&jobs->mutex);
    return stopping;
}

bool job_slot_take(struct jobs *jobs)
{
    pthread_mutex_lock(&jobs->mutex);
    bool taken = !jobs->stopping && jobs->running < jobs->house->settings->jobs_max;
    if (taken)
        jobs->running++;
    pthread_mutex_unlock(&jobs->mutex);
    return taken;
}

void job_slot_force(struct jobs *jobs)
{
    pthread_mutex_lock(&jobs->mutex);
    jobs->running++;
    pthread_mutex_unlock(&jobs->mutex);
}

void job_slot_free(struct jobs *jobs)
{
    pthread_mutex_lock(&jobs->mutex);
    jobs->running--;
    if (jobs->hungry && !jobs->stopping)
        jobs_wake_held(jobs);
    pthread_cond_broadcast(&jobs->changed);
    pthread_mutex_unlock(&jobs->mutex);
}
