/*
 * Webhooks out: events told to others by HTTPS, after Standard Webhooks 1.0.0.
 *
 *   event_append ──► webhook_delivery PENDING, one a wanting endpoint, and obligation
 *        (SQL)       "webhook.deliver", one a customer and endpoint: a queue
 *                                        │ due
 *                    webhook_deliver_job ▼ head of the queue ──► POST ──► recorded ──► next
 *
 * At least once: an attempt that was sent and not recorded is sent again with the same webhook-id.
 * In order: the next event of a customer goes to an endpoint only after the one before was taken,
 * or given up.  Nothing is lost: the queue is written in the event's own commit.
 */
#pragma once

#include "crypto/secrets.h"
#include "pg/pg.h"

#define WEBHOOK_ENDPOINTS_MAX          16
#define WEBHOOK_EVENT_TYPES_MAX        32
#define WEBHOOK_EVENT_TYPE_LENGTH_MAX  64
#define WEBHOOK_URL_LENGTH_MAX         2048
#define WEBHOOK_DESCRIPTION_LENGTH_MAX 255

#define WEBHOOK_ENDPOINT_PATTERN "webhookEndpoints/{}"
#define WEBHOOK_DELIVERY_PATTERN "webhookEndpoints/{}/deliveries/{}"

/* One secret, or key pair. */
struct webhook_key {
    struct uuid id;
    struct bytes sealed;
    struct bytes public_key; /* no bytes with HMAC */
};

struct webhook_endpoint {
    struct uuid id;
    const char *url;
    const char *event_types; /* blank-separated; "": every event */
    const char *description;
    bool is_ed25519;
    bool is_enabled;
    const char *disable_reason; /* "", "REQUESTED", "GONE", "FAILING" */
    struct webhook_key key;
    struct webhook_key previous; /* signs too until previous_expire_us */
    int64_t previous_expire_us;  /* 0: there is none */
    int64_t failing_since_us;    /* 0: it is not */
    int64_t create_time_us;
    int64_t update_time_us;
};

/* endpoint_store.c */

/* Fails with NOT_FOUND / WEBHOOK_ENDPOINT_NOT_FOUND. */
const struct error *webhook_endpoint_load(struct call *call, struct uuid id,
                                          struct webhook_endpoint *endpoint) MUST_CHECK;

/* Newest first, behind `before` (UUID_NIL: from the newest). */
const struct error *webhook_endpoint_list(struct call *call, struct uuid before, int64_t limit,
                                          struct webhook_endpoint **endpoints, size_t *count)
    MUST_CHECK;

/* Of blank-separated types those that no event has. */
const struct error *webhook_types_unknown(struct call *call, const char *event_types,
                                          const char ***unknown, size_t *count) MUST_CHECK;

/*
 * The recorded steps.  `answer` is kept for a repeat of the request; `*replayed`: call->recorded
 * holds the first one.  `*changed`: somebody else changed it meanwhile, nothing was done: load it
 * again.  `before_us` is the update_time of the row that the step was made from.
 */
const struct error *webhook_endpoint_create(struct call *call,
                                            const struct webhook_endpoint *endpoint,
                                            struct bytes answer, bool *changed, bool *replayed)
    MUST_CHECK;
const struct error *webhook_endpoint_update(struct call *call,
                                            const struct webhook_endpoint *endpoint,
                                            int64_t before_us, struct bytes answer, bool *changed,
                                            bool *replayed) MUST_CHECK;
const struct error *webhook_endpoint_rotate(struct call *call,
                                            const struct webhook_endpoint *endpoint,
                                            int64_t before_us, struct bytes answer, bool *changed,
                                            bool *replayed) MUST_CHECK;
const struct error *webhook_endpoint_delete(struct call *call, struct uuid id, bool *replayed)
    MUST_CHECK;

/* Columns of table webhook_endpoint as `e`. */
#define WEBHOOK_ENDPOINT_COLUMNS                                                                   \
    "e.webhook_endpoint_id, e.url, array_to_string(e.event_types, ' ') AS event_types,"            \
    " e.description, e.signing, e.state AS endpoint_state, e.disable_reason, e.secret_id,"         \
    " e.secret_sealed, e.public_key, e.previous_secret_id, e.previous_secret_sealed,"              \
    " e.previous_public_key, e.previous_expire_time, e.failing_since,"                             \
    " e.create_time AS endpoint_create_time, e.update_time AS endpoint_update_time"
void webhook_endpoint_from_row(const struct pg_rows *rows, size_t row,
                               struct webhook_endpoint *endpoint);

/* delivery_store.c */

enum webhook_state { WEBHOOK_ANY, WEBHOOK_PENDING, WEBHOOK_SUCCEEDED, WEBHOOK_FAILED };

struct webhook_attempt {
    int64_t time_us;
    int32_t status;
    int64_t latency_us;
    const char *problem;
    const char *answer;
};

struct webhook_delivery {
    struct uuid endpoint;
    struct uuid customer;
    int64_t sequence;
    const char *event_type;
    enum webhook_state state;
    int32_t attempt_count;
    int64_t next_attempt_us; /* 0: not known */
    int64_t create_time_us;
    const struct webhook_attempt *attempts; /* the newest last */
    size_t kept_count;
};

struct webhook_delivery_filter {
    struct uuid endpoint;
    struct uuid customer; /* UUID_NIL: every customer's */
    enum webhook_state state;
};

/* Where a page ended; all 0: from the newest. */
struct webhook_position {
    int64_t create_time_us;
    struct uuid customer;
    int64_t sequence;
};

/* At most this many, with the attempts of each: both fit into one answer of the database. */
#define WEBHOOK_DELIVERIES_MAX 50

const struct error *webhook_delivery_list(struct call *call,
                                          const struct webhook_delivery_filter *filter,
                                          const struct webhook_position *behind, int64_t limit,
                                          struct webhook_delivery **deliveries, size_t *count)
    MUST_CHECK;

/* Fails with NOT_FOUND / WEBHOOK_DELIVERY_NOT_FOUND. */
const struct error *webhook_delivery_load(struct call *call, struct uuid endpoint,
                                          struct uuid customer, int64_t sequence,
                                          struct webhook_delivery *delivery) MUST_CHECK;

/* Fails with FAILED_PRECONDITION / WEBHOOK_ENDPOINT_DISABLED. */
const struct error *webhook_redeliver(struct call *call, const struct webhook_delivery *delivery,
                                      struct bytes answer, bool *replayed) MUST_CHECK;

/* All queues of the endpoint go on now; those that the deadline leaves out do so within a day. */
const struct error *webhook_wake(struct call *call, struct uuid endpoint) MUST_CHECK;

/* The header webhook-id. */
const char *webhook_id(struct arena *arena, struct uuid customer, int64_t sequence);

/* "webhookEndpoints/{}/deliveries/{customer}-{sequence}". */
const char *webhook_delivery_name(struct arena *arena, struct uuid endpoint, struct uuid customer,
                                  int64_t sequence);

extern const struct job_kind webhook_deliver_job;
extern pg_statement_list webhook_statements;
