/*
 * COMPARE, of disputes: each that the gateway's list has is looked at anew, and with that its money
 * and its fee are as there (dispute.c posts them).  A list of some days has a part of what moved
 * for a dispute; the dispute itself has all of it, so it is asked rather than the lines added up.
 */

#include <inttypes.h>

#include "base/text.h"
#include "payment/dispute_internal.h"
#include "payment/reconcile.h"

#define PAGE_SIZE 100

const struct pg_statement reconcile_disputes_statement = {
    .name = "reconcile_disputes",
    .sql = "SELECT l.transaction, max(l.acted_on_reference) AS acted_on_reference,"
           "       min(l.currency)::text AS currency, sum(l.amount)::bigint AS amount"
           "  FROM reconciliation_line l"
           " WHERE l.reconciliation_id = $1 AND l.bucket = $2 AND l.side = 'T'"
           "   AND l.kind = 'DISPUTE' AND l.transaction > $3"
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

/* It names a payment of ours that we do not have, as after a restored backup. */
static const struct error *report(struct call *call, const struct reconciliation *run,
                                  const struct pg_rows *rows, size_t row)
{
    const char *id = pg_get_text(rows, row, "transaction");
    const char *reference = pg_get_text(rows, row, "acted_on_reference");
    int64_t amount = pg_get_int64(rows, row, "amount");
    const char *currency = pg_get_text(rows, row, "currency");
    struct uuid named;

    /* Somebody else's, who has the same account. */
    if (!uuid_parse(reference, &named))
        return NULL;
    const struct reconcile_finding finding = {
        .kind = INCIDENT_GATEWAY_ONLY,
        .subject = id,
        .detail = arena_printf(call->arena,
                               "the gateway lists a dispute, %" PRId64 " %s, of reference \"%s\"",
                               amount, currency, reference),
        .transaction = id,
        .currency = currency,
        .amount = amount,
    };
    return reconcile_report(call, run, &finding);
}

static const struct error *look(struct call *call, const struct reconciliation *run,
                                const struct gateway *gateway, const struct pg_rows *rows,
                                size_t row, int64_t *mended)
{
    const char *id = pg_get_text(rows, row, "transaction");
    const char *customer = call->customer;
    int64_t before;
    int64_t after;
    bool is_known;

    TRY(version_of(call, run->gateway, id, &before));
    TRY(dispute_learned(call, gateway, id, &is_known));
    call->customer = customer; /* the run is the house's */
    if (!is_known)
        return report(call, run, rows, row);
    TRY(version_of(call, run->gateway, id, &after));
    *mended += after > before ? 1 : 0;
    return NULL;
}

const struct error *reconcile_disputes(struct call *call, const struct reconciliation *run,
                                       int32_t bucket, int64_t *mended)
{
    const struct gateway *gateway = gateway_find(call->house->gateways, run->gateway);
    const char *behind = "";
    struct pg_rows rows;

    if (gateway == NULL || gateway->get_dispute == NULL)
        return NULL;
    do {
        TRY(pg_read(
            call, UUID_NIL, &reconcile_disputes_statement,
            PG_PARAMS(pg_uuid(run->id), pg_int32(bucket), pg_text(behind), pg_int64(PAGE_SIZE)),
            &rows));
        for (size_t i = 0; i < rows.count; i++) {
            TRY(look(call, run, gateway, &rows, i, mended));
            behind = pg_get_text(&rows, i, "transaction");
        }
    } while (rows.count == PAGE_SIZE);
    return NULL;
}
