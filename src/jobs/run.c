/*
 * Running one obligation: claim, run, and on an error due again with back-off.  The claim's lease
 * is longer than the run may take, so a lease is never renewed; what overstays it is stopped by the
 * epoch guard of its own recorded step.  Where that step is all that needs guarding, and nobody
 * else looks, the claim is saved.
 */
#include "base/fail_point.h"
#include "base/random.h"
#include "base/settings.h"
#include "base/text.h"
#include "base/time.h"
#include "base/trace.h"
#include "jobs/engine.h"

#define JOB_ARENA_MAX (4 * 1024 * 1024)

#define BACK_OFF_FIRST_US US_PER_SECOND
#define BACK_OFF_MAX_US   US_PER_HOUR

/* Of the lease, what is left when the run's deadline passes. */
#define LEASE_MARGIN_MS 1000

/* For recording a failure after the run has used up its time. */
#define RECORD_LIMIT_MS 5000

void job_call_open(struct call *call, const struct house *house, const char *method,
                   int64_t time_limit_ms)
{
    struct arena *arena = arena_new(JOB_ARENA_MAX);

    *call = call_of_house(house, arena, "system/jobs", arena_strdup(arena, method),
                          time_limit_ms * US_PER_MS);
    trace_begin(call);
}

void job_call_close(struct call *call)
{
    arena_free(call->arena);
    call->arena = NULL;
}

void job_log_error(const struct house *house, enum log_level level, const char *event,
                   const struct obligation *obligation, const struct error *error)
{
    char customer[UUID_TEXT_LENGTH + 1];

    uuid_format(obligation->customer, customer);
    log_write(house->log, level, event,
              LOG_FIELDS(LOG_TEXT("kind", obligation->kind), LOG_TEXT("customer", customer),
                         LOG_TEXT("key", obligation->business_key),
                         LOG_NUMBER("failures", obligation->failure_count + 1),
                         LOG_TEXT("code", status_name(error->status)),
                         LOG_TEXT("reason", error->reason), LOG_TEXT("message", error->message),
                         LOG_TEXT("cause", error->cause)));
}

void job_say(const struct obligation *obligation, const char *problem, char text[JOB_PROBLEM_SIZE])
{
    char customer[UUID_TEXT_LENGTH + 1];

    uuid_format(obligation->customer, customer);
    snprintf(text, JOB_PROBLEM_SIZE, "%s %s of customers/%s: %s", obligation->kind,
             obligation->business_key, customer, problem);
}

struct obligation *obligation_copy(struct arena *arena, const struct obligation *obligation)
{
    struct obligation *copy = arena_copy(arena, obligation, sizeof(*obligation));

    copy->kind = arena_strdup(arena, obligation->kind);
    copy->business_key = arena_strdup(arena, obligation->business_key);
    return copy;
}

/* Doubled with each failure, and half of it by chance so that those that failed together spread. */
static int64_t back_off_us(const struct house *house, int32_t failure_count)
{
    int64_t back_off = BACK_OFF_FIRST_US;

    for (int32_t i = 0; i < failure_count && back_off < BACK_OFF_MAX_US; i++)
        back_off *= 2;
    if (back_off > BACK_OFF_MAX_US)
        back_off = BACK_OFF_MAX_US;
    return back_off / 2 + (int64_t)random_below(house->random, (uint64_t)back_off / 2 + 1);
}

static void record_failure(const struct house *house, const struct obligation *obligation,
                           int64_t retry_at_us, const struct error *error)
{
    struct call call;

    job_call_open(&call, house, "jobs/fail", RECORD_LIMIT_MS);
    int64_t due_us = retry_at_us != 0 ? retry_at_us
                                      : call.now_us + back_off_us(house, obligation->failure_count);
    const char *failure = arena_printf(call.arena, "%s %s: %s", status_name(error->status),
                                       error->reason, error->message);
    const struct error *trouble = FAIL_STEP(&call, "jobs.fail", obligation->kind,
                                            obligation_fail(&call, obligation, due_us, failure));
    if (trouble != NULL) /* the lease's end makes it due again */
        job_log_error(house, LOG_WARNING, "job.failure_not_recorded", obligation, trouble);
    job_call_close(&call);
}

static const struct error *run_claimed(const struct jobs *jobs, struct call *call,
                                       const struct obligation *obligation)
{
    const struct job_kind *kind = jobs_kind(jobs, obligation->kind);

    if (kind == NULL)
        return refuse(call, STATUS_INTERNAL, "INTERNAL", "no such kind of obligation");
    call->customer = uuid_text(call->arena, obligation->customer);
    return FAIL_STEP(call, "jobs.run", obligation->kind, kind->run(call, obligation));
}

/* `*lost`: somebody else was first. */
static const struct error *claim(const struct jobs *jobs, struct call *call, enum job_way way,
                                 struct obligation *held, bool *lost)
{
    const struct job_kind *kind = jobs_kind(jobs, held->kind);

    *lost = false;
    if (way == JOB_DRIVEN && kind != NULL && kind->is_guarded)
        return NULL;
    TRY(FAIL_STEP(call, "jobs.claim", held->kind,
                  obligation_claim(call, held, jobs->house->settings->job_lease_ms, &held->epoch)));
    *lost = held->epoch == 0;
    return NULL;
}

enum job_run job_run(const struct jobs *jobs, const struct obligation *obligation, enum job_way way,
                     int64_t retry_at_us, struct arena *arena, const char **problem)
{
    struct obligation held = *obligation;
    enum job_run outcome = JOB_DONE;
    struct call call;
    bool lost;

    job_call_open(&call, jobs->house, "jobs/",
                  jobs->house->settings->job_lease_ms - LEASE_MARGIN_MS);
    call.method = arena_printf(call.arena, "jobs/%s", obligation->kind);
    int64_t begin_us = clock_monotonic_us(jobs->house->clock);
    const struct error *error = claim(jobs, &call, way, &held, &lost);
    if (lost) {
        job_count(jobs, obligation, JOB_LOST, clock_monotonic_us(jobs->house->clock) - begin_us);
        job_call_close(&call);
        return JOB_LOST;
    }
    bool is_claimed = error == NULL;
    if (is_claimed)
        error = run_claimed(jobs, &call, &held);
    if (error != NULL) {
        outcome = JOB_FAILED;
        job_log_error(jobs->house, LOG_WARNING, "job.failed", &held, error);
        if (is_claimed)
            record_failure(jobs->house, &held, retry_at_us, error);
        if (problem != NULL)
            *problem = arena_printf(arena, "%s: %s", error->reason, error->message);
    } else {
        log_write(jobs->house->log, LOG_DEBUG, "job.done",
                  LOG_FIELDS(LOG_TEXT("kind", held.kind), LOG_TEXT("customer", call.customer),
                             LOG_TEXT("key", held.business_key),
                             LOG_NUMBER("duration_us",
                                        clock_monotonic_us(jobs->house->clock) - begin_us)));
    }
    job_count(jobs, obligation, outcome, clock_monotonic_us(jobs->house->clock) - begin_us);
    job_call_close(&call);
    return outcome;
}
