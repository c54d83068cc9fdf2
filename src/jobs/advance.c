/*
 * Advancing a test clock: everything due on the way is run in order, each at its own time, and
 * before time moves on all that was sent to a gateway is settled.  The clock's row holds the
 * target, an epoch and a lease, so an advance that is cut short (a crash, a deadline) is continued
 * by the scheduler, or by repeating the call.
 */
#include "base/settings.h"
#include "base/text.h"
#include "base/time.h"
#include "jobs/engine.h"

/* One statement of the advance's own. */
#define STEP_LIMIT_MS 10000

/* How long the money of one moment may take to be settled. */
#define SETTLE_LIMIT_US (60 * US_PER_SECOND)

/* An obligation that fails so often, or is due again and again at one moment, stops the clock. */
#define FAILURES_MAX 5
#define REPEATS_MAX  50
/* Waiting for a lease, which may be longer than so many repeats, counts as no more than these. */
#define REPEATS_OF_LEASE 10

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
    char problem[512]; /* not in an arena: a long advance has many of them */
    /* The obligation run last, to see one that comes again and again: */
    char last_key[256];
    int64_t last_due_us;
    int32_t repeats;
    int32_t failures;
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

static void say(struct advance *advance, const struct obligation *obligation, const char *problem)
{
    char customer[UUID_TEXT_LENGTH + 1];

    uuid_format(obligation->customer, customer);
    snprintf(advance->problem, sizeof(advance->problem), "%s %s of customers/%s: %s",
             obligation->kind, obligation->business_key, customer, problem);
}

static bool trouble(struct advance *advance, const struct error *error)
{
    if (error == NULL)
        return false;
    snprintf(advance->problem, sizeof(advance->problem), "%s: %s", error->reason, error->message);
    return true;
}

/* Runs each that is unsettled, once; `*settled`: there was none.  False: they could not be read. */
static bool settle_pass(struct advance *advance, bool *settled)
{
    struct obligation *list;
    struct call call;
    size_t count = 0;

    job_call_open(&call, advance->jobs->house, "jobs/advance", STEP_LIMIT_MS);
    bool failed =
        trouble(advance, obligation_list_unsettled(&call, advance->run.clock, &list, &count));
    for (size_t i = 0; i < count && !is_to_leave(advance); i++) {
        const char *problem = "not settled in time";
        job_claim_and_run(advance->jobs, &list[i], 0, call.arena, &problem);
        if (i == 0)
            say(advance, &list[i], problem);
    }
    *settled = count == 0;
    job_call_close(&call);
    return !failed;
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

/* Nothing that was sent to a gateway is left open at this moment. */
static enum advance_end settle_all(struct advance *advance)
{
    int64_t begin_us = clock_monotonic_us(advance->jobs->house->clock);

    for (int32_t tries = 0;; tries++) {
        bool settled;

        if (is_to_leave(advance))
            return ADVANCE_LEFT;
        if (!settle_pass(advance, &settled))
            return ADVANCE_TROUBLE;
        if (settled)
            return ADVANCE_REACHED;
        if (tries == 0)
            continue; /* most are settled by the first pass: look before sleeping */
        if (clock_monotonic_us(advance->jobs->house->clock) - begin_us > SETTLE_LIMIT_US)
            return ADVANCE_STUCK;
        pause_after(tries);
        enum advance_end end = move_clock(advance, advance->run.time_us);
        if (end != ADVANCE_REACHED)
            return end;
    }
}

/* False: it has come at this moment too often. */
static bool count_repeats(struct advance *advance, const struct obligation *obligation)
{
    char key[sizeof(advance->last_key)];
    char customer[UUID_TEXT_LENGTH + 1];

    uuid_format(obligation->customer, customer);
    snprintf(key, sizeof(key), "%s %s %s", customer, obligation->kind, obligation->business_key);
    bool same = text_equal(key, advance->last_key) && obligation->due_us == advance->last_due_us;
    memcpy(advance->last_key, key, sizeof(key));
    advance->last_due_us = obligation->due_us;
    advance->repeats = same ? advance->repeats + 1 : 0;
    if (!same)
        advance->failures = 0;
    return advance->repeats < REPEATS_MAX;
}

static enum advance_end run_next(struct advance *advance, struct arena *arena,
                                 struct obligation *next)
{
    const char *problem = "due again and again";

    if (!count_repeats(advance, next)) {
        say(advance, next, problem);
        return ADVANCE_STUCK;
    }
    int64_t time_us = next->due_us > advance->run.time_us ? next->due_us : advance->run.time_us;
    enum advance_end end = move_clock(advance, time_us);
    if (end != ADVANCE_REACHED)
        return end;
    next->now_us = time_us;
    switch (job_claim_and_run(advance->jobs, next, next->due_us, arena, &problem)) {
    case JOB_DONE:
        return ADVANCE_REACHED;
    case JOB_LOST: /* the lease of a crash or of a claim whose COMMIT was lost: it will be over */
        pause_after(advance->repeats);
        if (advance->repeats > REPEATS_OF_LEASE)
            advance->repeats = REPEATS_OF_LEASE;
        return ADVANCE_REACHED;
    case JOB_FAILED:
        break;
    }
    if (++advance->failures >= FAILURES_MAX) {
        say(advance, next, problem);
        return ADVANCE_STUCK;
    }
    pause_after(advance->failures);
    return ADVANCE_REACHED;
}

/* One thing due; `*over` when there is nothing more. */
static enum advance_end do_next(struct advance *advance, bool *over)
{
    enum advance_end end = ADVANCE_REACHED;
    struct obligation next;
    struct call call;
    bool found = false;

    job_call_open(&call, advance->jobs->house, "jobs/advance", STEP_LIMIT_MS);
    bool failed = trouble(advance, obligation_find_next(&call, advance->run.clock,
                                                        advance->run.target_us, &next, &found));
    if (!failed && found)
        end = run_next(advance, call.arena, &next);
    else if (failed || trouble(advance, clock_run_stop(&call, &advance->run, true)))
        end = ADVANCE_TROUBLE;
    else
        *over = true;
    job_call_close(&call);
    return end;
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
