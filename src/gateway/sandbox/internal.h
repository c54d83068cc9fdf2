/*
 * What the files of the sandbox share: the gateway itself, and writing a line of its journal.
 */
#pragma once

#include <pthread.h>

#include "gateway/sandbox/judge.h"
#include "gateway/sandbox/memory.h"
#include "gateway/sandbox/sandbox.h"

struct sandbox {
    struct gateway gateway;
    const struct clock *clock;
    const struct random *random;
    int64_t timeout_ms;
    int64_t latency_ms;
    pthread_mutex_t mutex; /* guards what is below */
    struct journal journal;
    struct memory *memory;
};

/* Writes the line, with number, time and verdict, and learns it.  False: it could not be written,
 * so nothing happened.  Under the mutex. */
bool sandbox_record(struct sandbox *sandbox, struct arena *arena, struct journal_line *line,
                    const struct verdict *verdict, struct memory_request **learned);

/* As long as an answer may take, but not past the time in which the caller can still be told that
 * it is not known. */
int64_t sandbox_wait_us(const struct sandbox *sandbox, const struct call *call);

/* dispute.c */
enum gateway_outcome sandbox_get_dispute(const struct gateway *gateway, struct call *call,
                                         const char *id, struct gateway_dispute *dispute);
enum gateway_outcome sandbox_submit_evidence(const struct gateway *gateway, struct call *call,
                                             const struct gateway_dispute_request *request,
                                             struct gateway_dispute *dispute);
enum gateway_outcome sandbox_accept_dispute(const struct gateway *gateway, struct call *call,
                                            const struct gateway_dispute_request *request,
                                            struct gateway_dispute *dispute);
bool sandbox_list_disputes(const struct gateway *gateway, struct call *call, int64_t since_us,
                           const char *cursor, struct gateway_dispute_page *page);
