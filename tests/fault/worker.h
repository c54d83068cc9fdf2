/*
 * One thread of the load: its customers, what it has asked for, and its own random numbers.
 */
#pragma once

#include <stdatomic.h>

#include "operation.h"

struct client_log;

struct worker_counts {
    size_t begun; /* requests with an id of their own */
    size_t calls;
    size_t not_known; /* calls that ended without an answer */
    size_t repeated;  /* known answers asked for again */
    size_t unsettled; /* requests whose outcome is not known at the end */
};

#define WORKER_CUSTOMERS_MAX 256

struct worker_customer {
    char name[NAME_SIZE];
    char methods[3][NAME_SIZE];
    size_t method_count;
    bool has_membership;
};

struct worker {
    struct dues_client *client;
    struct client_log *log;
    const char *run;
    long index;
    uint64_t random;
    const atomic_bool *stop_wanted;
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
                 const char *run, long index, uint64_t seed, const atomic_bool *stop_wanted);
void *worker_run(void *arg); /* the worker */
void worker_release(struct worker *worker);
