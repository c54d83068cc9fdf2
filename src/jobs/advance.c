/*
 * Advancing a test clock: from moment to moment, everything due at one of them at once, each
 * customer's in order; and before time moves on all that was sent to a gateway is settled.  The
 * clock's row holds the target, an epoch and a lease, so an advance that is cut short (a crash, a
 * deadline) is continued by the scheduler, or by repeating the call.
 */
#include "base/settings.h"
#include "base/text.h"
#include "base/time.h"
#include "jobs/engine.h"

/* One statement of the advance's own. */
#define STEP_LIMIT_MS 10000

/* How many are looked up, and run together, at a time. */
#define TOGETHER_MAX (PG_ROWS_MAX - 1)

/* How long the money of one moment may go without any of it being settled. */
#define SETTLE_LIMIT_US (60 * US_PER_SECOND)

/* A moment at which something fails so often, or is due again and again, stops the clock. */
#define FAILURES_MAX 5
#define PASSES_MAX   50

#define PAUSE_FIRST_US (20 * US_PER_MS)
#define PAUSE_MAX_US   US_PER_SECOND

enum advance_end {
    ADVANCE_REACHED,
    ADVANCE_LEFT,    /* given up for now: the scheduler goes on with it */
    ADVANCE_LOST,    /* somebody else drives it */
    ADVANCE_STUCK,   /* something due cannot be done; the clock stands */
    ADVANCE_TROUBLE, /* the database is away; the lease's end lets the next one go on */
};

struct advance {
    struct jobs *jobs;
    const struct call *caller; /* who waits; NULL: nobody */
    struct clock_run run;
    int64_t lease_ms;
    char problem[JOB_PROBLEM_SIZE]; /* not in an arena: a long advance has many of them */
};

static void pause_after(int32_t tries)
{
    int64_t pause_us = PAUSE_FIRST_US;

    for (int32_t i = 0; i < tries && pause_us < PAUSE_MAX_US; i++)
        pause_us *= 2;
    fiber_sleep(pause_us < PAUSE_MAX_US ? pause_us : PAUSE_MAX_US);
}

static bool is_to_leave(const struct advance *advance)
{
    return jobs_is_stopping(advance->jobs) ||
           (advance->caller != NULL && call_time_left_us(advance->caller) == 0);
}

/* Whatever is run together ends well before the lease does, and soon after the caller's deadline.
 */
static int64_t until_us(const struct advance *advance)
{
    int64_t slice_us = advance->lease_ms * US_PER_MS / 4;
    int64_t left_us = advance->caller == NULL ? slice_us : call_time_left_us(advance->caller);

    return clock_monotonic_us(advance->jobs->house->clock) +
           (left_us < slice_us ? left_us : slice_us);
}

static bool trouble(struct advance *advance, const struct error *error)
{
    if (error == NULL)
        return false;
    snprintf(advance->problem, sizeof(advance->problem), "%s: %s", error->reason, error->message);
    return true;
}

/* Moves the clock, or only its lease when `time_us` is where it stands. */
static enum advance_end move_clock(struct advance *advance, int64_t time_us)
{
    bool held = false;
    struct call call;

    job_call_open(&call, advance->jobs->house, "jobs/advance", STEP_LIMIT_MS);
    bool failed =
        trouble(advance, clock_run_move(&call, &advance->run, time_us, advance->lease_ms, &held));
    job_call_close(&call);
    if (failed)
        return ADVANCE_TROUBLE;
    advance->run.time_us = time_us;
    return held ? ADVANCE_REACHED : ADVANCE_LOST;
}

/* What is unsettled, to see whether it becomes less. */
struct unsettled {
    size_t count;
    struct uuid first; /* customer */
};

/* Runs what is unsettled, once.  False: it could not be read. */
static bool settle_pass(struct advance *advance, struct unsettled *unsettled)
{
    struct obligation *list;
    struct job_tally tally;
    struct call call;

    *unsettled = (struct unsettled){.count = 0};
    job_call_open(&call, advance->jobs->house, "jobs/advance", STEP_LIMIT_MS);
    bool failed =
        trouble(advance, obligation_list_unsettled(&call, advance->run.clock, TOGETHER_MAX, &list,
                                                   &unsettled->count));
    if (!failed && unsettled->count > 0) {
        unsettled->first = list[0].customer;
        jobs_run_together(advance->jobs, list, unsettled->count, false, until_us(advance), &tally);
        if (tally.failed == 0)
            job_say(&list[0], "not settled in time", tally.problem);
        memcpy(advance->problem, tally.problem, sizeof(advance->problem));
    }
    job_call_close(&call);
    return !failed;
}

/* Nothing that was sent to a gateway is left open at this moment. */
static enum advance_end settle_all(struct advance *advance)
{
    int64_t changed_us = clock_monotonic_us(advance->jobs->house->clock);
    struct unsettled before = {.count = 0};
    struct unsettled now;

