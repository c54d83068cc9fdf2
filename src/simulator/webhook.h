/*
 * The sender of webhooks: one thread, a queue by time.  What is taken off the queue is looked up,
 * signed for its time and posted; what is not taken with 2xx comes again, later and later.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"

#define WEBHOOK_EVENT_ID_SIZE 64

struct simulator;
struct face;

struct webhook_order {
    const struct face *face;
    char event[WEBHOOK_EVENT_ID_SIZE];
    int64_t due_us; /* of the machine's monotonic clock */
    int64_t skew_s; /* the first try is signed for so long ago */
    int32_t tries;
    bool is_forged;
    bool is_early; /* somebody waits for it */
};

struct webhooks;

/* What is posted: the answer's status, or 0. */
typedef int32_t webhook_deliver(struct simulator *simulator, const struct webhook_order *order);

struct webhooks *webhooks_open(struct simulator *simulator, webhook_deliver *deliver);
bool webhooks_start(struct webhooks *webhooks);

/* Drops what is still in the queue; it is found again at the next start.  NULL is allowed. */
void webhooks_close(struct webhooks *webhooks);

void webhooks_push(struct webhooks *webhooks, const struct webhook_order *order);

/* Returns when every early order was tried, or after `limit_ms`. */
void webhooks_wait_early(struct webhooks *webhooks, int64_t limit_ms);
