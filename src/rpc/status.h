/*
 * The wire form of an error: grpc-status, grpc-message and, in grpc-status-details-bin, the whole
 * google.rpc.Status with ErrorInfo, BadRequest, RetryInfo and RequestInfo.
 */
#pragma once

#include <grpc/grpc.h>

#include "base/error.h"

/* Clients allow 8 KiB of metadata, base64 makes four bytes of three. */
#define STATUS_DETAILS_SIZE_MAX   4096
#define STATUS_MESSAGE_LENGTH_MAX 512

struct rpc_status {
    grpc_status_code code;
    grpc_slice message;
    grpc_metadata details;
};

/* `error` NULL is OK, without details.  The cause of an error never gets in here. */
void rpc_status_make(struct rpc_status *status, struct arena *arena, const struct error *error,
                     const char *trace);
void rpc_status_release(struct rpc_status *status);

/* Points into `status`. */
grpc_op rpc_status_op(struct rpc_status *status);

/* x-request-id; unref its value after the batch was started. */
grpc_metadata rpc_trace_header(const char *trace);

/* The packed google.rpc.Status.  Field violations that do not fit are left out. */
uint8_t *rpc_status_pack(struct arena *arena, const struct error *error, const char *trace,
                         size_t *size);
