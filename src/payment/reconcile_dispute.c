/*
 * COMPARE, of disputes: each that the gateway's list has is looked at anew, and with that its money
 * and its fee are as there (dispute.c posts them).  A list of some days has a part of what moved
 * for a dispute; the dispute itself has all of it, so it is asked rather than the lines added up.
 */

#include <inttypes.h>

#include "base/text.h"
#include "base/time.h"
#include "payment/dispute_internal.h"
#include "payment/reconcile.h"

#define PAGE_SIZE 100

const struct pg_statement reconcile_disputes_statement = {
    .name = "reconcile_disputes",
    .sql = "SELECT l.transaction, max(l.acted_on_reference) AS acted_on_reference,"
           "       min(l.currency)::text AS currency, sum(l.amount)::bigint AS amount,"
           "       max(l.line_time) AS line_time, max(l.doubt) AS doubt"
           "  FROM reconciliation_line l"
           " WHERE l.reconciliation_id = $1 AND l.bucket = $2 AND l.side = 'T'"
           "   AND l.kind = 'DISPUTE' AND l.transaction > $3"
           "   AND ($5::text IS NULL OR l.transaction = $5)"
           " GROUP BY l.transaction ORDER BY l.transaction LIMIT $4",
};

const struct pg_statement reconcile_dispute_version_statement = {
    .name = "reconcile_dispute_version",
    .sql = "SELECT coalesce(max(version), 0) AS version FROM dispute"
           " WHERE gateway = $1 AND gateway_dispute = $2",
};

static const struct error *version_of(struct call *call, const char *gateway, const char *id,
                                      int64_t *version)
{
    struct pg_rows rows;

    TRY(pg_read(call, UUID_NIL, &reconcile_dispute_version_statement,
                PG_PARAMS(pg_text(gateway), pg_text(id)), &rows));
    *version = pg_get_int64(&rows, 0, "version");
    return NULL;
}

/* Nobody of ours is known for it. */
static const struct error *report(struct call *call, struct reconcile_look *look,
                                  const struct pg_rows *rows, size_t row, const char *why)
{
    const char *id = pg_get_text(rows, row, "transaction");
    const char *reference = pg_get_text(rows, row, "acted_on_reference");
    int64_t amount = pg_get_int64(rows, row, "amount");
    const char *currency = pg_get_text(rows, row, "currency");
    struct uuid named;
    const struct reconcile_finding finding = {
        .kind = INCIDENT_GATEWAY_ONLY,
        .subject = id,
        .detail = arena_printf(call->arena,
                               "the gateway lists a dispute, %" PRId64 " %s, of reference \"%s\"%s",
                               amount, currency, reference, why),
        .transaction = id,
        .currency = currency,
        .amount = amount,
    };

    /* It names a payment of ours that we do not have, as after a restored backup. */
    if (uuid_parse(reference, &named))
        return reconcile_report(call, look->run, &finding);
    return reconcile_foreign(call, look, &finding);
}

static const struct error *learn(struct call *call, struct reconcile_look *look,
                                 const struct gateway *gateway, const char *id, bool *is_known)
{
    int64_t before;
    int64_t after;

    TRY(version_of(call, look->run->gateway, id, &before));
    TRY(dispute_learned(call, gateway, id, is_known));
    TRY(version_of(call, look->run->gateway, id, &after));
    look->tally.mended += after > before ? 1 : 0;
    return NULL;
}

/* In the end people are told, as far as it is not of the last day, which later runs list as well.
 */
static const struct error *leave_in_doubt(struct call *call, struct reconcile_look *look,
                                          const struct pg_rows *rows, size_t row)
{
    int64_t listed_us = pg_get_time(rows, row, "line_time");

    look->is_silent = true;
    if (!look->is_last || look->run->until_us < listed_us + US_PER_DAY)
        return NULL;
    return report(call, look, rows, row, "; it was asked for an hour, and does not say more");
}

static const struct error *look_at(struct call *call, struct reconcile_look *look,
                                   const struct gateway *gateway, const struct pg_rows *rows,
                                   size_t row)
{
    const char *id = pg_get_text(rows, row, "transaction");
    const struct error *error = NULL;
    bool is_known = true;

    look->doubt = "the gateway does not say how it stands";
    if (!look->is_silent) {
        error = learn(call, look, gateway, id, &is_known);
        look->doubt = error == NULL ? "" : error->message;
    }
    if (look->doubt[0] != '\0')
        TRY(leave_in_doubt(call, look, rows, row));
    else if (!is_known)
        TRY(report(call, look, rows, row, ""));
    /* Of one that was looked for the step records it. */
    if (look->transaction != NULL || text_equal(look->doubt, pg_get_text(rows, row, "doubt")))
        return NULL;
    return reconcile_doubt(call, look, id, look->doubt);
}

/* As reconcile_compare.c goes through what differs. */
static const struct error *look_at_page(struct call *call, struct reconcile_look *look,
                                        const struct gateway *gateway, const char **behind,
                                        bool *is_over)
{
    struct pg_rows rows;

    TRY(pg_read(call, UUID_NIL, &reconcile_disputes_statement,
                PG_PARAMS(pg_uuid(look->run->id), pg_int32(look->bucket), pg_text(*behind),
                          pg_int64(PAGE_SIZE), pg_text(look->transaction)),
                &rows));
    *is_over = rows.count < PAGE_SIZE;
    for (size_t i = 0; i < rows.count; i++) {
        struct call part = call_part_begin(call, CALL_PART_SIZE_MAX);
        const struct error *error = look_at(&part, look, gateway, &rows, i);
        look->doubt = look->transaction == NULL ? "" : arena_strdup(look->arena, look->doubt);
        TRY(call_part_end(call, &part, error));
    }
    if (rows.count > 0)
        *behind = arena_strdup(look->arena, pg_get_text(&rows, rows.count - 1, "transaction"));
    return NULL;
}

const struct error *reconcile_disputes(struct call *call, struct reconcile_look *look)
{
    const struct gateway *gateway = gateway_find(call->house->gateways, look->run->gateway);
    const char *behind = "";
    bool is_over = gateway == NULL || gateway->get_dispute == NULL;

    while (!is_over) {
        struct call part = call_part_begin(call, CALL_PART_SIZE_MAX);
        const struct error *error = look_at_page(&part, look, gateway, &behind, &is_over);
        TRY(call_part_end(call, &part, error));
    }
    return NULL;
}
