/*
 * Reading incidents, and recording who asks for what.
 */

#include "base/bug.h"
#include "base/fail_point.h"
#include "base/text.h"
#include "crypto/secrets.h"
#include "payment/incident.h"
#include "payment/payment_internal.h"
#include "pg/replay.h"

#define APPROVALS_MAX 100
/* Of a page: with so many, and those of one more incident, it is an answer of less than a MiB. */
#define APPROVALS_OF_PAGE 200

#define INCIDENT_COLUMNS                                                                           \
    "i.customer_id, i.incident_id, i.kind, i.state, i.subject, i.detail, i.attempt_id,"            \
    " i.payment_id, i.gateway, i.gateway_transaction, i.currency::text AS currency, i.amount,"     \
    " i.said_amount,"                                                                              \
    " -incident_suspense(i.customer_id, i.incident_id, i.attempt_id, i.currency) AS suspense,"     \
    " coalesce(attempt_is_waited_for(i.customer_id, i.attempt_id), false) AS is_waited_for,"       \
    " i.version, i.resolution, i.account, i.outcome, i.create_time, i.update_time,"                \
    " (SELECT count(*) FROM incident_approval a"                                                   \
    "   WHERE a.customer_id = i.customer_id AND a.incident_id = i.incident_id) AS approval_count"

static const char *const state_names[INCIDENT_STATE_COUNT] = {
    [INCIDENT_OPEN] = "OPEN",
    [INCIDENT_APPROVED] = "APPROVED",
    [INCIDENT_RESOLVED] = "RESOLVED",
};

static const char *const resolution_names[RESOLUTION_COUNT] = {
    [RESOLUTION_NONE] = "",
    [RESOLUTION_MARK_SUCCEEDED] = "MARK_SUCCEEDED",
    [RESOLUTION_MARK_FAILED] = "MARK_FAILED",
    [RESOLUTION_POST_FROM_SUSPENSE] = "POST_FROM_SUSPENSE",
    [RESOLUTION_IGNORE] = "IGNORE",
};

const char *incident_resolution_name(enum incident_resolution resolution)
{
    return resolution_names[resolution];
}

static enum incident_resolution resolution_from(const char *name)
{
    for (size_t i = 0; i < RESOLUTION_COUNT; i++) {
        if (text_equal(resolution_names[i], name))
            return (enum incident_resolution)i;
    }
    bug("unknown resolution \"%s\"", name);
}

static enum incident_state state_from(const char *name)
{
    for (size_t i = 0; i < INCIDENT_STATE_COUNT; i++) {
        if (text_equal(state_names[i], name))
            return (enum incident_state)i;
    }
    bug("incident in unknown state \"%s\"", name);
}

static void incident_from_row(const struct pg_rows *rows, size_t row, struct incident *incident)
{
    *incident = (struct incident){
        .customer = pg_get_uuid(rows, row, "customer_id"),
        .id = pg_get_uuid(rows, row, "incident_id"),
        .state = state_from(pg_get_text(rows, row, "state")),
        .subject = pg_get_text(rows, row, "subject"),
        .detail = pg_get_text(rows, row, "detail"),
        .attempt = pg_get_uuid(rows, row, "attempt_id"),
        .payment = pg_get_uuid(rows, row, "payment_id"),
        .gateway = pg_get_text(rows, row, "gateway"),
        .transaction = pg_get_text(rows, row, "gateway_transaction"),
        .suspense_minor = pg_get_int64(rows, row, "suspense"),
        .said_minor = pg_is_null(rows, row, "said_amount") ? INCIDENT_UNSAID
                                                           : pg_get_int64(rows, row, "said_amount"),
        .is_waited_for = pg_get_bool(rows, row, "is_waited_for"),
        .version = pg_get_int64(rows, row, "version"),
        .resolution = resolution_from(pg_get_text(rows, row, "resolution")),
        .account = pg_get_text(rows, row, "account"),
        .outcome = pg_get_text(rows, row, "outcome"),
        .create_time_us = pg_get_time(rows, row, "create_time"),
        .update_time_us = pg_get_time(rows, row, "update_time"),
        .approval_count = (size_t)pg_get_int64(rows, row, "approval_count"),
    };
    if (!pg_is_null(rows, row, "currency"))
        incident->amount =
            money_make(pg_get_text(rows, row, "currency"), pg_get_int64(rows, row, "amount"));
    if (!incident_kind_parse(pg_get_text(rows, row, "kind"), &incident->kind))
        bug("incident of unknown kind \"%s\"", pg_get_text(rows, row, "kind"));
}

const struct pg_statement incident_approvals_statement = {
    .name = "incident_approvals",
    .sql = "SELECT version, approver, resolution, account, reason, -amount AS suspense, create_time"
           "  FROM (SELECT * FROM incident_approval WHERE customer_id = $1 AND incident_id = $2"
           "         ORDER BY wish DESC LIMIT $3) a"
           " ORDER BY wish",
};

