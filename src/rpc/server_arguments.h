/*
 * What gRPC is told about limits: one table, so that a test can read it.
 */
#pragma once

#include <grpc/grpc.h>
#include <stddef.h>

#define REQUEST_SIZE_MAX 65536
/*
 * gRPC counts 31 KiB for a connection that only waits, and drops new ones when the quota is full:
 * the 12,000 of connections_max need 370 MiB of it.
 */
#define MEMORY_QUOTA_SIZE (512 * 1024 * 1024)

struct server_argument {
    const char *key;
    int value;
};

extern const struct server_argument server_arguments[];
extern const size_t server_argument_count;

/* A server with these arguments and the memory quota.  grpc_init has been called. */
grpc_server *server_create(void);
