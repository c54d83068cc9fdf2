/*
 * One thread of the load: its customers, what it has asked for, and its own random numbers.
 */
#pragma once

#include <stdatomic.h>

#include "operation.h"

struct client_log;

struct worker_counts {
    size_t begun; /* requests with an id of their own */
    size_t payments;
    size_t calls;
    size_t not_known; /* calls that ended without an answer */
    size_t repeated;  /* known answers asked for again */
    size_t unsettled; /* requests whose outcome is not known at the end */
    size_t late;      /* payments that were begun more than a second after their time */
};

#define WORKER_CUSTOMERS_MAX 256
#define WORKER_METHODS_MAX   3

struct worker_customer {
    char name[NAME_SIZE];
    char methods[WORKER_METHODS_MAX][NAME_SIZE];
    size_t method_count;
    bool has_membership;
};

/* A card of the gateway's, and how many of a hundred cards are of this kind. */
struct worker_card {
    uint64_t weight;
    const char *token;
};

struct worker_options {
    const char *run;
    long index;
    uint64_t seed;
    const struct worker_card *cards; /* their weights sum to 100 */
    int64_t interval_us;             /* between the payments of this worker; 0: none */
    const atomic_bool *stop_wanted;
};

struct worker {
    struct dues_client *client;
    struct client_log *log;
    struct worker_options options;
    uint64_t random;
    int64_t next_us; /* with an interval: when the next payment begins */
    struct worker_counts counts;

    struct operation *operations;
    size_t operation_count;
    size_t operation_capacity;

    struct worker_customer customers[WORKER_CUSTOMERS_MAX];
    size_t customer_count;

    char clock[NAME_SIZE]; /* the worker's test clock */
    int64_t clock_seconds;
};

void worker_init(struct worker *worker, struct dues_client *client, struct client_log *log,
                 const struct worker_options *options);
void *worker_run(void *arg); /* the worker */
void worker_release(struct worker *worker);

/* --- For what it does (deeds.c) --- */

#define TRIES_UNDER_WAY 12

uint64_t worker_below(struct worker *worker, uint64_t bound);
void worker_pause_ms(long duration_ms);
bool worker_is_stopping(const struct worker *worker);

/* A new operation, by its index: the array moves. */
size_t worker_begin(struct worker *worker, enum operation_kind kind);

/* Sends it once and writes down both ends.  True when the answer settles it. */
bool worker_send_once(struct worker *worker, struct operation *operation);

/*
 * Asks until it is known, or `tries_max` times; true when it is known to have been done.  What is
 * in flight is left for the end after a second look: its resolver takes seconds.
 */
bool worker_ask(struct worker *worker, size_t index, int tries_max);

/* Two senders of one request at the same time: one effect, and one answer. */
bool worker_ask_with_twin(struct worker *worker, size_t index);

/* Two requests at the same time, each asked until it is known. */
void worker_race(struct worker *worker, size_t first, size_t second);
