/*
 * The rows of reconciliations, and the steps that all stages share.
 */

#include "base/fail_point.h"
#include "base/text.h"
#include "payment/reconcile.h"
#include "pg/replay.h"

#define COLUMNS                                                                                    \
    "reconciliation_id, gateway, from_time, until_time, requester, state, stage, position,"        \
    " entry_count, own_count, mended_count, incident_count, fee_count, doubt_count,"               \
    " ask_until_time, foreign_count, list_hash, problem, create_time, update_time, finish_time,"   \
    " (SELECT coalesce(string_agg(f.currency || ' ' || f.amount, ' ' ORDER BY f.currency), '')"    \
    "    FROM reconciliation_foreign f WHERE f.reconciliation_id = r.reconciliation_id)"           \
    "   AS foreign_amounts"

static void run_from_row(const struct pg_rows *rows, size_t row, struct reconciliation *run)
{
    *run = (struct reconciliation){
        .id = pg_get_uuid(rows, row, "reconciliation_id"),
        .gateway = pg_get_text(rows, row, "gateway"),
        .from_us = pg_get_time(rows, row, "from_time"),
        .until_us = pg_get_time(rows, row, "until_time"),
        .requester = pg_get_text(rows, row, "requester"),
        .state = pg_get_text(rows, row, "state"),
        .stage = pg_get_text(rows, row, "stage"),
        .position = pg_get_text(rows, row, "position"),
        .entry_count = pg_get_int64(rows, row, "entry_count"),
        .own_count = pg_get_int64(rows, row, "own_count"),
        .mended_count = pg_get_int64(rows, row, "mended_count"),
        .incident_count = pg_get_int64(rows, row, "incident_count"),
        .fee_count = pg_get_int64(rows, row, "fee_count"),
        .doubt_count = pg_get_int64(rows, row, "doubt_count"),
        .ask_until_us = pg_get_time(rows, row, "ask_until_time"),
        .foreign_count = pg_get_int64(rows, row, "foreign_count"),
        .foreign_amounts = pg_get_text(rows, row, "foreign_amounts"),
        .problem = pg_get_text(rows, row, "problem"),
        .create_time_us = pg_get_time(rows, row, "create_time"),
        .update_time_us = pg_get_time(rows, row, "update_time"),
        .finish_time_us = pg_get_time(rows, row, "finish_time"),
    };
    run->list_hash = pg_get_bytes(rows, row, "list_hash", &run->list_hash_size);
}

const struct pg_statement reconciliation_load_statement = {
    .name = "reconciliation_load",
    .sql = "SELECT " COLUMNS " FROM reconciliation r WHERE reconciliation_id = $1",
};

const struct error *reconciliation_load(struct call *call, struct uuid id,
                                        struct reconciliation *run)
{
    static const struct pg_named named = {&reconciliation_load_statement, RECONCILIATION_PATTERN,
                                          "RECONCILIATION_NOT_FOUND"};
    struct pg_rows rows;

    TRY(pg_load(call, &named, &id, 1, &rows));
    run_from_row(&rows, 0, run);
    return NULL;
}

const struct pg_statement reconciliation_list_statement = {
    .name = "reconciliation_list",
    .sql = "SELECT " COLUMNS " FROM reconciliation r"
           " WHERE ($1::text IS NULL OR gateway = $1)"
           "   AND (create_time, reconciliation_id) < (coalesce($2, 'infinity'::timestamptz), $3)"
           " ORDER BY create_time DESC, reconciliation_id DESC LIMIT $4",
};

const struct error *reconciliation_list(struct call *call, const char *gateway,
                                        const struct reconciliation_position *behind, int64_t limit,
                                        struct reconciliation **runs, size_t *count)
{
    struct pg_rows rows;

    TRY(pg_read(call, UUID_NIL, &reconciliation_list_statement,
                PG_PARAMS(pg_text(gateway), pg_time_or_null(behind->create_time_us),
                          pg_uuid(behind->id), pg_int64(limit)),
                &rows));
    *count = rows.count;
    *runs = arena_array(call->arena, rows.count + 1, sizeof **runs);
    for (size_t i = 0; i < rows.count; i++)
        run_from_row(&rows, i, &(*runs)[i]);
    return NULL;
}