    for (int32_t tries = 0;; tries++) {
        if (is_to_leave(advance))
            return ADVANCE_LEFT;
        if (!settle_pass(advance, &now))
            return ADVANCE_TROUBLE;
        if (now.count == 0)
            return ADVANCE_REACHED;
        int64_t now_us = clock_monotonic_us(advance->jobs->house->clock);
        if (now.count != before.count || !uuid_equal(now.first, before.first)) {
            changed_us = now_us;
            before = now;
            tries = 0;
        }
        if (now_us - changed_us > SETTLE_LIMIT_US)
            return ADVANCE_STUCK;
        /* Most are settled by the first pass: look before sleeping. */
        if (tries > 0)
            pause_after(tries);
        enum advance_end end = move_clock(advance, advance->run.time_us);
        if (end != ADVANCE_REACHED)
            return end;
    }
}

/* What one walk over a moment did. */
struct pass {
    size_t found;
    size_t begun;
    int32_t lost;
    int32_t failed;
};

/* The next of the walk; `*after` is then the last of them.  False: there are none. */
static enum advance_end run_some(struct advance *advance, int64_t due_us, int64_t time_us,
                                 struct arena *last, struct obligation **after, struct pass *pass)
{
    struct obligation *list;
    struct job_tally tally = {.done = 0};
    struct call call;
    size_t count = 0;

    job_call_open(&call, advance->jobs->house, "jobs/advance", STEP_LIMIT_MS);
    bool failed = trouble(advance, obligation_list_moment(&call, advance->run.clock, due_us, *after,
                                                          TOGETHER_MAX, &list, &count));
    for (size_t i = 0; i < count; i++)
        list[i].now_us = time_us;
    if (count > 0)
        jobs_run_together(advance->jobs, list, count, true, until_us(advance), &tally);
    if (tally.failed > 0)
        memcpy(advance->problem, tally.problem, sizeof(advance->problem));
    pass->found += count;
    pass->begun += (size_t)(tally.done + tally.lost + tally.failed);
    pass->lost += tally.lost;
    pass->failed += tally.failed;
    arena_reset(last); /* a long walk has many lasts */
    *after = count < TOGETHER_MAX ? NULL : obligation_copy(last, &list[count - 1]);
    job_call_close(&call);
    return failed ? ADVANCE_TROUBLE : ADVANCE_REACHED;
}

/* One walk over all that is due at the moment. */
static enum advance_end run_pass(struct advance *advance, int64_t due_us, int64_t time_us,
                                 struct pass *pass)
{
    struct arena *last = arena_new(64 * 1024);
    struct obligation *after = NULL;
    enum advance_end end;

    *pass = (struct pass){.found = 0};
    do {
        end = is_to_leave(advance) ? ADVANCE_LEFT : move_clock(advance, time_us);
        if (end == ADVANCE_REACHED)
            end = run_some(advance, due_us, time_us, last, &after, pass);
    } while (end == ADVANCE_REACHED && after != NULL);
    arena_free(last);
    return end;
}

/* Everything due on the clock at one moment, also what becomes due at it meanwhile. */
static enum advance_end run_moment(struct advance *advance, int64_t due_us)
{
    int64_t time_us = due_us > advance->run.time_us ? due_us : advance->run.time_us;
    int32_t failed = 0;
    int32_t lost = 0;
    int32_t again = 0;

    for (;;) {
        struct pass pass;
        enum advance_end end = run_pass(advance, due_us, time_us, &pass);
        if (end != ADVANCE_REACHED || pass.found == 0)
            return end;
        if (pass.failed > 0) {
            if (++failed >= FAILURES_MAX)
                return ADVANCE_STUCK;
            pause_after(failed);
        } else if (pass.lost > 0) {
            /* The lease of a crash, or of a claim whose COMMIT was lost: it will be over. */
            pause_after(lost++);
        } else if (pass.begun == pass.found && ++again >= PASSES_MAX) {
            snprintf(advance->problem, sizeof(advance->problem),
                     "something is due at one moment again and again");
            return ADVANCE_STUCK;
        }
    }
}

/* The next moment at which something is due; `*over` when there is none. */
static enum advance_end do_next(struct advance *advance, bool *over)
{
    int64_t due_us = 0;
    struct call call;
    bool found = false;

    job_call_open(&call, advance->jobs->house, "jobs/advance", STEP_LIMIT_MS);
    bool failed = trouble(advance, obligation_next_due(&call, advance->run.clock,
                                                       advance->run.target_us, &due_us, &found));
    if (!failed && !found) {
        failed = trouble(advance, clock_run_stop(&call, &advance->run, true));
        *over = !failed;
    }
    job_call_close(&call);
    if (failed)
        return ADVANCE_TROUBLE;
    return found ? run_moment(advance, due_us) : ADVANCE_REACHED;
}