static const struct error *load_approvals(struct call *call, struct incident *incident)
{
    struct incident_approval *approvals;
    struct pg_rows rows;

    if (incident->approval_count == 0)
        return NULL;
    TRY(pg_read(
        call, incident->customer, &incident_approvals_statement,
        PG_PARAMS(pg_uuid(incident->customer), pg_uuid(incident->id), pg_int64(APPROVALS_MAX)),
        &rows));
    approvals = arena_array(call->arena, rows.count + 1, sizeof *approvals);
    for (size_t i = 0; i < rows.count; i++)
        approvals[i] = (struct incident_approval){
            .version = pg_get_int64(&rows, i, "version"),
            .approver = pg_get_text(&rows, i, "approver"),
            .resolution = resolution_from(pg_get_text(&rows, i, "resolution")),
            .account = pg_get_text(&rows, i, "account"),
            .reason = pg_get_text(&rows, i, "reason"),
            .suspense_minor = pg_get_int64(&rows, i, "suspense"),
            .create_time_us = pg_get_time(&rows, i, "create_time"),
        };
    incident->approvals = approvals;
    incident->approval_count = rows.count;
    return NULL;
}

const struct pg_statement incident_load_statement = {
    .name = "incident_load",
    .sql = "SELECT " INCIDENT_COLUMNS
           "  FROM incident i WHERE i.customer_id = $1 AND i.incident_id = $2",
};

const struct error *incident_load(struct call *call, struct uuid customer, struct uuid id,
                                  struct incident *incident)
{
    static const struct pg_named named = {&incident_load_statement, INCIDENT_PATTERN,
                                          "INCIDENT_NOT_FOUND"};
    struct pg_rows rows;

    TRY(pg_load(call, &named, (struct uuid[]){customer, id}, 2, &rows));
    incident_from_row(&rows, 0, incident);
    return load_approvals(call, incident);
}

const struct pg_statement incident_list_statement = {
    .name = "incident_list",
    .sql = "SELECT " INCIDENT_COLUMNS "  FROM incident i"
           " WHERE ($1::uuid IS NULL OR i.customer_id = $1)"
           "   AND ($2::text IS NULL OR i.state = $2) AND ($3::text IS NULL OR i.kind = $3)"
           "   AND (i.create_time, i.incident_id) < (coalesce($4, 'infinity'::timestamptz), $5)"
           " ORDER BY i.create_time DESC, i.incident_id DESC LIMIT $6",
};

const struct error *incident_list(struct call *call, const struct incident_filter *filter,
                                  const struct incident_position *behind, int32_t page_size,
                                  struct incident **incidents, size_t *count, bool *has_more)
{
    size_t approvals = 0;
    struct pg_rows rows;
    size_t i;

    TRY(pg_read(call, filter->customer, &incident_list_statement,
                PG_PARAMS(filter->is_of_all ? pg_null(PG_UUID) : pg_uuid(filter->customer),
                          pg_text(filter->state), pg_text(filter->kind),
                          pg_time_or_null(behind->create_time_us), pg_uuid(behind->id),
                          pg_int64(page_size + 1)),
                &rows));
    *incidents = arena_array(call->arena, rows.count + 1, sizeof **incidents);
    for (i = 0; i < rows.count && i < (size_t)page_size && approvals < APPROVALS_OF_PAGE; i++) {
        struct incident *incident = &(*incidents)[i];
        incident_from_row(&rows, i, incident);
        TRY(load_approvals(call, incident));
        approvals += incident->approval_count;
    }
    *count = i;
    *has_more = i < rows.count;
    return NULL;
}

const struct pg_statement incident_approve_statement = {
    .name = "incident_approve",
    .sql = "SELECT outcome, answer, object_id"
           "  FROM incident_approve($1, ROW($2, $3, $4, $5)::request_key, $6, $7, $8, $9, $10,"
           "       $11, $12, $13, $14, $15)",
};

const struct error *incident_approve(struct call *call, const struct incident *incident,
                                     int64_t version_seen, bool is_second, struct bytes answer,
                                     bool *changed)
{
    const struct incident_approval *wish = &incident->approvals[incident->approval_count - 1];
    struct pg_rows rows;
    bool found;

    TRY(FAIL_STEP(
        call, "incident.approve", is_second ? "second" : "first",
        pg_write(call, incident->customer, &incident_approve_statement,
                 PG_PARAMS(pg_uuid(incident->customer), REPLAY_PARAMS(call), pg_uuid(incident->id),
                           pg_int64(version_seen), pg_text(wish->approver),
                           pg_text(incident_resolution_name(wish->resolution)),
                           pg_text(wish->account), pg_text(wish->reason), pg_bool(is_second),
                           pg_int64(-wish->suspense_minor), pg_bytes(answer.data, answer.size),
                           pg_time(wish->create_time_us)),
                 &rows)));
    *changed = text_equal(pg_get_text(&rows, 0, "outcome"), "changed");
    return *changed ? NULL : replay_outcome(call, &rows, &found);
}
