/*
 * What the files of the engine share.
 */
#pragma once

#include <pthread.h>

#include "base/fiber.h"
#include "base/histogram.h"
#include "base/log.h"
#include "jobs/jobs.h"
#include "pg/pg.h"

struct jobs {
    const struct house *house;
    const struct job_kind *const *kinds;
    size_t kind_count;
    struct job_counts *counts; /* by kind, and one row more for kinds that are not known */

    pthread_mutex_t mutex;
    pthread_cond_t changed;
    bool stopping;
    bool woken;           /* a hint came: look again at once */
    bool hungry;          /* more is due than could be started: look when one has ended */
    int32_t ticks;        /* work on the timer thread that will still touch this */
    int64_t look_at_us;   /* monotonic: the next poll */
    struct fiber *parked; /* the scheduler, waiting */
    bool scheduler_lives;
    int32_t running; /* obligations and advances in fibers of their own */

    /* Of the scheduler alone: */
    int32_t next_range;
    bool in_trouble; /* said once, until it works again */
};

/* NULL: no kind of this name. */
const struct job_kind *jobs_kind(const struct jobs *jobs, const char *name);

/* True: one more may run now, and counts until job_slot_free. */
bool job_slot_take(struct jobs *jobs);
void job_slot_free(struct jobs *jobs);
/* As job_slot_take, without a limit: for what somebody waits for. */
void job_slot_force(struct jobs *jobs);
bool jobs_is_stopping(struct jobs *jobs);
/* jobs_wake for who holds the mutex. */
void jobs_wake_held(struct jobs *jobs);

/*
 * A call of the engine's own: identity "system/jobs", `time_limit_ms` from now, an arena of its own
 * until job_call_close.
 */
void job_call_open(struct call *call, const struct house *house, const char *method,
                   int64_t time_limit_ms);
void job_call_close(struct call *call);

enum job_run {
    JOB_DONE,
    JOB_LOST,   /* somebody else holds the lease */
    JOB_FAILED, /* logged, and due again */
};
#define JOB_RUNS 3

/* measure.c */

struct job_counts {
    struct histogram durations[JOB_RUNS];
};

struct job_counts *job_counts_open(size_t kind_count);
void job_counts_close(struct job_counts *counts);

/* A run took `duration_us`. */
void job_count(const struct jobs *jobs, const struct obligation *obligation, enum job_run outcome,
               int64_t duration_us);

enum job_way {
    JOB_FOUND,  /* anybody may have found it: claimed first */
    JOB_DRIVEN, /* due on a clock that this process advances: claimed only where the kind needs it
                 */
};

/*
 * Runs the obligation.  `retry_at_us` tells when it is due again after a failure, in the
 * obligation's own time; 0: with back-off from now.  `*problem` (may be NULL) then says what went
 * wrong, in `arena`.
 */
enum job_run job_run(const struct jobs *jobs, const struct obligation *obligation, enum job_way way,
                     int64_t retry_at_us, struct arena *arena, const char **problem);

#define JOB_PROBLEM_SIZE 512

/* "membership.renew <key> of customers/<customer>: <problem>" */
void job_say(const struct obligation *obligation, const char *problem, char text[JOB_PROBLEM_SIZE]);

struct obligation *obligation_copy(struct arena *arena, const struct obligation *obligation);

/* What became of obligations that were run together; what was not begun is in none of them. */
struct job_tally {
    int32_t done;
    int32_t lost;
    int32_t failed;
    char problem[JOB_PROBLEM_SIZE]; /* of one that failed */
};

/*
 * Runs all of the list at once, within what jobs_max leaves, and waits for them.  Obligations of
 * one customer are side by side in the list and are run in its order.  None is begun after
 * `until_us` (monotonic) or when the engine stops.
 */
void jobs_run_together(struct jobs *jobs, const struct obligation *list, size_t count,
                       bool on_clock, int64_t until_us, struct job_tally *tally);

/* jobs_store.c */

/* Due in wall time in the buckets, not leased; at most `limit`, the longest due first. */
const struct error *obligation_list_due(struct call *call, int32_t bucket_first,
                                        int32_t bucket_last, int64_t now_us, int64_t limit,
                                        struct obligation **obligations, size_t *count) MUST_CHECK;

/* When the next is due on the clock, until the target; `*found` false: none. */
const struct error *obligation_next_due(struct call *call, struct uuid test_clock,
                                        int64_t target_us, int64_t *due_us, bool *found) MUST_CHECK;

/*
 * At most `limit` of those due on the clock at exactly `due_us`, in order of (customer, kind, key),
 * behind `*after` (NULL: from the first).
 */
const struct error *obligation_list_moment(struct call *call, struct uuid test_clock,
                                           int64_t due_us, const struct obligation *after,
                                           int64_t limit, struct obligation **obligations,
                                           size_t *count) MUST_CHECK;

/*
 * What the clock's customers owe in wall time: work with a gateway that is not settled.  At most
 * `limit`, a customer's side by side.
 */
const struct error *obligation_list_unsettled(struct call *call, struct uuid test_clock,
                                              int64_t limit, struct obligation **obligations,
                                              size_t *count) MUST_CHECK;

/* `*epoch` 0: somebody else was first. */
const struct error *obligation_claim(struct call *call, const struct obligation *obligation,
                                     int64_t lease_ms, int64_t *epoch) MUST_CHECK;

const struct error *obligation_fail(struct call *call, const struct obligation *obligation,
                                    int64_t due_us, const char *failure) MUST_CHECK;

enum clock_claim { CLOCK_CLAIMED, CLOCK_BUSY, CLOCK_ABSENT, CLOCK_BACKWARDS };

struct clock_run {
    struct uuid clock;
    int64_t epoch;
    int64_t time_us;
    int64_t target_us;
};

const struct error *clock_run_claim(struct call *call, struct uuid clock, int64_t target_us,
                                    int64_t lease_ms, struct clock_run *run,
                                    enum clock_claim *outcome) MUST_CHECK;

/* `*held` false: the advance is somebody else's now. */
const struct error *clock_run_move(struct call *call, const struct clock_run *run, int64_t time_us,
                                   int64_t lease_ms, bool *held) MUST_CHECK;
const struct error *clock_run_stop(struct call *call, const struct clock_run *run, bool reached)
    MUST_CHECK;
const struct error *clock_run_release(struct call *call, const struct clock_run *run) MUST_CHECK;

/* A clock whose advance nobody drives; `*found` false: none. */
const struct error *clock_find_abandoned(struct call *call, struct uuid *clock, int64_t *target_us,
                                         bool *found) MUST_CHECK;

/* scheduler.c: the fiber that looks for what is due. */
void schedule(void *arg);

/* advance.c: goes on with an advance that was cut short, in a fiber of its own. */
void jobs_continue_advance(struct jobs *jobs, struct uuid clock, int64_t target_us);

void job_log_error(const struct house *house, enum log_level level, const char *event,
                   const struct obligation *obligation, const struct error *error);
