/*
 * The load client's parts: what shall be sent (plan), and who sends it (workers).
 */
#pragma once

#include <grpc/grpc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "latency.h"

#define CONNECTIONS_MAX 256
#define IN_FLIGHT_MAX   65536
#define WORKERS_MAX     16
#define IDENTITIES_MAX  256
#define STATUSES        17

struct request {
    uint8_t *bytes;
    size_t size;
    size_t fresh; /* where the text of its own begins; `size`: it has none */
};

struct plan {
    const char *target;
    const char *certificates;
    const char *identities[IDENTITIES_MAX]; /* names of certificates, for the connections in turn */
    size_t identity_count;
    const char *tokens[IDENTITIES_MAX]; /* files with access tokens, in the same turn */
    size_t token_count;
    const char *rpc;
    const char *requests_file;
    const char *replies_file;
    int64_t seconds;
    int64_t warm_up_seconds;
    int64_t timeout_ms;
    size_t count;     /* 0: by time */
    uint64_t rate;    /* calls a second; 0: closed loop */
    size_t in_flight; /* 0: 64, or 8192 at a fixed rate */
    size_t connections;
    size_t threads;

    struct request *requests;
    size_t request_count;
    atomic_size_t next_request;
    atomic_uint_least64_t next_fresh;
    FILE *replies;
};

/* What came back, apart by what it was. */
struct tally {
    uint64_t statuses[STATUSES];
    struct latency ok;
    struct latency refused; /* RESOURCE_EXHAUSTED */
    struct latency failed;  /* everything else */
    uint64_t in_time;       /* of ok: answered before the end */
    uint64_t late;          /* begun more than 1 ms after their time */
    uint64_t
        unsent; /* not begun before the end: the client, or its calls in flight, did not suffice */
};

struct worker;

struct slot {
    struct worker *worker;
    struct slot *next_free;
    grpc_call *call;
    grpc_byte_buffer *reply;
    grpc_metadata_array headers;
    grpc_metadata_array trailers;
    grpc_status_code status;
    grpc_slice details;
    int64_t begun_us; /* at a fixed rate: when it should have begun */
    size_t line;      /* of the worker's connections */
};

struct line {
    grpc_channel *channel;
    void *method;
    grpc_metadata token;
    bool has_token;
};

struct worker {
    struct plan *plan;
    grpc_completion_queue *queue;
    struct line lines[CONNECTIONS_MAX];
    size_t line_count;
    struct slot *slots;
    size_t slot_count;
    size_t quota; /* calls, of plan->count */
    pthread_t thread;
    int64_t count_from_us;  /* what begins from here on counts … */
    int64_t count_until_us; /* … until here, and then none begins */

    /* at a fixed rate only: the other thread starts the calls */
    pthread_mutex_t mutex;
    pthread_cond_t freed;
    struct slot *free_slots;
    atomic_size_t flying;

    struct tally tally;
};

_Noreturn void give_up(const char *what, const char *detail);
int64_t now_us(void);
char *read_whole(const char *path);

/* requests.c */
void requests_read(struct plan *plan);
grpc_byte_buffer *requests_next(struct plan *plan);
void requests_write_reply(struct plan *plan, grpc_byte_buffer *reply);

/* lines.c */
void lines_open(struct worker *worker, size_t first, size_t count);
void lines_close(struct worker *worker);

/* worker.c */
void worker_open(struct worker *worker, struct plan *plan);
void worker_start(struct worker *worker);
void worker_close(struct worker *worker);
