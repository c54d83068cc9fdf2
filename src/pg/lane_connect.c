/*
 * How a lane gets its connection back: one try after another, with full jitter between them, while
 * queued ops wait for two seconds, or as long as their calls may (lane.c).
 */
#include "pg/lane.h"

#include "base/random.h"

#include <poll.h>

#define BACKOFF_MIN_MS 50
#define BACKOFF_MAX_MS 2000

/* libpq leaves connect_timeout to us when the connection is made without blocking. */
#define CONNECT_MAX_MS 3500

static bool is_closing(struct lane *lane)
{
    pthread_mutex_lock(&lane->mutex);
    bool closing = lane->is_closing;
    pthread_mutex_unlock(&lane->mutex);
    return closing;
}

/* While PostgreSQL is away nothing queued can be finished; a closing lane does not wait for it. */
static void tick(struct lane *lane)
{
    lane_expire(lane, is_closing(lane));
    lane_resume_finished(lane);
}

static int64_t now_ms(const struct lane *lane)
{
    return clock_monotonic_us(lane->options->clock) / US_PER_MS;
}

/* Waits in ticks until `until_ms`, `events` on the socket, or closing.  Answers the events. */
static short wait_until(struct lane *lane, int socket, short events, int64_t until_ms)
{
    for (;;) {
        int64_t left_ms = until_ms - now_ms(lane);
        if (left_ms <= 0 || is_closing(lane))
            return 0;
        short got =
            lane_poll(lane, socket, events, (int)(left_ms < LANE_TICK_MS ? left_ms : LANE_TICK_MS));
        tick(lane);
        if (got != 0)
            return got;
    }
}

static void back_off(struct lane *lane)
{
    uint32_t doublings = lane->failed_connects < 6 ? lane->failed_connects : 6;
    uint64_t bound_ms = (uint64_t)BACKOFF_MIN_MS << doublings;

    if (bound_ms > BACKOFF_MAX_MS)
        bound_ms = BACKOFF_MAX_MS;
    wait_until(lane, -1, 0, now_ms(lane) + (int64_t)random_below(lane->options->random, bound_ms));
}

/* Drives a started connection to its end.  True: it stands. */
static bool finish_connecting(struct lane *lane, PGconn *pg)
{
    int64_t until_ms = now_ms(lane) + CONNECT_MAX_MS;
    PostgresPollingStatusType status = PGRES_POLLING_WRITING;

    if (PQstatus(pg) == CONNECTION_BAD)
        return false;
    while (status == PGRES_POLLING_READING || status == PGRES_POLLING_WRITING) {
        short events = status == PGRES_POLLING_READING ? POLLIN : POLLOUT;
        if (wait_until(lane, PQsocket(pg), events, until_ms) == 0)
            return false;
        status = PQconnectPoll(pg);
    }
    return status == PGRES_POLLING_OK;
}

static void log_outage(struct lane *lane, const char *cause)
{
    if (lane->outage_logged || lane->options->log == NULL)
        return;
    lane->outage_logged = true;
    log_write(lane->options->log, LOG_WARNING, "database_lost",
              LOG_FIELDS(LOG_TEXT("lane", lane->name), LOG_TEXT("cause", cause)));
}

static void log_return(struct lane *lane)
{
    lane->outage_logged = false;
    if (lane->options->log != NULL)
        log_write(lane->options->log, LOG_INFO, "database_connected",
                  LOG_FIELDS(LOG_TEXT("lane", lane->name)));
}

bool lane_connect(struct lane *lane)
{
    tick(lane);
    if (lane->failed_connects > 0)
        back_off(lane);
    uint32_t attempt = lane->failed_connects++;
    if (is_closing(lane)) {
        tick(lane);
        return false;
    }
    char application[APPLICATION_SIZE];
    snprintf(application, sizeof(application), "duesd %s", lane->name);
    PGconn *pg = connection_start(lane->options->connection, application, attempt);
    if (finish_connecting(lane, pg) && connection_ready(&lane->connection, pg)) {
        atomic_store(&lane->is_ready, true);
        counter_add(&lane->counts.connects, 1);
        log_return(lane);
        return true;
    }
    log_outage(lane, PQerrorMessage(pg));
    PQfinish(pg);
    return false;
}

void lane_disconnect(struct lane *lane, const char *cause)
{
    atomic_store(&lane->is_ready, false);
    log_outage(lane, cause);
    lane->away_since_us = clock_monotonic_us(lane->options->clock);
    connection_drop(&lane->connection);
}
