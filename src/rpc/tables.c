/*
 * From the services' tables to the routes that are registered.  Rows and descriptor must agree one
 * to one, and every row must say its scope, or PUBLIC aloud: authorisation cannot be forgotten.
 */

#include "base/bug.h"
#include "base/settings.h"
#include "base/text.h"
#include "rpc/internal.h"

#define REQUEST_ID_FIELD "request_id"

static bool refuse_row(char problem[RPC_PROBLEM_SIZE], const ProtobufCServiceDescriptor *service,
                       const char *method, const char *why)
{
    snprintf(problem, RPC_PROBLEM_SIZE, "%s/%s: %s", service->name, method, why);
    return false;
}

static const ProtobufCMethodDescriptor *find_method(const ProtobufCServiceDescriptor *service,
                                                    const char *name)
{
    for (unsigned i = 0; i < service->n_methods; i++) {
        if (text_equal(service->methods[i].name, name))
            return &service->methods[i];
    }
    return NULL;
}

static void add_service_name(struct rpc_server *server, const char *name)
{
    if (server->service_count > 0 && text_equal(server->services[server->service_count - 1], name))
        return;
    if (server->service_count == SERVICES_MAX)
        bug("rpc: more than %d services", SERVICES_MAX);
    server->services[server->service_count++] = name;
}

bool rpc_routes_add(struct rpc_server *server, const ProtobufCServiceDescriptor *service,
                    const struct rpc_method *method,
                    const struct error *(*converse)(struct rpc_call *call),
                    char problem[RPC_PROBLEM_SIZE])
{
    const ProtobufCMethodDescriptor *descriptor = find_method(service, method->name);
    char path[256];

    if (descriptor == NULL)
        return refuse_row(problem, service, method->name, "is not in the contract");
    if (server->route_count == ROUTES_MAX)
        bug("rpc: more than %d methods", ROUTES_MAX);
    snprintf(path, sizeof path, "/%s/%s", service->name, method->name);
    struct rpc_route *route = calloc(1, sizeof *route);
    if (route == NULL || (route->path = strdup(path)) == NULL ||
        (route->durations = calloc(1, sizeof *route->durations)) == NULL)
        bug("rpc: out of memory");
    route->service = service;
    route->method = method;
    route->input = descriptor->input;
    route->output = descriptor->output;
    route->converse = converse;
    route->is_stream = converse != NULL || method->stream != NULL;
    route->object = rpc_object_field(descriptor->input);
    route->made = rpc_object_field(descriptor->output);
    route->request_id =
        protobuf_c_message_descriptor_get_field_by_name(descriptor->input, REQUEST_ID_FIELD);
    server->routes[server->route_count++] = route;
    /* A sandbox that is off refuses its methods, and is not listed. */
    if (!method->sandbox_only || server->house->settings->sandbox)
        add_service_name(server, service->name);
    return true;
}

static bool check_row(const ProtobufCServiceDescriptor *service,
                      const ProtobufCMethodDescriptor *descriptor, const struct rpc_method *row,
                      char problem[RPC_PROBLEM_SIZE])
{
    const ProtobufCFieldDescriptor *request_id =
        protobuf_c_message_descriptor_get_field_by_name(descriptor->input, REQUEST_ID_FIELD);

    if ((row->handler == NULL) == (row->stream == NULL))
        return refuse_row(problem, service, row->name,
                          row->handler == NULL ? "has no handler" : "has a handler and a stream");
    if (row->stream != NULL && row->request_id != REQUEST_ID_NONE)
        return refuse_row(problem, service, row->name, "is a stream and has a request_id");
    if (row->scope == NULL || row->scope[0] == '\0')
        return refuse_row(problem, service, row->name, "has no scope and does not say PUBLIC");
    if (!text_equal(row->scope, RPC_PUBLIC) && (row->callers & CALLER_ALL) == 0)
        return refuse_row(problem, service, row->name, "admits no kind of caller");
    if (row->request_id == REQUEST_ID_NONE && request_id != NULL)
        return refuse_row(problem, service, row->name,
                          "has a request_id that its row does not say");
    if (row->request_id != REQUEST_ID_NONE &&
        (request_id == NULL || request_id->type != PROTOBUF_C_TYPE_STRING ||
         request_id->label == PROTOBUF_C_LABEL_REPEATED))
        return refuse_row(problem, service, row->name, "has no request_id");
    return true;
}

/* The one row of that name; NULL when there is none or there are two. */
static const struct rpc_method *only_row(const struct rpc_service *service, const char *name)
{
    const struct rpc_method *found = NULL;

    for (size_t i = 0; i < service->method_count; i++) {
        if (!text_equal(service->methods[i].name, name))
            continue;
        if (found != NULL)
            return NULL;
        found = &service->methods[i];
    }
    return found;
}

bool rpc_routes_add_service(struct rpc_server *server, const struct rpc_service *service,
                            char problem[RPC_PROBLEM_SIZE])
{
    const ProtobufCServiceDescriptor *descriptor = service->descriptor;

    for (unsigned i = 0; i < descriptor->n_methods; i++) {
        const ProtobufCMethodDescriptor *method = &descriptor->methods[i];
        const struct rpc_method *row = only_row(service, method->name);
        if (row == NULL)
            return refuse_row(problem, descriptor, method->name, "must have exactly one row");
        if (!check_row(descriptor, method, row, problem) ||
            !rpc_routes_add(server, descriptor, row, NULL, problem))
            return false;
    }
    for (size_t i = 0; i < service->method_count; i++) {
        if (find_method(descriptor, service->methods[i].name) == NULL)
            return refuse_row(problem, descriptor, service->methods[i].name,
                              "is not in the contract");
    }
    return true;
}

void rpc_routes_free(struct rpc_server *server)
{
    for (size_t i = 0; i < server->route_count; i++) {
        free(server->routes[i]->path);
        free(server->routes[i]->durations);
        free(server->routes[i]);
    }
    server->route_count = 0;
}
