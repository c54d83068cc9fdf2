/*
 * What goes wrong, on order or at random.  A fault is ordered for requests that match, or in the
 * request's own header
 *
 *   X-Simulator-Fault: late=1500, webhook_forged
 *
 * or drawn for a share of all requests; the draw is a function of seed and call number, so a run
 * can be repeated.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"

enum fault {
    FAULT_LATE,            /* done; the answer comes after N ms, and the key is in use until then */
    FAULT_TIMEOUT_BEFORE,  /* not done; no answer for N ms, then the connection is reset */
    FAULT_TIMEOUT_AFTER,   /* done; the same */
    FAULT_RESET_BEFORE,    /* not done; reset at once */
    FAULT_RESET_AFTER,     /* done; reset after N bytes of the answer, its head included */
    FAULT_TRUNCATE,        /* done; a proper answer whose body ends after N bytes */
    FAULT_DRIP,            /* done; the answer comes one byte in N ms */
    FAULT_OTHER_AMOUNT,    /* done; the answer's amounts are N too high */
    FAULT_OTHER_CURRENCY,  /* done; the answer's currency is another */
    FAULT_OTHER_OBJECT,    /* done; the answer has another id and other metadata */
    FAULT_TOO_MANY,        /* not done; 429 with Retry-After: N */
    FAULT_ERROR_500,       /* not done; 500, stored under the key */
    FAULT_ERROR_500_AFTER, /* done; 500, stored under the key */
    FAULT_ERROR_503,       /* not done; 503 with Retry-After: N */
    FAULT_WEBHOOK_DUPLICATE, /* each event N times */
    FAULT_WEBHOOK_REORDER,   /* the last event first */
    FAULT_WEBHOOK_EARLY,     /* delivered before the answer leaves */
    FAULT_WEBHOOK_FORGED,    /* a false event with a wrong signature beside each */
    FAULT_WEBHOOK_LOST,      /* never delivered; only the list of events has them */
    FAULT_WEBHOOK_LATE,      /* delivered after N ms */
    FAULT_WEBHOOK_SKEWED,    /* signed N seconds in the past, properly */
    FAULT_COUNT,
};

struct fault_plan {
    uint32_t kinds; /* 1 << FAULT_… */
    int64_t values[FAULT_COUNT];
};

static inline bool fault_is_planned(const struct fault_plan *plan, enum fault fault)
{
    return (plan->kinds & (1U << fault)) != 0;
}

/* The request that a plan is made for. */
struct fault_subject {
    int64_t number; /* of the call */
    const char *method;
    const char *path;
    const char *body;   /* NUL terminated, as sent */
    const char *header; /* NULL without one */
};

#define FAULT_ORDERS_MAX 64
#define FAULT_TEXT_SIZE  128

/* A fault for requests that match; "" matches all. */
struct fault_order {
    enum fault fault;
    int64_t value;
    char method[8];
    char path[FAULT_TEXT_SIZE]; /* contained in the path */
    char body[FAULT_TEXT_SIZE]; /* contained in the body, as sent */
    int64_t skip;               /* so many matching requests are let through first */
    int64_t left;               /* for so many matching requests; 0: the order is free */
};

/* Under the caller's lock. */
struct faults {
    struct fault_order orders[FAULT_ORDERS_MAX];
    uint64_t seed;
    int32_t percent;       /* of requests that get one fault at random */
    uint32_t random_kinds; /* which */
};

#define FAULT_ALL ((1U << FAULT_COUNT) - 1)

const char *fault_name(enum fault fault);

/* False: no fault has this name. */
bool fault_from_name(const char *name, size_t length, enum fault *fault);

/* False and one line in `problem`: the header names no fault. */
bool faults_choose(struct faults *faults, const struct fault_subject *subject,
                   struct fault_plan *plan, char problem[128]);

/* For what happens by itself later, and its events: only orders for FAULT_TASK_METHOD match. */
#define FAULT_TASK_METHOD "TASK"
void faults_choose_task(struct faults *faults, const char *kind, struct fault_plan *plan);

/* From {"fault", "value", "method", "path", "body", "skip", "count"}. */
bool faults_order(struct faults *faults, const json_t *order, char problem[128]);

/* From {"percent", "seed", "faults": [names]}; all faults without the list. */
bool faults_set_random(struct faults *faults, const json_t *wish, char problem[128]);

/* What is in force: a new reference. */
json_t *faults_to_json(const struct faults *faults);

/* The names of the plan with commas between them; "" for none. */
const char *fault_plan_text(struct arena *arena, const struct fault_plan *plan);
