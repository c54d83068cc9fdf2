/*
 * The queues, as the obligation "webhook.deliver" works on them (functions/webhook_delivery.sql).
 */

#include "webhook/store.h"

#include "base/text.h"
#include "base/time.h"
#include "pg/replay.h"

/* Queues that one step wakes. */
#define WAKE_COUNT 500

/* Of the call's time, what is left for its answer. */
#define WAKE_MARGIN_US US_PER_SECOND

/* The endpoint as it stands now: a change counts from the next attempt on. */
const struct pg_statement webhook_head_statement = {
    .name = "webhook_head",
    .sql = "SELECT " WEBHOOK_ENDPOINT_COLUMNS ", h.sequence, h.try_count, h.attempt_count, v.type,"
           "       v.subject_id, v.data::text AS details, v.data ->> 'payment' AS payment,"
           "       v.create_time AS event_time"
           "  FROM webhook_endpoint e"
           "  LEFT JOIN LATERAL (SELECT d.sequence, d.try_count, d.attempt_count"
           "    FROM webhook_delivery d"
           "   WHERE d.customer_id = $1 AND d.webhook_endpoint_id = $2 AND d.state = 'PENDING'"
           "   ORDER BY d.sequence LIMIT 1) AS h ON true"
           "  LEFT JOIN event v ON v.customer_id = $1 AND v.sequence = h.sequence"
           " WHERE e.webhook_endpoint_id = $2",
};

const struct error *webhook_head_load(struct call *call, struct uuid customer, struct uuid endpoint,
                                      struct webhook_head *head, bool *found)
{
    struct pg_rows rows;

    TRY(pg_read(call, customer, &webhook_head_statement,
                PG_PARAMS(pg_uuid(customer), pg_uuid(endpoint)), &rows));
    *found = rows.count == 1;
    if (!*found)
        return NULL;
    *head = (struct webhook_head){
        .has_event = !pg_is_null(&rows, 0, "sequence"),
        .sequence = pg_get_int64(&rows, 0, "sequence"),
        .try_count = (int32_t)pg_get_int64(&rows, 0, "try_count"),
        .attempt_count = (int32_t)pg_get_int64(&rows, 0, "attempt_count"),
        .type = pg_get_text(&rows, 0, "type"),
        .subject = pg_get_uuid(&rows, 0, "subject_id"),
        .details = pg_get_text(&rows, 0, "details"),
        .event_time_us = pg_get_time(&rows, 0, "event_time"),
    };
    webhook_endpoint_from_row(&rows, 0, &head->endpoint);
    if (!uuid_parse(pg_get_text(&rows, 0, "payment"), &head->payment))
        head->payment = UUID_NIL;
    return NULL;
}

const struct pg_statement webhook_record_statement = {
    .name = "webhook_record",
    .sql = "SELECT outcome FROM webhook_record($1, $2, $3,"
           "  ROW($4, $5, $6, $7, $8, $9, $10, $11, $12)::webhook_attempt_result, $13)",
};

const struct error *webhook_record(struct call *call, const struct obligation *obligation,
                                   const struct webhook_head *head,
                                   const struct webhook_result *result,
                                   enum webhook_outcome *outcome)
{
    const struct webhook_attempt *attempt = &result->attempt;
    struct pg_rows rows;

    TRY(pg_write(call, obligation->customer, &webhook_record_statement,
                 PG_PARAMS(pg_uuid(obligation->customer), pg_uuid(head->endpoint.id),
                           pg_int64(obligation->epoch), pg_int64(head->sequence),
                           pg_int32(head->attempt_count + 1), pg_time(attempt->time_us),
                           pg_int32(attempt->status), pg_int64(attempt->latency_us),
                           pg_text(attempt->problem), pg_text(attempt->answer),
                           pg_time_or_null(result->retry_us), pg_bool(result->is_gone),
                           pg_time(clock_wall_us(call->house->clock))),
                 &rows));
    const char *text = pg_get_text(&rows, 0, "outcome");
    *outcome = text_equal(text, "next")       ? WEBHOOK_NEXT
               : text_equal(text, "disabled") ? WEBHOOK_DISABLED
                                              : WEBHOOK_OVER;
    return NULL;
}

