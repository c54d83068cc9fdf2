/*
 * ASK and LAST: what COMPARE had to leave in doubt is looked at again, one transaction after the
 * other, so that none of them keeps the run or another one waiting.  Rounds of it go on for an
 * hour; the last one tells people of what is still in doubt, and the run ends.
 */

#include <inttypes.h>

#include "base/text.h"
#include "base/time.h"
#include "payment/reconcile.h"

const struct pg_statement reconcile_next_doubt_statement = {
    .name = "reconcile_next_doubt",
    .sql = "SELECT bucket, transaction FROM reconciliation_line"
           " WHERE reconciliation_id = $1 AND doubt <> '' AND (bucket, transaction) > ($2, $3)"
           " ORDER BY bucket, transaction LIMIT 1",
};

const struct pg_statement reconciliation_asked_statement = {
    .name = "reconciliation_asked",
    .sql = "SELECT reconciliation_asked($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
};

static const struct error *look_again(struct call *call, const struct reconciliation *run,
                                      struct reconcile_look *look)
{
    struct pg_rows done;

    TRY(reconcile_judge(call, look));
    const char *next = arena_printf(call->arena, "%" PRId32 " %s", look->bucket, look->transaction);
    return pg_write(
        call, UUID_NIL, &reconciliation_asked_statement,
        PG_PARAMS(pg_uuid(run->id), pg_text(run->stage), pg_text(run->position), pg_text(next),
                  pg_int32(look->bucket), pg_text(look->transaction), pg_text(look->doubt),
                  pg_int64(look->tally.mended), pg_int64(look->tally.foreign),
                  pg_text(reconcile_sums(call->arena, &look->tally)), pg_time(call->now_us)),
        &done);
}

/* After the last round nothing waits any more. */
static const struct error *end_round(struct call *call, const struct reconciliation *run,
                                     bool is_last, bool *waits)
{
    if (is_last || run->doubt_count == 0)
        return reconciliation_pass(call, run, "DONE", "", 0);
    if (call->now_us >= run->ask_until_us)
        return reconciliation_pass(call, run, "LAST", "", 0);
    *waits = true;
    return reconciliation_pass(call, run, "ASK", "", 0);
}

/* The position is the last one's bucket and transaction, with a blank between them. */
const struct error *reconcile_ask_again(struct call *call, const struct reconciliation *run,
                                        bool *waits)
{
    char *behind = NULL;
    int64_t bucket = run->position[0] == '\0' ? -1 : strtoll(run->position, &behind, 10);
    bool is_last = text_equal(run->stage, "LAST");
    struct pg_rows rows;

    *waits = false;
    TRY(pg_read(call, UUID_NIL, &reconcile_next_doubt_statement,
                PG_PARAMS(pg_uuid(run->id), pg_int32((int32_t)bucket),
                          pg_text(behind == NULL || *behind == '\0' ? "" : behind + 1)),
                &rows));
    if (rows.count == 0)
        return end_round(call, run, is_last, waits);
    struct reconcile_look look = {
        .run = run,
        .arena = call->arena,
        .bucket = (int32_t)pg_get_int64(&rows, 0, "bucket"),
        .transaction = pg_get_text(&rows, 0, "transaction"),
        .is_last = is_last,
        .doubt = "",
    };
    return look_again(call, run, &look);
}
