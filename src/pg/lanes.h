/*
 * Life of the lanes.  For main and the tests; handlers need pg.h only.
 */
#pragma once

#include <stdbool.h>

#include "base/log.h"
#include "pg/pg.h"

struct measures;

struct pg_options {
    const char *connection; /* libpq string of the service role */
    int32_t write_lanes;
    int32_t read_lanes;
    int32_t queue_max; /* waiting ops of one lane */
    const struct clock *clock;
    const struct random *random;
    struct log *log;
};

#define PG_PROBLEM_SIZE 256

/*
 * Is it a connection string, and one without a password?  False and one line in `problem`
 * otherwise.  Nothing is connected.
 */
bool pg_connection_check(const char *connection, char problem[PG_PROBLEM_SIZE]);

/*
 * Starts the lanes' threads; they connect (and reconnect, with jitter) by themselves, so this
 * succeeds while PostgreSQL is away.
 */
struct pg *pg_open(const struct pg_options *options);

/* Finishes what is queued, then stops. */
void pg_close(struct pg *pg);

/* Called in the writer's fiber after every write that is committed, with the write's key. */
typedef void pg_written(void *listener, struct uuid key);

/* Who shall hear of writes: one listener, before the first write that it must hear of. */
void pg_tell_written(struct pg *pg, pg_written *written, void *listener);

/* All lanes have a live connection: what the health service reports. */
bool pg_is_ready(const struct pg *pg);

/* What flows through the lanes. */
struct pg_flow {
    int64_t waiting;  /* ops of calls, not of obligations, without their answer */
    int64_t answered; /* ops of both, since the start */
};

/* Cheap, from any thread: what admission to the database is decided by. */
struct pg_flow pg_flow_read(const struct pg *pg);

/* What the lanes tell about themselves, by kind of lane. */
void pg_measure(const struct pg *pg, struct measures *out);
