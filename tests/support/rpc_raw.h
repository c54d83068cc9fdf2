/*
 * A client below libdues, for what libdues does not do: streams, one step at a time.  Every step
 * has a deadline, so a server that does not answer fails the test instead of hanging it.
 */
#pragma once

#include <grpc/grpc.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "support/rpc_certificates.h"

struct rpc_raw;

/* A channel of its own. */
struct rpc_raw *rpc_raw_open(const char *target, const char *ca_pem, struct test_pair pair);
void rpc_raw_close(struct rpc_raw *raw);

struct rpc_raw_stream;

struct rpc_raw_stream *rpc_raw_start(struct rpc_raw *raw, const char *path);

/* False when the stream is over or nothing happened in time. */
bool rpc_raw_send(struct rpc_raw_stream *stream, const void *bytes, size_t size);
bool rpc_raw_half_close(struct rpc_raw_stream *stream);

/* The next message, to be freed; NULL at the end of the stream or when none came within `wait_ms`.
 */
uint8_t *rpc_raw_receive(struct rpc_raw_stream *stream, int64_t wait_ms, size_t *size);

void rpc_raw_cancel(struct rpc_raw_stream *stream);

/* The status of the stream, waiting for its end; -1 when it does not end. Frees the stream. */
int rpc_raw_finish(struct rpc_raw_stream *stream);

/* What its google.rpc.ErrorInfo says; "" for what was not there. */
struct rpc_raw_end {
    int status;
    char reason[64];
    char cursor[64];
};
struct rpc_raw_end rpc_raw_finish_with_reason(struct rpc_raw_stream *stream);
