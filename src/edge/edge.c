/*
 * Opens and closes the two guards with the limits of the configuration.
 */

#include "edge/edge.h"

#include "base/address.h"
#include "edge/accept_guard.h"
#include "edge/frame_guard.h"

/* A burst is what this many seconds allow: a client that was held up may catch up. */
#define BURST_SECONDS 4
#define BURST_MAX     1000000

static struct bucket_rate rate(int32_t per_second)
{
    int64_t burst = (int64_t)per_second * BURST_SECONDS;

    return bucket_rate_make(per_second, burst < BURST_MAX ? burst : BURST_MAX);
}

void edge_open(const struct settings *settings, int port)
{
    const struct accept_limits connections = {
        .total_max = (uint32_t)settings->connections_max,
        .source_max = (uint32_t)settings->connections_per_source_max,
        /* No more at once: each that is let in costs memory before it has said a word. */
        .rate =
            bucket_rate_make(settings->connections_per_second, settings->connections_per_second),
    };
    const struct frame_limits frames = {
        .header_block_max = (uint32_t)settings->guard_header_block_max,
        .rates =
            {
                [FRAME_BUCKET_HEADERS] = rate(settings->guard_headers_per_second),
                [FRAME_BUCKET_RESETS] = rate(settings->guard_resets_per_second),
                [FRAME_BUCKET_SETTINGS] = rate(settings->guard_control_per_second),
                [FRAME_BUCKET_PINGS] = rate(settings->guard_control_per_second),
                [FRAME_BUCKET_PRIORITY] = rate(settings->guard_control_per_second),
                [FRAME_BUCKET_OTHER] = rate(settings->guard_control_per_second),
                [FRAME_BUCKET_WINDOW_UPDATES] = rate(settings->guard_window_updates_per_second),
                [FRAME_BUCKET_SMALL_DATA] = rate(settings->guard_small_data_per_second),
            },
    };

    frame_guard_open(&frames);
    accept_guard_open(connections, (uint64_t)clock_monotonic_us(clock_system()), settings->listen,
                      port);
}

void edge_close(const struct settings *settings, int port)
{
    accept_guard_close(settings->listen, port);
    frame_guard_close();
}

void edge_cut(const char *peer)
{
    struct address_place place;

    if (address_place_of_peer(peer, &place))
        (void)accept_guard_cut(accept_guard_of_process(), &place);
}
