/*
 * Opening, draining and closing of the server.
 *
 * The order of the end is gRPC's: shutdown asked for, its event received, server destroyed, queue
 * shut down and drained to the last event, poller joined, queue destroyed.  Destroying a queue that
 * still holds events aborts the process.
 */

#include "rpc/server.h"

#include <errno.h>

#include "base/bug.h"
#include "base/log.h"
#include "base/settings.h"
#include "edge/edge.h"
#include "rpc/credentials.h"
#include "rpc/deny_list.h"
#include "rpc/internal.h"
#include "rpc/peer.h"
#include "rpc/server_arguments.h"
#include "rpc/throttle.h"

/* After the grace: how long to wait for handlers whose clients were cut off. */
#define LAST_CALLS_MS 900

void rpc_environment_clear(void)
{
    static const char *const names[] = {
        "GRPC_TRACE",
        "GRPC_VERBOSITY",
        "GRPC_STACKTRACE_MINLOGLEVEL",
        "GRPC_EXPERIMENTS",
        "GRPC_POLL_STRATEGY",
        "GRPC_SSL_CIPHER_SUITES",
        "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH",
        "GRPC_NOT_USE_SYSTEM_SSL_ROOTS",
        "GRPC_SYSTEM_SSL_ROOTS_DIR",
        "GRPC_DNS_RESOLVER",
        "GRPC_ABORT_ON_LEAKS",
        "grpc_proxy",
        "http_proxy",
        "https_proxy",
        "no_grpc_proxy",
        "no_proxy",
        "SSLKEYLOGFILE",
    };

    for (size_t i = 0; i < ARRAY_LENGTH(names); i++)
        unsetenv(names[i]);
    /* Its fork handlers would take locks in the child. */
    setenv("GRPC_ENABLE_FORK_SUPPORT", "0", 1);
}

static bool add_routes(struct rpc_server *server, char problem[RPC_PROBLEM_SIZE])
{
    for (size_t i = 0; i < server->options.service_count; i++) {
        if (!rpc_routes_add_service(server, server->options.services[i], problem))
            return false;
    }
    return rpc_health_add(server, problem) && rpc_reflection_add(server, problem);
}

static bool listen_on(struct rpc_server *server, char problem[RPC_PROBLEM_SIZE])
{
    const char *address = server->house->settings->listen;

    server->denied = deny_list_open(server->house, problem);
    if (server->denied == NULL)
        return false;
    server->peers = peers_open(server->house, server->denied);
    server->credentials =
        rpc_credentials_open(server->house, server->options.device_ca_pem, server->peers, problem);
    if (server->credentials == NULL)
        return false;
    server->queue = grpc_completion_queue_create_for_next(NULL);
    server->nowhere = grpc_lame_client_channel_create("", GRPC_STATUS_UNAVAILABLE, "");
    server->bell = grpc_channel_create_call(server->nowhere, NULL, 0, server->queue,
                                            grpc_slice_from_static_string("/bell"), NULL,
                                            gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL);
    server->grpc = server_create();
    grpc_server_register_completion_queue(server->grpc, server->queue, NULL);
    for (size_t i = 0; i < server->route_count; i++) {
        struct rpc_route *route = server->routes[i];
        /* gRPC would not show us a call before its message, and wait for that without end. */
        route->registered =
            grpc_server_register_method(server->grpc, route->path, NULL, GRPC_SRM_PAYLOAD_NONE, 0);
        if (route->registered == NULL)
            bug("rpc: %s is registered twice", route->path);
    }
    /* On failure it would say the same at more length. */
    rpc_grpc_log_to(NULL);
    server->port = grpc_server_add_http2_port(server->grpc, address,
                                              rpc_credentials_grpc(server->credentials));
    rpc_grpc_log_to(server->house->log);
    if (server->port == 0) {
        rpc_listen_problem(address, problem);
        return false;
    }
    /* Nothing is accepted before grpc_server_start. */
    edge_open(server->house->settings, server->port);
    return true;
}

static void arm_all(struct rpc_server *server)
{
    for (size_t i = 0; i < server->route_count; i++) {
        for (int n = 0; n < ARMED_PER_METHOD; n++)
            rpc_call_arm(server, server->routes[i]);
    }
    /* Without these, gRPC would never answer a call to a path that is not served. */
    for (int n = 0; n < ARMED_UNKNOWN; n++)
        rpc_call_arm(server, NULL);
}

static void init_locks(struct rpc_server *server)
{
    pthread_condattr_t attributes;

    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&server->quiet, &attributes);
    pthread_condattr_destroy(&attributes);
    pthread_mutex_init(&server->mutex, NULL);
}

