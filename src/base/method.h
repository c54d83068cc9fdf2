/*
 * The table of an RPC service: one row a method.  rpc/ finds, decodes, authorises, runs and encodes
 * by it; at start it asserts that rows and descriptor agree one to one and that every row says its
 * scope, or RPC_PUBLIC aloud.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/call.h"

/* Any accepted certificate may call; no token is looked at. */
#define RPC_PUBLIC "public"

struct ProtobufCServiceDescriptor;
struct stream;

/* `reply` is already initialised.  Neither outlives the call. */
typedef const struct error *rpc_handler(struct call *call, const void *request, void *reply);

/* A server stream: sends and waits until it is told to end.  See base/stream.h. */
typedef const struct error *rpc_stream_handler(struct call *call, const void *request,
                                               struct stream *stream);

/* The request's `request_id` field. */
enum request_id_rule {
    REQUEST_ID_NONE,     /* the method changes nothing and has no such field */
    REQUEST_ID_OPTIONAL, /* honoured when given */
    REQUEST_ID_REQUIRED, /* money moves */
};

struct rpc_method {
    const char *name;
    rpc_handler *handler;       /* this, */
    rpc_stream_handler *stream; /* or this for a method that returns a stream */
    const char *scope;          /* "payments.write", or RPC_PUBLIC */
    unsigned callers;           /* mask of enum caller_kind; ignored for RPC_PUBLIC */
    enum request_id_rule request_id;
    int32_t cost;          /* tokens of the caller's rate that one call takes; 0 is 1 */
    bool sandbox_only;     /* UNIMPLEMENTED unless the server runs with sandbox = on */
    bool no_database;      /* never waits for the database: admission control lets it pass */
    int64_t time_limit_ms; /* deadline clamp of this method; 0: the server's default */
};

struct rpc_service {
    const struct ProtobufCServiceDescriptor *descriptor;
    const struct rpc_method *methods;
    size_t method_count;
};