/* What is not over is let go of: for good when it is stuck, for the next one otherwise. */
static void let_go(struct advance *advance, enum advance_end end)
{
    const struct error *error = NULL;
    struct call call;

    if (end == ADVANCE_REACHED || end == ADVANCE_LOST)
        return;
    job_call_open(&call, advance->jobs->house, "jobs/advance", STEP_LIMIT_MS);
    if (end == ADVANCE_STUCK)
        error = clock_run_stop(&call, &advance->run, false);
    else
        error = clock_run_release(&call, &advance->run);
    if (error != NULL) /* its lease ends by itself */
        log_write(
            advance->jobs->house->log, LOG_WARNING, "jobs.advance_not_released",
            LOG_FIELDS(LOG_TEXT("reason", error->reason), LOG_TEXT("message", error->message)));
    job_call_close(&call);
}

static enum advance_end drive(struct advance *advance)
{
    enum advance_end end = ADVANCE_REACHED;
    bool over = false;

    job_slot_force(advance->jobs);
    while (end == ADVANCE_REACHED && !over) {
        end = is_to_leave(advance) ? ADVANCE_LEFT : settle_all(advance);
        if (end == ADVANCE_REACHED)
            end = do_next(advance, &over);
    }
    let_go(advance, end);
    job_slot_free(advance->jobs);
    return end;
}

static const struct error *refuse_claim(struct call *call, enum clock_claim outcome,
                                        struct uuid clock)
{
    switch (outcome) {
    case CLOCK_CLAIMED:
        return NULL;
    case CLOCK_BUSY:
        return error_retry(refuse(call, STATUS_ABORTED, "TEST_CLOCK_BUSY",
                                  "the clock is being advanced by another call"),
                           1000);
    case CLOCK_ABSENT:
        return not_found(call, "TEST_CLOCK_NOT_FOUND",
                         name_make(call->arena, "testClocks/{}", &clock));
    case CLOCK_BACKWARDS:
        return refuse(call, STATUS_FAILED_PRECONDITION, "TEST_CLOCK_BACKWARDS",
                      "clocks go forward only");
    }
    return NULL;
}

static const struct error *refuse_end(struct call *call, const struct advance *advance,
                                      enum advance_end end)
{
    switch (end) {
    case ADVANCE_REACHED:
        return NULL;
    case ADVANCE_LEFT:
        jobs_wake(advance->jobs);
        return refuse(call, STATUS_DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED",
                      "the advance goes on without this call");
    case ADVANCE_LOST:
        return refuse_claim(call, CLOCK_BUSY, advance->run.clock);
    case ADVANCE_STUCK:
        return error_with(call->arena,
                          refuse(call, STATUS_FAILED_PRECONDITION, "TEST_CLOCK_STUCK",
                                 "something due could not be done: %s", advance->problem),
                          "obligation", "%s", advance->problem);
    case ADVANCE_TROUBLE:
        return error_retry(error_cause(call->arena,
                                       refuse(call, STATUS_UNAVAILABLE, "DATABASE_UNAVAILABLE",
                                              "the advance was interrupted and goes on later"),
                                       "%s", advance->problem),
                           1000);
    }
    return NULL;
}

const struct error *jobs_advance(struct call *call, struct uuid test_clock, int64_t target_us)
{
    struct advance advance = {
        .jobs = call->house->jobs,
        .caller = call,
        .lease_ms = 2 * call->house->settings->job_lease_ms,
    };
    enum clock_claim outcome;

    TRY(clock_run_claim(call, test_clock, target_us, advance.lease_ms, &advance.run, &outcome));
    TRY(refuse_claim(call, outcome, test_clock));
    return refuse_end(call, &advance, drive(&advance));
}

/* An advance that the scheduler goes on with. */
struct continuation {
    struct jobs *jobs;
    struct arena *arena;
    struct uuid clock;
    int64_t target_us;
};

static void continue_advance(void *arg)
{
    struct continuation *continuation = arg;
    struct advance advance = {
        .jobs = continuation->jobs,
        .lease_ms = 2 * continuation->jobs->house->settings->job_lease_ms,
    };
    enum clock_claim outcome = CLOCK_BUSY;
    struct call call;

    job_call_open(&call, continuation->jobs->house, "jobs/advance", STEP_LIMIT_MS);
    const struct error *error = clock_run_claim(&call, continuation->clock, continuation->target_us,
                                                advance.lease_ms, &advance.run, &outcome);
    job_call_close(&call);
    if (error == NULL && outcome == CLOCK_CLAIMED && drive(&advance) == ADVANCE_STUCK)
        log_write(continuation->jobs->house->log, LOG_WARNING, "jobs.advance_stuck",
                  LOG_FIELDS(LOG_TEXT("problem", advance.problem)));
    struct jobs *jobs = continuation->jobs;
    arena_free(continuation->arena);
    job_slot_free(jobs);
}

void jobs_continue_advance(struct jobs *jobs, struct uuid clock, int64_t target_us)
{
    if (!job_slot_take(jobs))
        return;
    struct arena *arena = arena_new(1024 * 1024);
    struct continuation *continuation = arena_alloc(arena, sizeof(*continuation));
    *continuation = (struct continuation){jobs, arena, clock, target_us};
    if (fiber_start(jobs->house->fibers, continue_advance, continuation))
        return;
    arena_free(arena);
    job_slot_free(jobs);
}
