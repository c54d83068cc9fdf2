/*
 * The log of deliveries.  Each row of an answer is one attempt beside its delivery.
 */

#include "webhook/store.h"

#include <inttypes.h>

#include "base/text.h"
#include "base/time.h"

#define DELIVERY_COLUMNS                                                                           \
    "d.customer_id, d.webhook_endpoint_id, d.sequence, d.event_type, d.state, d.attempt_count,"    \
    " d.next_attempt_time, d.create_time"
#define ATTEMPT_COLUMNS "a.number, a.attempt_time, a.status, a.latency_us, a.problem, a.answer"
#define JOIN_ATTEMPTS                                                                              \
    "  LEFT JOIN webhook_attempt a ON a.customer_id = d.customer_id"                               \
    "   AND a.webhook_endpoint_id = d.webhook_endpoint_id AND a.sequence = d.sequence"

static const char *const state_names[] = {
    [WEBHOOK_ANY] = NULL,
    [WEBHOOK_PENDING] = "PENDING",
    [WEBHOOK_SUCCEEDED] = "SUCCEEDED",
    [WEBHOOK_FAILED] = "FAILED",
};

const char *webhook_id(struct arena *arena, struct uuid customer, int64_t sequence)
{
    char hex[2 * sizeof(customer.bytes) + 1];

    hex_encode(customer.bytes, sizeof(customer.bytes), hex);
    return arena_printf(arena, "evt_%s_%" PRId64, hex, sequence);
}

const char *webhook_delivery_name(struct arena *arena, struct uuid endpoint, struct uuid customer,
                                  int64_t sequence)
{
    const struct uuid ids[] = {endpoint, customer};

    return arena_printf(arena, "%s-%" PRId64, name_make(arena, WEBHOOK_DELIVERY_PATTERN, ids),
                        sequence);
}

static enum webhook_state state_of(const char *name)
{
    enum webhook_state state = WEBHOOK_PENDING;

    while (state < WEBHOOK_FAILED && !text_equal(state_names[state], name))
        state++;
    return state;
}

static void delivery_from_row(const struct pg_rows *rows, size_t row,
                              struct webhook_delivery *delivery)
{
    *delivery = (struct webhook_delivery){
        .endpoint = pg_get_uuid(rows, row, "webhook_endpoint_id"),
        .customer = pg_get_uuid(rows, row, "customer_id"),
        .sequence = pg_get_int64(rows, row, "sequence"),
        .event_type = pg_get_text(rows, row, "event_type"),
        .state = state_of(pg_get_text(rows, row, "state")),
        .attempt_count = (int32_t)pg_get_int64(rows, row, "attempt_count"),
        .next_attempt_us = pg_get_time(rows, row, "next_attempt_time"),
        .create_time_us = pg_get_time(rows, row, "create_time"),
    };
}

static void attempt_from_row(const struct pg_rows *rows, size_t row,
                             struct webhook_attempt *attempt)
{
    *attempt = (struct webhook_attempt){
        .time_us = pg_get_time(rows, row, "attempt_time"),
        .status = (int32_t)pg_get_int64(rows, row, "status"),
        .latency_us = pg_get_int64(rows, row, "latency_us"),
        .problem = pg_get_text(rows, row, "problem"),
        .answer = pg_get_text(rows, row, "answer"),
    };
}

static bool is_same(const struct webhook_delivery *delivery, const struct pg_rows *rows, size_t row)
{
    return delivery->sequence == pg_get_int64(rows, row, "sequence") &&
           uuid_equal(delivery->customer, pg_get_uuid(rows, row, "customer_id"));
}

static void deliveries_from_rows(struct call *call, const struct pg_rows *rows,
                                 struct webhook_delivery **deliveries, size_t *count)
{
    struct webhook_delivery *list = arena_array(call->arena, rows->count + 1, sizeof *list);
    struct webhook_attempt *attempts = arena_array(call->arena, rows->count + 1, sizeof *attempts);

    *count = 0;
    for (size_t i = 0; i < rows->count; i++) {
        if (*count == 0 || !is_same(&list[*count - 1], rows, i)) {
            delivery_from_row(rows, i, &list[*count]);
            list[(*count)++].attempts = &attempts[i];
        }
        if (pg_is_null(rows, i, "number"))
            continue;
        attempt_from_row(rows, i, &attempts[i]);
        list[*count - 1].kept_count++;
    }
    *deliveries = list;
}

