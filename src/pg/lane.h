/*
 * A lane is one thread with one connection and a queue.
 *
 *   fibers ──lane_submit──► queue ──take ≤ 64──► batch ──► PostgreSQL
 *     ▲                       ▲                    │
 *     │                       └── again: lost, rolled back, lost a race
 *     └──────resumed──────── finished ◄────────────┘
 *
 * While one batch is in flight the next gathers by itself; nothing waits for a timer.  The next
 * batch is sent before the fibers of the last one run, so PostgreSQL and handlers work side by
 * side.
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include "pg/batch.h"
#include "pg/lane_counts.h"
#include "pg/lanes.h"

struct lane {
    const struct pg_options *options;
    bool is_write;
    char name[16]; /* also the thread's: "pg-write-0" */
    pthread_t thread;
    int wake_fd;

    pthread_mutex_t mutex; /* guards the next five */
    struct op_list queue;
    size_t unanswered;    /* reserved, queued, in flight or finished but not yet resumed */
    int64_t first_due_us; /* monotonic: no queued op must be told anything before */
    bool is_sleeping;     /* the thread waits for work and wants to be woken */
    bool is_closing;

    atomic_bool is_ready;
    atomic_size_t load;                /* `unanswered`, for who only looks */
    atomic_int_least64_t in_flight_us; /* monotonic: when the batch in flight was sent; 0: none */
    struct lane_counts counts;

    /* The thread's own: */
    struct connection connection;
    struct op_list finished;
    int64_t away_since_us;    /* monotonic: when the connection was lost */
    uint32_t failed_connects; /* since the last batch that was answered */
    bool outage_logged;
};

/* Starts the thread. */
void lane_open(struct lane *lane, const struct pg_options *options, bool is_write, int32_t index);

/* Answers what is queued, then ends the thread. */
void lane_stop(struct lane *lane);

/* Releases what it used, when every lane is stopped. */
void lane_close(struct lane *lane);

/* Room for one more op: RESOURCE_EXHAUSTED / OVERLOADED when there is none. */
const struct error *lane_reserve(struct lane *lane, struct call *call) MUST_CHECK;

/* Queues an op that has room; its fiber is parked already. */
void lane_submit(struct lane *lane, struct op *op);

/* Ops that wait for their answer. */
size_t lane_load(const struct lane *lane);

/* Is a batch in flight that PostgreSQL is long at work on? */
bool lane_is_held_up(const struct lane *lane, int64_t now_us);

/* ── for the files of the lane only ── */

/* Longest time that anything waits without a look at the deadlines of queued ops. */
#define LANE_TICK_MS 50

/*
 * Waits for the socket (`events`; 0: not at all) or a wake, at most `timeout_ms`.  Answers the
 * socket's events.
 */
short lane_poll(struct lane *lane, int socket, short events, int timeout_ms);

/*
 * Answers queued ops that have waited long enough for a connection or whose caller must be told
 * now, or all when closing while PostgreSQL is away.
 */
void lane_expire(struct lane *lane, bool all);

/* Runs the fibers of all that is answered. */
void lane_resume_finished(struct lane *lane);

/* One try to connect, after its back-off.  False: still without a connection. */
bool lane_connect(struct lane *lane);

/* Takes the connection away and says so. */
void lane_disconnect(struct lane *lane, const char *cause);

/* Decides what the answers of a batch, or their absence, mean for each of its ops. */
void lane_settle(struct lane *lane, struct batch *batch);
void lane_settle_lost(struct lane *lane, struct batch *batch);