struct rpc_server *rpc_server_open(const struct rpc_server_options *options,
                                   char problem[RPC_PROBLEM_SIZE])
{
    struct rpc_server *server = calloc(1, sizeof *server);

    if (server == NULL)
        bug("rpc: out of memory");
    server->options = *options;
    server->house = options->house;
    init_locks(server);
    server->streams =
        calloc((size_t)server->house->settings->streams_max + 1, sizeof(*server->streams));
    if (server->streams == NULL)
        bug("rpc: out of memory");
    server->throttle = throttle_open(server->house->settings, server->house->random);
    admission_init(&server->admission, server->house->settings->admission_target_ms * US_PER_MS,
                   server->house->settings->calls_max);
    rpc_grpc_log_to(server->house->log);
    (void)rpc_library_locks_hurry();
    grpc_init();
    if (!add_routes(server, problem) || !listen_on(server, problem)) {
        rpc_server_close(server);
        return NULL;
    }
    grpc_server_start(server->grpc);
    arm_all(server);
    if (pthread_create(&server->poller, NULL, rpc_poller_run, server) != 0)
        bug("rpc: could not start the poller");
    server->poller_runs = true;
    return server;
}

int rpc_server_port(const struct rpc_server *server)
{
    return server->port;
}

bool rpc_server_reload_certificates(struct rpc_server *server, char problem[RPC_PROBLEM_SIZE])
{
    return rpc_credentials_reload(server->credentials, problem);
}

void rpc_server_measure_certificates(struct rpc_server *server, struct measures *out)
{
    rpc_credentials_measure(server->credentials, out);
    peers_measure(server->peers, out);
    deny_list_measure(server->denied, out);
}

/* The mutex is held.  True when nothing is left to wait for. */
static bool wait_quiet(struct rpc_server *server, int64_t wait_ms)
{
    int64_t until_us = clock_monotonic_us(clock_system()) + wait_ms * US_PER_MS;
    const struct timespec until = {.tv_sec = until_us / US_PER_SECOND,
                                   .tv_nsec = until_us % US_PER_SECOND * 1000};

    while (!server->shutdown_done || server->call_count > 0) {
        if (pthread_cond_timedwait(&server->quiet, &server->mutex, &until) == ETIMEDOUT)
            break;
    }
    return server->shutdown_done && server->call_count == 0;
}

size_t rpc_server_running(struct rpc_server *server)
{
    size_t count = 0;

    pthread_mutex_lock(&server->mutex);
    for (const struct rpc_call *call = server->living; call != NULL; call = call->next)
        count += call->route != NULL && !call->route->is_stream;
    pthread_mutex_unlock(&server->mutex);
    return count;
}

bool rpc_server_drain(struct rpc_server *server, int64_t grace_ms)
{
    atomic_store_explicit(&server->draining, true, memory_order_release);
    pthread_mutex_lock(&server->mutex);
    bool begun = server->shutdown_begun;
    server->shutdown_begun = true;
    pthread_mutex_unlock(&server->mutex);
    if (!begun)
        grpc_server_shutdown_and_notify(server->grpc, server->queue, &rpc_shutdown_event);

    pthread_mutex_lock(&server->mutex);
    bool quiet = wait_quiet(server, grace_ms);
    if (!quiet) {
        pthread_mutex_unlock(&server->mutex);
        grpc_server_cancel_all_calls(server->grpc);
        pthread_mutex_lock(&server->mutex);
        quiet = wait_quiet(server, LAST_CALLS_MS);
    }
    pthread_mutex_unlock(&server->mutex);
    return quiet;
}

static void stop_poller(struct rpc_server *server)
{
    if (server->poller_runs)
        fiber_home_settle(server->home); /* who resumed the last fiber may be at the bell still */
    grpc_call_unref(server->bell);
    grpc_channel_destroy(server->nowhere);
    grpc_completion_queue_shutdown(server->queue);
    if (server->poller_runs)
        pthread_join(server->poller, NULL);
    else
        while (grpc_completion_queue_next(server->queue, gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL)
                   .type != GRPC_QUEUE_SHUTDOWN)
            continue;
    grpc_completion_queue_destroy(server->queue);
}

void rpc_server_close(struct rpc_server *server)
{
    if (server == NULL)
        return;
    /* A handler that never ends may still use all of this: the process ends without us. */
    if (server->poller_runs && !rpc_server_drain(server, 0))
        return;
    if (server->grpc != NULL) {
        if (!server->poller_runs) { /* never started: gRPC wants the shutdown all the same */
            grpc_server_shutdown_and_notify(server->grpc, server->queue, &rpc_shutdown_event);
            grpc_completion_queue_next(server->queue, gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL);
        }
        grpc_server_destroy(server->grpc);
        stop_poller(server);
    }
    rpc_credentials_release(server->credentials);
    grpc_shutdown_blocking();
    if (server->port != 0)
        edge_close(server->house->settings, server->port);
    rpc_grpc_log_to(NULL);
    rpc_credentials_close(server->credentials);
    peers_close(server->peers);
    deny_list_close(server->denied);
    rpc_routes_free(server);
    descriptor_index_close(server->descriptors);
    throttle_close(server->throttle);
    for (size_t i = 0; i < server->arena_count; i++)
        arena_free(server->arenas[i]);
    free(server->streams);
    pthread_cond_destroy(&server->quiet);
    pthread_mutex_destroy(&server->mutex);
    free(server);
}
