/*
 * The poller: the one thread that takes events from the completion queue.  It is the I/O thread of
 * all connections too, so nothing here blocks; a handler that waits parks its fiber, and the fiber
 * comes back here: two threads that answer calls of one connection would fight over gRPC's locks.
 */

#include "base/bug.h"
#include "base/burst.h"
#include "base/fiber.h"
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

/* Events that are taken one after the other before the lanes are woken. */
#define BURST_MAX 32

/* Its address is the tag of the bell. */
static struct rpc_event bell_rang;

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

static void happen(struct rpc_server *server, grpc_event event)
{
    const struct rpc_event *ours = event.tag;

    if (ours == &rpc_shutdown_event)
        on_shutdown_done(server);
    else if (ours != &bell_rang)
        ours->happened(ours->call, event.success != 0);
}

/*
 * Takes what is there already: fibers that came back, and events.  The lanes are woken at the end,
 * so that they find all that was asked for together.  False: gRPC has no more events for us.
 */
static bool run_burst(struct rpc_server *server, grpc_event event)
{
    burst_begin();
    fiber_home_run(server->home);
    for (int i = 0; event.type == GRPC_OP_COMPLETE && i < BURST_MAX; i++) {
        happen(server, event);
        fiber_home_run(server->home);
        event = grpc_completion_queue_next(server->queue, gpr_inf_past(GPR_CLOCK_MONOTONIC), NULL);
    }
    burst_end();
    if (event.type == GRPC_OP_COMPLETE)
        happen(server, event);
    return event.type != GRPC_QUEUE_SHUTDOWN;
}

static gpr_timespec sleep_until(struct rpc_server *server)
{
    if (!fiber_home_may_sleep(server->home))
        return gpr_inf_past(GPR_CLOCK_MONOTONIC);
    return gpr_time_add(
        gpr_now(GPR_CLOCK_MONOTONIC),
        gpr_time_from_millis(has_living(server) ? TICK_MS : IDLE_TICK_MS, GPR_TIMESPAN));
}

/* From any thread. */
static void ring_the_bell(void *arg)
{
    struct rpc_server *server = arg;

    if (grpc_call_start_batch(server->bell, NULL, 0, &bell_rang, NULL) != GRPC_CALL_OK)
        bug("rpc: the poller cannot be woken");
}

void *rpc_poller_run(void *argument)
{
    struct rpc_server *server = argument;
    int64_t next_tick_us = 0;

    pthread_setname_np(pthread_self(), "poller");
    setpriority(PRIO_PROCESS, (id_t)gettid(), PRIORITY); /* of this thread only */
    bool goes_on = true;

    server->home = fiber_home_open(ring_the_bell, server);
    while (goes_on) {
        int64_t now_us = clock_monotonic_us(server->house->clock);
        if (now_us >= next_tick_us) {
            tick(server, now_us);
            next_tick_us = now_us + TICK_MS * US_PER_MS;
        }
        goes_on =
            run_burst(server, grpc_completion_queue_next(server->queue, sleep_until(server), NULL));
    }
    fiber_home_close(server->home);
    return NULL;
}

/* Its address is the tag of the finished shutdown. */
struct rpc_event rpc_shutdown_event;
