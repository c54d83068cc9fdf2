/*
 * What the server counts: calls by method and status, what it refused and why.  Added to by any
 * thread without a lock; told by rpc_server_measure.
 */
#pragma once

#include <stdatomic.h>
#include <stdint.h>

#include "base/error.h"
#include "base/histogram.h"

enum rpc_refusal {
    REFUSED_RATE,     /* the caller's rate is used up */
    REFUSED_DATABASE, /* admission: calls would wait for it too long */
    REFUSED_CALLS,    /* calls_max of them are running */
    REFUSED_STREAMS,  /* of all, or of one caller */
    REFUSED_WAITING,  /* gave way before its message came */
};
#define REFUSALS 5

struct rpc_counts {
    atomic_int_least64_t refused[REFUSALS];
    atomic_int_least64_t stream_messages;
    atomic_int_least64_t slow_readers;
};

#define STATUS_COUNT 17

/* Of one method. */
struct rpc_durations {
    struct histogram by_status[STATUS_COUNT];
};

struct rpc_call;

/* How many were refused for this reason before. */
int64_t rpc_count_refusal(struct rpc_counts *counts, enum rpc_refusal why);
/* The call ended so just now. */
void rpc_count_call(struct rpc_call *call, const struct error *error);
