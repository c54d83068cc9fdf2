/*
 * What service.c shares with service_reply.c: one connection and its request.
 */
#pragma once

#include <microhttpd.h>

#include "http/service.h"

struct service_slot {
    struct http_service *service;
    int descriptor; /* -1: free */
    uint64_t source;
    int64_t until_us; /* INT64_MAX: the handler runs */
};

/* One request, from its first line until its answer was sent. */
struct service_exchange {
    struct arena *arena;
    const char *target; /* as sent: path and query */
    char *body;
    size_t body_size;
    size_t body_capacity;
    bool has_begun;
    struct MHD_Connection *connection;
    struct http_service *service;
    struct service_slot *slot;
};

/* Gives the answer to the library, or writes it in the way that `ending` says. */
enum MHD_Result service_reply_send(struct service_exchange *exchange,
                                   const struct http_service_reply *reply);

/* -1 is never returned: a connection has a socket. */
int service_descriptor(struct MHD_Connection *connection);
