/*
 * Within the room: the queue as its obligation's run sees it, and what each *_store.c prepares.
 */
#pragma once

#include "jobs/jobs.h"
#include "webhook/webhook.h"

/* The head of a queue and its endpoint, in one look. */
struct webhook_head {
    struct webhook_endpoint endpoint;
    bool has_event; /* else nothing is pending */
    int64_t sequence;
    int32_t try_count;     /* attempts since it was queued, or queued again */
    int32_t attempt_count; /* attempts of all */
    const char *type;
    struct uuid subject;
    const char *details; /* JSON object */
    struct uuid payment; /* that the details name; UUID_NIL: none */
    int64_t event_time_us;
};

/* `*found` false: the endpoint was deleted. */
const struct error *webhook_head_load(struct call *call, struct uuid customer, struct uuid endpoint,
                                      struct webhook_head *head, bool *found) MUST_CHECK;

struct webhook_result {
    struct webhook_attempt attempt; /* problem "": the endpoint took it */
    int64_t retry_us;               /* after a failure; 0: it is given up */
    bool is_gone;
};

enum webhook_outcome {
    WEBHOOK_NEXT,     /* something is pending, and the obligation is still ours */
    WEBHOOK_OVER,     /* done, waiting, or somebody else's now */
    WEBHOOK_DISABLED, /* the endpoint was disabled by this */
};

const struct error *webhook_record(struct call *call, const struct obligation *obligation,
                                   const struct webhook_head *head,
                                   const struct webhook_result *result,
                                   enum webhook_outcome *outcome) MUST_CHECK;

/* Nothing is sent now; looks again at `due_us` at the latest. */
const struct error *webhook_rest(struct call *call, const struct obligation *obligation,
                                 int64_t due_us) MUST_CHECK;

extern const struct pg_statement webhook_endpoint_load_statement, webhook_endpoint_list_statement,
    webhook_endpoint_create_statement, webhook_endpoint_update_statement,
    webhook_endpoint_rotate_statement, webhook_endpoint_delete_statement,
    webhook_types_unknown_statement;
extern const struct pg_statement webhook_head_statement, webhook_record_statement,
    webhook_rest_statement, webhook_wake_statement, webhook_redeliver_statement;
extern const struct pg_statement webhook_delivery_list_statement, webhook_delivery_of_statement,
    webhook_delivery_load_statement;
