/*
 * The poller: the one thread that takes events from the completion queue.  It is the I/O thread of
 * all connections too, so nothing here blocks; a handler that waits parks its fiber.
 */

#include <sys/resource.h>
#include <unistd.h>

#include "pg/lanes.h"
#include "rpc/internal.h"

/*
 * Whom nothing answers tries again, so the door goes before the rooms: where the process may (it
 * has the right, or LimitNICE= of its unit), this thread has three times the share of others.
 */
#define PRIORITY (-5)

/* How late a deadline may be noticed while calls are running, and a change of health at all. */
#define TICK_MS      20
#define IDLE_TICK_MS 200

static void on_shutdown_done(struct rpc_server *server)
{
    pthread_mutex_lock(&server->mutex);
    server->shutdown_done = true;
    pthread_cond_broadcast(&server->quiet);
    pthread_mutex_unlock(&server->mutex);
}

static bool has_living(struct rpc_server *server)
{
    pthread_mutex_lock(&server->mutex);
    bool living = server->living != NULL;
    pthread_mutex_unlock(&server->mutex);
    return living;
}

/* Without a database nothing leaves: who comes then shall hear that, not that there is no room. */
static void adapt(struct rpc_server *server, int64_t now_us)
{
    struct pg *pg = server->house->pg;

    if (pg == NULL || !pg_is_ready(pg))
        return;
    struct pg_flow flow = pg_flow_read(pg);
    admission_tick(&server->admission, flow.waiting, flow.answered, now_us);
}

static void tick(struct rpc_server *server, int64_t now_us)
{
    adapt(server, now_us);
    rpc_refusals_log(server, now_us);
    rpc_calls_expire(server);
    rpc_streams_tick(server);
}

void *rpc_poller_run(void *argument)
{
    struct rpc_server *server = argument;
    int64_t next_tick_us = 0;

    pthread_setname_np(pthread_self(), "poller");
    setpriority(PRIO_PROCESS, (id_t)gettid(), PRIORITY); /* of this thread only */

    for (;;) {
        int64_t now_us = clock_monotonic_us(server->house->clock);
        if (now_us >= next_tick_us) {
            tick(server, now_us);
            next_tick_us = now_us + TICK_MS * US_PER_MS;
        }
        gpr_timespec until = gpr_time_add(
            gpr_now(GPR_CLOCK_MONOTONIC),
            gpr_time_from_millis(has_living(server) ? TICK_MS : IDLE_TICK_MS, GPR_TIMESPAN));
        grpc_event event = grpc_completion_queue_next(server->queue, until, NULL);
        if (event.type == GRPC_QUEUE_SHUTDOWN)
            return NULL;
        if (event.type == GRPC_QUEUE_TIMEOUT)
            continue;
        const struct rpc_event *ours = event.tag;
        if (ours == &rpc_shutdown_event)
            on_shutdown_done(server);
        else
            ours->happened(ours->call, event.success != 0);
    }
}

/* Its address is the tag of the finished shutdown. */
struct rpc_event rpc_shutdown_event;
