/*
 * The thread of a lane: take a batch, send it, run the fibers of the one before, read the answers.
 */
#include "pg/lane.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/bug.h"
#include "base/burst.h"
#include "base/fail_point.h"
#include "pg/set.h"

/*
 * The server answers a batch in one piece, so silence is normal for as long as its statements may
 * take.  Beyond this it has stopped: drop the connection and replay.
 */
#define SILENCE_MAX_MS 15000

/*
 * Whoever's time is up meanwhile is told that the database does not answer, if it has said nothing
 * for this long: longer than it waits for a lock (lock_timeout, 2 s).
 */
#define SILENCE_TOLD_MS 2500

/*
 * A caller hears that the database is away, and when to come again, before its own deadline cuts
 * the call off: so long before it, or half of what it had left.
 */
#define GIVE_UP_EARLY_US (500 * US_PER_MS)

/* How long an op waits for a connection before that is said. */
#define CONNECTION_WAIT_US (2 * US_PER_SECOND)

/* A batch that takes longer than this has something slow in it, and what comes behind waits. */
#define HELD_UP_US 2000

/* What a caller is told who comes when a lane is full. */
#define RETRY_AFTER_OVERLOAD_MS 200

short lane_poll(struct lane *lane, int socket, short events, int timeout_ms)
{
    struct pollfd fds[2] = {{.fd = lane->wake_fd, .events = POLLIN},
                            {.fd = events != 0 ? socket : -1, .events = events}};
    uint64_t count = 0;

    if (poll(fds, 2, timeout_ms) < 0 && errno != EINTR)
        bug("%s: poll: %s", lane->name, strerror(errno));
    if ((fds[0].revents & POLLIN) != 0 &&
        read(lane->wake_fd, &count, sizeof(count)) != (ssize_t)sizeof(count))
        count = 0; /* another read was faster; the queue is looked at anyway */
    return fds[1].revents;
}

static void wake(void *arg)
{
    const struct lane *lane = arg;
    uint64_t one = 1;

    if (write(lane->wake_fd, &one, sizeof(one)) != (ssize_t)sizeof(one) && errno != EAGAIN)
        bug("%s: eventfd: %s", lane->name, strerror(errno));
}

const struct error *lane_reserve(struct lane *lane, struct call *call)
{
    const struct error *error = NULL;

    pthread_mutex_lock(&lane->mutex);
    if (lane->is_closing)
        error = database_unavailable(call, "the lanes are closed");
    else if (lane->unanswered >= (size_t)lane->options->queue_max)
        error = error_retry(error_make(call->arena, STATUS_RESOURCE_EXHAUSTED, "OVERLOADED",
                                       "the server has more to do than it accepts"),
                            RETRY_AFTER_OVERLOAD_MS);
    else
        atomic_store_explicit(&lane->load, ++lane->unanswered, memory_order_relaxed);
    pthread_mutex_unlock(&lane->mutex);
    return error;
}

static int64_t give_up_us(const struct call *call, int64_t now_us)
{
    int64_t half_us = (call->deadline_us - now_us) / 2;

    if (call->patient || half_us <= 0)
        return call->deadline_us;
    return call->deadline_us - (half_us < GIVE_UP_EARLY_US ? half_us : GIVE_UP_EARLY_US);
}

void lane_submit(struct lane *lane, struct op *op)
{
    op->queued_us = clock_monotonic_us(lane->options->clock);
    op->give_up_us = give_up_us(op->call, op->queued_us);
    pthread_mutex_lock(&lane->mutex);
    if (lane->queue.first == NULL || op->give_up_us < lane->first_due_us)
        lane->first_due_us = op->give_up_us;
    op_list_append(&lane->queue, op);
    bool must_wake = lane->is_sleeping;
    /* Whoever comes meanwhile does not wait for this thread's burst, and wakes it. */
    bool is_put_off = must_wake && burst_defer(wake, lane);
    if (!is_put_off)
        lane->is_sleeping = false;
    pthread_mutex_unlock(&lane->mutex);
    if (must_wake && !is_put_off)
        wake(lane);
}

size_t lane_load(const struct lane *lane)
{
    return atomic_load_explicit(&lane->load, memory_order_relaxed);
}

bool lane_is_held_up(const struct lane *lane, int64_t now_us)
{
    int64_t since_us = atomic_load_explicit(&lane->in_flight_us, memory_order_relaxed);

    return since_us != 0 && now_us > since_us + HELD_UP_US;
}

