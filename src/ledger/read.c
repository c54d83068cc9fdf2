/*
 * Reading the ledger of one customer: balances and entries.  It is written by steps only
 * (migrations/functions/ledger.sql).
 */

#include "ledger/read.h"

#include "base/bug.h"
#include "crypto/secrets.h"

static struct pg_param time_or_all(const int64_t *until_us)
{
    return until_us != NULL ? pg_time(*until_us) : pg_null(PG_TIME);
}

const struct pg_statement ledger_balance_statement = {
    .name = "ledger_balance",
    .sql = "SELECT account, currency::text AS currency, sum(amount)::bigint AS balance,"
           "       coalesce(sum(amount) FILTER (WHERE amount > 0), 0)::bigint AS debits,"
           "       coalesce(sum(amount) FILTER (WHERE amount < 0), 0)::bigint AS credits,"
           "       max(position) AS position"
           "  FROM ledger_entry"
           " WHERE customer_id = $1 AND create_time <= coalesce($2, 'infinity'::timestamptz)"
           " GROUP BY account, currency ORDER BY account COLLATE \"C\", currency LIMIT 1000",
};

const struct error *ledger_balance(struct call *call, struct uuid customer, const int64_t *until_us,
                                   struct account_balance **accounts, size_t *count,
                                   int64_t *position)
{
    struct pg_rows rows;

    TRY(pg_read(call, customer, &ledger_balance_statement,
                PG_PARAMS(pg_uuid(customer), time_or_all(until_us)), &rows));
    *accounts = arena_array(call->arena, rows.count + 1, sizeof **accounts);
    *count = rows.count;
    *position = 0;
    for (size_t i = 0; i < rows.count; i++) {
        const char *currency = pg_get_text(&rows, i, "currency");
        int64_t newest = pg_get_int64(&rows, i, "position");
        (*accounts)[i] = (struct account_balance){
            .account = pg_get_text(&rows, i, "account"),
            .balance = money_make(currency, pg_get_int64(&rows, i, "balance")),
            .debits = money_make(currency, pg_get_int64(&rows, i, "debits")),
            .credits = money_make(currency, pg_get_int64(&rows, i, "credits")),
        };
        if (*position < newest)
            *position = newest;
    }
    return NULL;
}

const struct pg_statement ledger_list_statement = {
    .name = "ledger_list",
    .sql = "SELECT position, group_id, kind, line_no, account, currency::text AS currency, amount,"
           "       create_time, hash"
           "  FROM ledger_entry"
           " WHERE customer_id = $1 AND position < $2 AND account = coalesce($3, account)"
           "   AND create_time <= coalesce($4, 'infinity'::timestamptz)"
           " ORDER BY position DESC LIMIT $5",
};

const struct error *ledger_list(struct call *call, struct uuid customer,
                                const struct ledger_filter *filter, int64_t before, int64_t limit,
                                struct ledger_line **lines, size_t *count)
{
    const char *account = filter->account[0] != '\0' ? filter->account : NULL;
    struct pg_rows rows;

    TRY(pg_read(call, customer, &ledger_list_statement,
                PG_PARAMS(pg_uuid(customer), pg_int64(before != 0 ? before : INT64_MAX),
                          pg_text(account), time_or_all(filter->until_us), pg_int64(limit)),
                &rows));
    *lines = arena_array(call->arena, rows.count + 1, sizeof **lines);
    *count = rows.count;
    for (size_t i = 0; i < rows.count; i++) {
        struct ledger_line *line = &(*lines)[i];
        *line = (struct ledger_line){
            .position = pg_get_int64(&rows, i, "position"),
            .group = pg_get_uuid(&rows, i, "group_id"),
            .kind = pg_get_text(&rows, i, "kind"),
            .line = (int32_t)pg_get_int64(&rows, i, "line_no"),
            .account = pg_get_text(&rows, i, "account"),
            .amount =
                money_make(pg_get_text(&rows, i, "currency"), pg_get_int64(&rows, i, "amount")),
            .create_time_us = pg_get_time(&rows, i, "create_time"),
        };
        size_t size;
        line->hash = pg_get_bytes(&rows, i, "hash", &size);
        if (size != SHA256_SIZE)
            bug("a hash of the ledger has %zu bytes", size);
    }
    return NULL;
}
