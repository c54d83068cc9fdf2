/*
 * What must happen next is data: table obligation.  The engine claims what is due (unlocked
 * candidate list per bucket, then compare-and-set of lease and epoch), and runs each in a fiber of
 * its own.
 *
 *   due ──claim──► leased (epoch+1) ──run──► the run's own recorded step deletes or moves the row
 *                                     └ error or lease over ──► due again, with back-off
 */
#pragma once

#include "base/call.h"
#include "base/id.h"
#include "pg/pg.h"

#define JOB_BUCKETS 64

struct obligation {
    struct uuid customer;
    const char *kind;
    const char *business_key; /* unique with customer and kind: one thing is owed once */
    struct uuid subject;      /* what it is about: a payment, a membership */
    int64_t due_us;
    int64_t now_us;         /* the present of the run: the clock's time on a test clock */
    struct uuid test_clock; /* UUID_NIL: wall time */
    int64_t epoch;          /* guard of the run's recorded step */
    int32_t failure_count;
};

/*
 * One kind of obligation.  `run` ends with a recorded step that finishes or moves the obligation in
 * the same commit as its effect (SQL: obligation_finish / obligation_move with the epoch).  An
 * error leaves it due again with back-off and is logged; a lost lease is found by the epoch guard.
 */
struct job_kind {
    const char *name;
    const struct error *(*run)(struct call *call, const struct obligation *obligation);
    /*
     * The first thing a run does to the world is a recorded step that ends the obligation under the
     * guard of its epoch: two runs at once, without a claim, are one too many reads and no more.
     */
    bool is_guarded;
};

struct jobs;

/* `kinds` has `kind_count` rows and outlives the engine.  Nothing runs before jobs_start. */
struct jobs *jobs_open(const struct house *house, const struct job_kind *const *kinds,
                       size_t kind_count);
void jobs_start(struct jobs *jobs);
/*
 * Claims no more, and a running advance lets go; waits for running obligations, at most `grace_ms`.
 * False: some still run.  May be called again.
 */
bool jobs_stop(struct jobs *jobs, int64_t grace_ms);

/* Obligations that run now. */
size_t jobs_running(struct jobs *jobs);

struct measures;

/* How obligations went, by kind. */
void jobs_measure(struct jobs *jobs, struct measures *out);

void jobs_close(struct jobs *jobs);

/* A hint that something is due now: the engine looks at once instead of at its next poll. */
void jobs_wake(struct jobs *jobs);

/*
 * Runs, in order of their due time, everything due until `target_us` for customers on the clock,
 * moving the clock's stored time along; what a run makes due is run too.  For AdvanceTestClock.
 */
const struct error *jobs_advance(struct call *call, struct uuid test_clock, int64_t target_us)
    MUST_CHECK;

/* "The run did nothing that needs a step of its own": finish, or look again at `due_us`. */
const struct error *jobs_finish(struct call *call, const struct obligation *obligation) MUST_CHECK;
const struct error *jobs_move(struct call *call, const struct obligation *obligation,
                              int64_t due_us) MUST_CHECK;

extern pg_statement_list jobs_statements;