/* What may have happened already, or answers for a gateway, waits as long as its call may. */
static bool is_over_due(const struct lane *lane, const struct op *op, int64_t now_us)
{
    int64_t since_us = op->queued_us > lane->away_since_us ? op->queued_us : lane->away_since_us;

    if (now_us >= op->give_up_us)
        return true;
    return lane->connection.pg == NULL && !op->sent && !op->call->patient &&
           now_us >= since_us + CONNECTION_WAIT_US;
}

static void expire(struct lane *lane, struct op *op)
{
    op->error =
        database_unavailable(op->call, op->sent ? "no answer was heard and time is up: unknown"
                                                : "no connection in time; it was not sent");
    counter_add(&lane->counts.ops[OP_UNAVAILABLE], 1);
    op_list_append(&lane->finished, op);
}

void lane_expire(struct lane *lane, bool all)
{
    struct op_list kept = {0};
    int64_t now_us = clock_monotonic_us(lane->options->clock);

    pthread_mutex_lock(&lane->mutex);
    if (!all && lane->connection.pg != NULL && now_us < lane->first_due_us) {
        pthread_mutex_unlock(&lane->mutex);
        return;
    }
    lane->first_due_us = INT64_MAX;
    for (struct op *op = op_list_take(&lane->queue); op != NULL; op = op_list_take(&lane->queue)) {
        if (all || is_over_due(lane, op, now_us)) {
            expire(lane, op);
            continue;
        }
        if (op->give_up_us < lane->first_due_us)
            lane->first_due_us = op->give_up_us;
        op_list_append(&kept, op);
    }
    lane->queue = kept;
    pthread_mutex_unlock(&lane->mutex);
}

void lane_resume_finished(struct lane *lane)
{
    /* Fibers may submit again; what they finish belongs to a later round. */
    struct op_list finished = lane->finished;

    if (finished.count == 0)
        return;
    lane->finished = (struct op_list){0};
    pthread_mutex_lock(&lane->mutex);
    lane->unanswered -= finished.count;
    atomic_store_explicit(&lane->load, lane->unanswered, memory_order_relaxed);
    pthread_mutex_unlock(&lane->mutex);
    burst_begin();
    for (struct op *op = op_list_take(&finished); op != NULL; op = op_list_take(&finished))
        fiber_resume(op->fiber); /* `op` is gone with the fiber's frame */
    burst_end();
}

/* An op that must run alone is a batch of its own. */
static void take_batch(struct lane *lane, struct batch *batch)
{
    pthread_mutex_lock(&lane->mutex);
    while (lane->queue.first != NULL && batch->count < BATCH_OPS_MAX) {
        bool alone = lane->queue.first->alone;

        if (alone && batch->count > 0)
            break;
        batch->ops[batch->count++] = op_list_take(&lane->queue);
        if (alone)
            break;
    }
    pthread_mutex_unlock(&lane->mutex);
}

/* Is there somebody who must be told now, before the deadline cuts the call off? */
static bool is_out_of_time(const struct lane *lane, const struct batch *batch)
{
    int64_t now_us = clock_monotonic_us(lane->options->clock);

    for (size_t i = 0; i < batch->count; i++) {
        if (!batch->ops[i]->call->patient && now_us >= batch->ops[i]->give_up_us)
            return true;
    }
    return false;
}

/* Reads until the batch is answered or the connection is lost. */
static enum batch_progress await(struct lane *lane, struct batch *batch)
{
    PGconn *pg = lane->connection.pg;
    int silence_ms = 0;

    for (;;) {
        enum batch_progress progress = batch_read(&lane->connection, batch);
        if (progress != BATCH_WAITING)
            return progress;

        int unsent = PQflush(pg);
        if (unsent < 0 || silence_ms >= SILENCE_MAX_MS ||
            (silence_ms >= SILENCE_TOLD_MS && is_out_of_time(lane, batch)))
            return BATCH_LOST;
        short events =
            lane_poll(lane, PQsocket(pg), unsent > 0 ? POLLIN | POLLOUT : POLLIN, LANE_TICK_MS);
        if (events == 0) {
            silence_ms += LANE_TICK_MS;
            lane_expire(lane, false);
            lane_resume_finished(lane);
            continue;
        }
        silence_ms = 0;
        if ((events & ~POLLOUT) != 0 && PQconsumeInput(pg) != 1)
            return BATCH_LOST;
    }
}

/* Waits for work; notices when the idle connection dies.  False: closing, and all is answered. */
static bool idle(struct lane *lane)
{
    pthread_mutex_lock(&lane->mutex);
    bool over = lane->is_closing && lane->unanswered == 0;
    bool busy = lane->queue.first != NULL;
    int timeout_ms = lane->is_closing ? LANE_TICK_MS : -1;
    lane->is_sleeping = !busy;
    pthread_mutex_unlock(&lane->mutex);
    if (over || busy)
        return !over;

    short events = lane_poll(lane, PQsocket(lane->connection.pg), POLLIN, timeout_ms);
    pthread_mutex_lock(&lane->mutex);
    lane->is_sleeping = false;
    pthread_mutex_unlock(&lane->mutex);
    if (events != 0 && (PQconsumeInput(lane->connection.pg) != 1 ||
                        PQstatus(lane->connection.pg) != CONNECTION_OK))
        lane_disconnect(lane, PQerrorMessage(lane->connection.pg));
    return true;
}