/* A walk down the index for each state, and the newest of what they find. */
const struct pg_statement webhook_delivery_list_statement = {
    .name = "webhook_delivery_list",
    .sql = "SELECT " DELIVERY_COLUMNS ", " ATTEMPT_COLUMNS
           "  FROM (SELECT w.* FROM unnest(CASE WHEN $2::text IS NULL"
           "          THEN ARRAY['PENDING', 'SUCCEEDED', 'FAILED'] ELSE ARRAY[$2::text] END)"
           "          AS s (state)"
           "     CROSS JOIN LATERAL (SELECT l.* FROM webhook_delivery l"
           "       WHERE l.webhook_endpoint_id = $1 AND l.state = s.state"
           "         AND (l.create_time, l.customer_id, l.sequence) < ($3, $4, $5)"
           "       ORDER BY l.create_time DESC, l.customer_id DESC, l.sequence DESC LIMIT $6) AS w"
           "     ORDER BY w.create_time DESC, w.customer_id DESC, w.sequence DESC LIMIT $6) AS d"
           " " JOIN_ATTEMPTS
           " ORDER BY d.create_time DESC, d.customer_id DESC, d.sequence DESC, a.number",
};

const struct pg_statement webhook_delivery_of_statement = {
    .name = "webhook_delivery_of",
    .sql =
        "SELECT " DELIVERY_COLUMNS ", " ATTEMPT_COLUMNS "  FROM (SELECT w.* FROM webhook_delivery w"
        "     WHERE w.customer_id = $1 AND w.webhook_endpoint_id = $2 AND w.sequence < $3"
        "       AND ($4::text IS NULL OR w.state = $4)"
        "     ORDER BY w.sequence DESC LIMIT $5) AS d"
        " " JOIN_ATTEMPTS " ORDER BY d.sequence DESC, a.number",
};

const struct error *webhook_delivery_list(struct call *call,
                                          const struct webhook_delivery_filter *filter,
                                          const struct webhook_position *behind, int64_t limit,
                                          struct webhook_delivery **deliveries, size_t *count)
{
    static const struct webhook_position newest = {
        .create_time_us = TIME_US_MAX,
        .customer = {{255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255,
                      255}},
        .sequence = INT64_MAX,
    };
    struct pg_rows rows;

    if (behind->sequence == 0)
        behind = &newest;
    if (!uuid_is_nil(filter->customer))
        TRY(pg_read(call, filter->customer, &webhook_delivery_of_statement,
                    PG_PARAMS(pg_uuid(filter->customer), pg_uuid(filter->endpoint),
                              pg_int64(behind->sequence), pg_text(state_names[filter->state]),
                              pg_int64(limit)),
                    &rows));
    else
        TRY(pg_read(call, filter->endpoint, &webhook_delivery_list_statement,
                    PG_PARAMS(pg_uuid(filter->endpoint), pg_text(state_names[filter->state]),
                              pg_time(behind->create_time_us), pg_uuid(behind->customer),
                              pg_int64(behind->sequence), pg_int64(limit)),
                    &rows));
    deliveries_from_rows(call, &rows, deliveries, count);
    return NULL;
}

const struct pg_statement webhook_delivery_load_statement = {
    .name = "webhook_delivery_load",
    .sql = "SELECT " DELIVERY_COLUMNS ", " ATTEMPT_COLUMNS "  FROM webhook_delivery d" JOIN_ATTEMPTS
           " WHERE d.customer_id = $1 AND d.webhook_endpoint_id = $2 AND d.sequence = $3"
           " ORDER BY a.number",
};

const struct error *webhook_delivery_load(struct call *call, struct uuid endpoint,
                                          struct uuid customer, int64_t sequence,
                                          struct webhook_delivery *delivery)
{
    struct webhook_delivery *list;
    struct pg_rows rows;
    size_t count;

    TRY(pg_read(call, customer, &webhook_delivery_load_statement,
                PG_PARAMS(pg_uuid(customer), pg_uuid(endpoint), pg_int64(sequence)), &rows));
    deliveries_from_rows(call, &rows, &list, &count);
    if (count == 0)
        return not_found(call, "WEBHOOK_DELIVERY_NOT_FOUND",
                         webhook_delivery_name(call->arena, endpoint, customer, sequence));
    *delivery = list[0];
    return NULL;
}
