/*
 * Keeps the channels alive between calls.  gRPC moves a connection forward only while somebody
 * polls it: without this thread a client that is idle when its server comes back would leave the
 * TLS handshake hanging, and every later call would find the channel dead.
 */
#include "internal.h"

/* How long one look at a channel's state waits for a change; nothing depends on the value. */
#define WATCH_SECONDS 60

/* keeper->mutex is held, so that no channel is destroyed meanwhile. */
static void watch(struct keeper *keeper, grpc_channel *channel)
{
    gpr_timespec until = gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC),
                                      gpr_time_from_seconds(WATCH_SECONDS, GPR_TIMESPAN));
    grpc_connectivity_state state = grpc_channel_check_connectivity_state(channel, 0);

    grpc_channel_watch_connectivity_state(channel, state, until, keeper->queue, channel);
}

static void *keep(void *arg)
{
    struct keeper *keeper = arg;

    for (;;) {
        grpc_event event =
            grpc_completion_queue_next(keeper->queue, gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL);
        if (event.type != GRPC_OP_COMPLETE)
            return NULL;
        pthread_mutex_lock(&keeper->mutex);
        if (!keeper->stopping)
            watch(keeper, event.tag);
        pthread_mutex_unlock(&keeper->mutex);
    }
}

void keeper_start(struct keeper *keeper, grpc_channel *const *channels, size_t count)
{
    keeper->queue = grpc_completion_queue_create_for_next(NULL);
    keeper->stopping = false;
    pthread_mutex_init(&keeper->mutex, NULL);
    for (size_t i = 0; i < count; i++)
        watch(keeper, channels[i]);
    /* As memory: a process without a thread to spare does not get further. */
    if (pthread_create(&keeper->thread, NULL, keep, keeper) != 0)
        abort();
}

void keeper_let_go(struct keeper *keeper)
{
    pthread_mutex_lock(&keeper->mutex);
    keeper->stopping = true;
    pthread_mutex_unlock(&keeper->mutex);
}

void keeper_end(struct keeper *keeper)
{
    grpc_completion_queue_shutdown(keeper->queue);
    pthread_join(keeper->thread, NULL);
    grpc_completion_queue_destroy(keeper->queue);
    pthread_mutex_destroy(&keeper->mutex);
}