static bool is_over(struct lane *lane)
{
    pthread_mutex_lock(&lane->mutex);
    bool over = lane->is_closing && lane->unanswered == 0;
    pthread_mutex_unlock(&lane->mutex);
    return over;
}

static void count_batch(struct lane *lane, const struct batch *batch, int64_t now_us)
{
    size_t size = batch->count == 1 ? 0 : batch->count < 8 ? 1 : batch->count < 32 ? 2 : 3;

    counter_add(&lane->counts.batches[size], 1);
    for (size_t i = 0; i < batch->count; i++)
        histogram_add(&lane->counts.queue_delay, now_us - batch->ops[i]->queued_us);
}

/* Between COMMIT and its answer, and just behind it: the connection may go then. */
static bool is_cut_unanswered(const struct batch *batch)
{
    bool is_cut = false;

    for (size_t i = 0; i < batch->count && batch->is_write; i++)
        is_cut = FAIL_HIT("pg.commit_sent", batch->ops[i]->statement->name) || is_cut;
    return is_cut;
}

static bool is_cut_answered(const struct batch *batch)
{
    bool is_cut = false;

    for (size_t i = 0; i < batch->count && batch->is_write; i++)
        is_cut = FAIL_HIT("pg.commit_answered", batch->ops[i]->statement->name) || is_cut;
    return is_cut;
}

static void run_batch(struct lane *lane, struct batch *batch)
{
    int64_t sent_us = clock_monotonic_us(lane->options->clock);

    count_batch(lane, batch, sent_us);
    atomic_store_explicit(&lane->in_flight_us, sent_us, memory_order_relaxed);
    enum batch_progress progress =
        batch_send(&lane->connection, batch) ? BATCH_WAITING : BATCH_LOST;
    counter_add(&lane->counts.statements, batch->statement_count);
    lane_resume_finished(lane);
    if (is_cut_unanswered(batch))
        progress = BATCH_LOST;
    if (progress == BATCH_WAITING)
        progress = await(lane, batch);
    if (is_cut_answered(batch))
        progress = BATCH_LOST;
    atomic_store_explicit(&lane->in_flight_us, 0, memory_order_relaxed);
    histogram_add(&lane->counts.round_trip, clock_monotonic_us(lane->options->clock) - sent_us);
    if (progress == BATCH_ANSWERED)
        lane_settle(lane, batch);
    else
        lane_settle_lost(lane, batch);
    batch_release(batch);
}

static void *lane_main(void *arg)
{
    struct lane *lane = arg;

    for (;;) {
        if (lane->connection.pg == NULL && !lane_connect(lane)) {
            if (is_over(lane))
                return NULL;
            continue;
        }
        struct batch batch = {.is_write = lane->is_write};
        lane_expire(lane, false);
        take_batch(lane, &batch);
        if (batch.count > 0)
            run_batch(lane, &batch);
        else
            lane_resume_finished(lane);
        if (batch.count == 0 && !idle(lane))
            return NULL;
    }
}

void lane_open(struct lane *lane, const struct pg_options *options, bool is_write, int32_t index)
{
    sigset_t all;
    sigset_t before;

    *lane = (struct lane){.options = options, .is_write = is_write};
    lane->connection.sets = sets_open();
    snprintf(lane->name, sizeof(lane->name), "pg-%s-%d", is_write ? "write" : "read", index);
    lane->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (lane->wake_fd < 0 || pthread_mutex_init(&lane->mutex, NULL) != 0)
        bug("%s: no eventfd or mutex: %s", lane->name, strerror(errno));
    /* Signals are main's. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    if (pthread_create(&lane->thread, NULL, lane_main, lane) != 0)
        bug("%s: no thread", lane->name);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_setname_np(lane->thread, lane->name);
}

void lane_stop(struct lane *lane)
{
    pthread_mutex_lock(&lane->mutex);
    lane->is_closing = true;
    pthread_mutex_unlock(&lane->mutex);
    wake(lane);
    pthread_join(lane->thread, NULL);
}

void lane_close(struct lane *lane)
{
    connection_drop(&lane->connection);
    sets_close(lane->connection.sets);
    pthread_mutex_destroy(&lane->mutex);
    close(lane->wake_fd);
}
