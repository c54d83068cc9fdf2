/*
 * The load client's parts: what shall be sent (plan), and who sends it (workers).
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#include "complain.h"
#include "headers.h"
#include "latency.h"
#include "wire.h"

#define CONNECTIONS_MAX 256
#define IN_FLIGHT_MAX   65536
#define WORKERS_MAX     16
#define IDENTITIES_MAX  256
#define STATUSES        17
#define LINE_WINDOW_MIN 16384
#define CELLS           1024 /* streams of a connection that may be open at once; a power of two */

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
    size_t in_flight; /* of the closed loop */
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
    uint64_t late;          /* sent more than 1 ms after their time */
    uint64_t unsent;        /* due before the end, but the connections' streams did not suffice */
};

/* A call in flight. */
struct cell {
    uint32_t stream; /* 0: free */
    int status;      /* negative: not told yet */
    int64_t sent_us;
    int64_t begun_us; /* at a fixed rate: when it should have been sent */
    struct wire_bytes reply;
};

struct line {
    struct wire wire; /* first: a wire's owner is found by its address */
    struct worker *worker;
    SSL_CTX *context;
    struct header_blocks blocks;
    bool spelled_out; /* the first block was sent on this connection */
    uint32_t next_stream;
    size_t active;
    size_t wanted; /* calls in flight, in the closed loop */
    int64_t reopen_us;
    struct wire_bytes message;
    struct cell cells[CELLS];
};

struct worker {
    struct plan *plan;
    pthread_t thread;
    int epoll;
    struct line *lines;
    size_t line_count;
    size_t quota; /* calls, of plan->count */
    size_t begun;
    size_t active;
    int64_t count_from_us;  /* what begins from here on counts … */
    int64_t count_until_us; /* … until here, and then none begins */
    struct tally tally;
};

/* requests.c */
void requests_read(struct plan *plan);
/* `message`: the next request, with an id of its own. */
void requests_next(struct plan *plan, struct wire_bytes *message);
void requests_write_reply(struct plan *plan, const struct wire_bytes *reply);

/* line.c */
void line_init(struct line *line, struct worker *worker, size_t number);
bool line_has_room(const struct line *line);
void line_begin(struct line *line, int64_t begun_us);
void line_drop_overdue(struct line *line, int64_t now);

/* Opens it, or opens it again. */
void line_keep_open(struct line *line, int64_t now);

/* worker.c */
void worker_connect(struct worker *worker);
void *worker_run(void *argument);
