/*
 * What gRPC is told about limits: one table, so that a test can read it.
 */
#pragma once

#include <grpc/grpc.h>
#include <stddef.h>

#define REQUEST_SIZE_MAX  65536
#define MEMORY_QUOTA_SIZE (256 * 1024 * 1024)

struct server_argument {
    const char *key;
    int value;
};

extern const struct server_argument server_arguments[];
extern const size_t server_argument_count;

/* A server with these arguments and the memory quota.  grpc_init has been called. */
grpc_server *server_create(void);
