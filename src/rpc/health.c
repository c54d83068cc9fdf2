/*
 * grpc.health.v1.Health: "" is the whole server, else a service's full name.  All of them answer
 * the same: NOT_SERVING while the database is away or the server drains.
 */

#include "base/text.h"
#include "grpc/health/v1/health.pb-c.h"
#include "rpc/internal.h"

#define SERVING         GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING
#define NOT_SERVING     GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__NOT_SERVING
#define SERVICE_UNKNOWN GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVICE_UNKNOWN

typedef Grpc__Health__V1__HealthCheckRequest HealthCheckRequest;
typedef Grpc__Health__V1__HealthCheckResponse HealthCheckResponse;
typedef Grpc__Health__V1__HealthCheckResponse__ServingStatus ServingStatus;

static bool is_served(const struct rpc_server *server, const char *service)
{
    if (service[0] == '\0')
        return true;
    for (size_t i = 0; i < server->service_count; i++) {
        if (text_equal(server->services[i], service))
            return true;
    }
    return false;
}

static ServingStatus status_of(const struct rpc_server *server, const char *service)
{
    if (!is_served(server, service))
        return SERVICE_UNKNOWN;
    if (atomic_load_explicit(&server->draining, memory_order_acquire) ||
        !server->options.is_ready(server->house))
        return NOT_SERVING;
    return SERVING;
}

static const struct error *check(struct call *call, const void *request, void *reply)
{
    const struct rpc_server *server = ((const struct rpc_call *)(const void *)call)->server;
    const HealthCheckRequest *req = request;
    HealthCheckResponse *res = reply;

    res->status = status_of(server, req->service);
    if (res->status == SERVICE_UNKNOWN)
        return refuse(call, STATUS_NOT_FOUND, "NOT_FOUND", "no such service: '%s'", req->service);
    return NULL;
}

/*
 * Ends when the client leaves, when its certificate is worth nothing any more, or after it was told
 * that the server drains.
 */
static const struct error *watch(struct rpc_call *call)
{
    ProtobufCMessage *message;
    ServingStatus last = GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__UNKNOWN;

    TRY(rpc_stream_receive(call, &call->call, &message));
    if (message == NULL)
        return NULL;
    const HealthCheckRequest *req = (const void *)message;
    for (;;) {
        HealthCheckResponse res = GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__INIT;
        bool draining = atomic_load_explicit(&call->server->draining, memory_order_acquire);
        res.status = status_of(call->server, req->service);
        if (res.status != last && !rpc_stream_send(call, &res.base))
            return NULL;
        last = res.status;
        if (draining || atomic_load_explicit(&call->client_gone, memory_order_acquire))
            return NULL;
        rpc_stream_wait(call);
        TRY(rpc_identify_again(call));
    }
}

bool rpc_health_add(struct rpc_server *server, char problem[RPC_PROBLEM_SIZE])
{
    static const struct rpc_method check_row = {"Check", .handler = check, .scope = RPC_PUBLIC,
                                                .no_database = true};
    static const struct rpc_method watch_row = {"Watch", .scope = RPC_PUBLIC, .no_database = true};
    const ProtobufCServiceDescriptor *service = &grpc__health__v1__health__descriptor;

    return rpc_routes_add(server, service, &check_row, NULL, problem) &&
           rpc_routes_add(server, service, &watch_row, watch, problem);
}