const struct pg_statement webhook_rest_statement = {
    .name = "webhook_rest",
    .sql = "SELECT outcome FROM webhook_rest($1, $2, $3, $4, $5)",
};

const struct error *webhook_rest(struct call *call, const struct obligation *obligation,
                                 int64_t due_us)
{
    struct pg_rows rows;

    return pg_write(call, obligation->customer, &webhook_rest_statement,
                    PG_PARAMS(pg_uuid(obligation->customer), pg_uuid(obligation->subject),
                              pg_int64(obligation->epoch), pg_time(due_us),
                              pg_time(clock_wall_us(call->house->clock))),
                    &rows);
}

static void wake_engine(const struct call *call)
{
    if (call->house->jobs != NULL)
        jobs_wake(call->house->jobs);
}

const struct pg_statement webhook_wake_statement = {
    .name = "webhook_wake",
    .sql = "SELECT webhook_wake($1, $2, $3, $4) AS last_customer",
};

const struct error *webhook_wake(struct call *call, struct uuid endpoint)
{
    struct uuid last = UUID_NIL;
    struct pg_rows rows;

    do {
        TRY(pg_write(call, endpoint, &webhook_wake_statement,
                     PG_PARAMS(pg_uuid(endpoint), pg_uuid(last), pg_int32(WAKE_COUNT),
                               pg_time(call->now_us)),
                     &rows));
        last = pg_get_uuid(&rows, 0, "last_customer");
    } while (!uuid_is_nil(last) && call_time_left_us(call) > WAKE_MARGIN_US);
    wake_engine(call);
    return NULL;
}

const struct pg_statement webhook_redeliver_statement = {
    .name = "webhook_redeliver",
    .sql = "SELECT outcome, answer, object_id"
           "  FROM webhook_redeliver($1, ROW($2, $3, $4, $5)::request_key, $6, $7, $8, $9)",
};

const struct error *webhook_redeliver(struct call *call, const struct webhook_delivery *delivery,
                                      struct bytes answer, bool *replayed)
{
    struct pg_rows rows;

    TRY(pg_write(call, delivery->customer, &webhook_redeliver_statement,
                 PG_PARAMS(pg_uuid(delivery->customer), REPLAY_PARAMS(call),
                           pg_uuid(delivery->endpoint), pg_int64(delivery->sequence),
                           pg_bytes(answer.data, answer.size), pg_time(call->now_us)),
                 &rows));
    const char *outcome = pg_get_text(&rows, 0, "outcome");
    if (text_equal(outcome, "disabled"))
        return refuse(call, STATUS_FAILED_PRECONDITION, "WEBHOOK_ENDPOINT_DISABLED",
                      "webhook endpoint is disabled");
    if (text_equal(outcome, "absent"))
        return not_found(call, "WEBHOOK_DELIVERY_NOT_FOUND",
                         webhook_delivery_name(call->arena, delivery->endpoint, delivery->customer,
                                               delivery->sequence));
    wake_engine(call);
    return replay_outcome(call, &rows, replayed);
}

pg_statement_list webhook_statements = {
    &webhook_endpoint_load_statement,
    &webhook_endpoint_list_statement,
    &webhook_endpoint_create_statement,
    &webhook_endpoint_update_statement,
    &webhook_endpoint_rotate_statement,
    &webhook_endpoint_delete_statement,
    &webhook_types_unknown_statement,
    &webhook_head_statement,
    &webhook_record_statement,
    &webhook_rest_statement,
    &webhook_wake_statement,
    &webhook_redeliver_statement,
    &webhook_delivery_list_statement,
    &webhook_delivery_of_statement,
    &webhook_delivery_load_statement,
    NULL,
};