const struct pg_statement reconciliation_begin_statement = {
    .name = "reconciliation_begin",
    .sql = "SELECT outcome, answer, object_id"
           "  FROM reconciliation_begin($1, ROW($2, $3, $4, $5)::request_key, $6, $7, $8, $9, $10,"
           "       $11, $12)",
};

const struct error *reconciliation_begin(struct call *call, const struct reconciliation *run,
                                         struct bytes answer, bool *replayed)
{
    struct pg_rows rows;

    TRY(FAIL_STEP(
        call, "reconcile.begin", "",
        pg_write(
            call, HOUSE_CUSTOMER, &reconciliation_begin_statement,
            PG_PARAMS(pg_uuid(HOUSE_CUSTOMER), REPLAY_PARAMS(call),
                      answer.data == NULL ? pg_null(PG_BYTES) : pg_bytes(answer.data, answer.size),
                      pg_uuid_or_null(run->id), pg_text(run->gateway), pg_time(run->from_us),
                      pg_time(run->until_us), pg_text(run->requester), pg_time(call->now_us)),
            &rows)));
    return replay_outcome(call, &rows, replayed);
}

const struct pg_statement reconciliation_pass_statement = {
    .name = "reconciliation_pass",
    .sql = "SELECT reconciliation_pass($1, $2, $3, $4, $5, $6, $7)",
};

const struct error *reconciliation_pass(struct call *call, const struct reconciliation *run,
                                        const char *next_stage, const char *next_position,
                                        int64_t mended)
{
    struct pg_rows rows;

    return FAIL_STEP(
        call, "reconcile.pass", next_stage,
        pg_write(call, UUID_NIL, &reconciliation_pass_statement,
                 PG_PARAMS(pg_uuid(run->id), pg_text(run->stage), pg_text(run->position),
                           pg_text(next_stage), pg_text(next_position), pg_int64(mended),
                           pg_time(call->now_us)),
                 &rows));
}

const struct pg_statement reconciliation_trouble_statement = {
    .name = "reconciliation_trouble",
    .sql = "SELECT reconciliation_trouble($1, $2, $3, $4)",
};

const struct error *reconciliation_trouble(struct call *call, const struct reconciliation *run,
                                           const char *problem, bool is_over)
{
    struct pg_rows rows;

    return FAIL_STEP(call, "reconcile.trouble", run->stage,
                     pg_write(call, UUID_NIL, &reconciliation_trouble_statement,
                              PG_PARAMS(pg_uuid(run->id), pg_text(problem), pg_bool(is_over),
                                        pg_time(call->now_us)),
                              &rows));
}

const struct pg_statement reconcile_report_statement = {
    .name = "reconciliation_differs",
    .sql = "SELECT reconciliation_differs($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13,"
           "       $14)",
};

const struct error *reconcile_report(struct call *call, const struct reconciliation *run,
                                     const struct reconcile_finding *finding)
{
    const struct uuid customer = customer_or_house(finding->customer);
    int64_t amount = finding->amount < 0 ? -finding->amount : finding->amount;
    struct pg_rows rows;

    return FAIL_STEP(
        call, "reconcile.report", incident_kind_name(finding->kind),
        pg_write(call, customer, &reconcile_report_statement,
                 PG_PARAMS(pg_uuid(customer), pg_uuid(run->id),
                           pg_text(incident_kind_name(finding->kind)), pg_text(finding->subject),
                           pg_text(finding->detail), pg_uuid_or_null(finding->attempt),
                           pg_uuid_or_null(finding->payment), pg_text(run->gateway),
                           pg_text(finding->transaction), pg_text(finding->currency),
                           pg_int64(amount), pg_int64(finding->delta), pg_bool(finding->to_people),
                           pg_time(call->now_us)),
                 &rows));
}

const struct pg_statement reconcile_hurry_statement = {
    .name = "reconciliation_hurry",
    .sql = "SELECT reconciliation_hurry($1, $2, $3) AS hurried",
};

const struct error *reconcile_hurry(struct call *call, struct uuid customer, struct uuid attempt,
                                    bool *hurried)
{
    struct pg_rows rows;

    TRY(FAIL_STEP(call, "reconcile.hurry", "",
                  pg_write(call, customer, &reconcile_hurry_statement,
                           PG_PARAMS(pg_uuid(customer), pg_uuid(attempt), pg_time(call->now_us)),
                           &rows)));
    *hurried = pg_get_bool(&rows, 0, "hurried");
    return NULL;
}
