/*
 * What happens later by itself: a refund that settles or fails, a dispute, an authorization that
 * expires.  Tasks are objects of the store; here is when the next is due.
 */
#pragma once

#include <jansson.h>
#include <stdint.h>

#include "simulator/store.h"

struct tasks {
    json_t *pending; /* id → when it is due, in microseconds */
    int64_t next_us; /* not before this is any due; INT64_MAX: there is none */
};

void tasks_init(struct tasks *tasks);
void tasks_release(struct tasks *tasks);

/* Learns an object of the store that may be a task, new or done. */
void tasks_learn(struct tasks *tasks, const json_t *object);

/* The id of a task that is due, in the arena; NULL when there is none. */
const char *tasks_due(struct tasks *tasks, struct arena *arena, int64_t now_us);
