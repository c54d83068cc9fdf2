/*
 * A gateway's face: its paths, its answers, its way of signing webhooks.  One folder each; the
 * store, the faults, the journal and the sending of webhooks are the same for all.
 */
#pragma once

#include "http/service.h"
#include "simulator/faults.h"
#include "simulator/store.h"

struct simulator;

/* One request on its way through the simulator. */
struct exchange {
    struct simulator *simulator;
    const struct http_service_request *http;
    struct arena *arena;
    struct tx tx;
    struct fault_plan plan;
    int64_t number; /* of the call, from 1; counted over restarts */

    /* What the face answers. */
    int32_t status;
    const char *content_type;
    const char *body; /* text, in the arena */
    struct http_header headers[HTTP_SERVICE_HEADERS_MAX];
    size_t header_count;
    const char *request_id; /* "" when the face has none */
    const char *key;        /* the idempotency key; "" without one */
    bool was_done;          /* objects were, or could have been, changed */
    bool was_replayed;
};

/* How an event is shown to its receiver. */
struct webhook_form {
    const char *secret;
    int64_t time_s; /* that it is signed for */
    bool is_forged; /* with a signature that does not hold */
};

struct face {
    const char *name;
    const char *const *prefixes; /* of its paths; NULL terminated */
    /* Under the simulator's lock; does no I/O but the store's.  Heeds those faults of the plan that
     * decide what is done (429, 500, 503); the others are not its business. */
    void (*answer)(struct exchange *exchange);
    /* A task whose time has come; `task` is {"kind", "target", …}. */
    void (*run_task)(struct simulator *simulator, struct tx *tx, const json_t *task);
    /* Changes a well-formed answer in the way of FAULT_OTHER_…; NULL when it has nothing to change.
     */
    char *(*falsify)(struct arena *arena, const char *body, const struct fault_plan *plan);
    /* The body of an event of the store as it is sent, and the header that signs it. */
    char *(*webhook)(struct arena *arena, json_t *event, const struct webhook_form *form,
                     struct http_header *signature);
};

void exchange_add_header(struct exchange *exchange, const char *name, const char *value);
