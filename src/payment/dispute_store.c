/*
 * Disputes: reading them, and recording what the gateway says.
 */

#include "payment/dispute_internal.h"

#include "base/bug.h"
#include "base/fail_point.h"
#include "base/text.h"
#include "base/time.h"

/* A dispute that has just changed is looked at again after an hour; see dispute.c. */
#define WATCH_FIRST_US US_PER_HOUR

#define DISPUTE_COLUMNS                                                                            \
    "dispute_id, payment_id, version, gateway, gateway_dispute, currency::text AS currency,"       \
    " amount, reason, is_inquiry, state, amount_withdrawn, fee_currency::text AS fee_currency,"    \
    " fee, evidence_due_time, evidence_time, response_id, response_action, asked_time,"            \
    " create_time, update_time"

static enum dispute_action action_parse(const char *name)
{
    if (text_equal(name, "EVIDENCE"))
        return DISPUTE_EVIDENCE;
    return text_equal(name, "ACCEPT") ? DISPUTE_ACCEPT : DISPUTE_NO_ACTION;
}

static void dispute_from_row(struct call *call, struct uuid customer, const struct pg_rows *rows,
                             size_t row, struct dispute *dispute)
{
    *dispute = (struct dispute){
        .customer = customer,
        .id = pg_get_uuid(rows, row, "dispute_id"),
        .payment = pg_get_uuid(rows, row, "payment_id"),
        .version = pg_get_int64(rows, row, "version"),
        .gateway = arena_strdup(call->arena, pg_get_text(rows, row, "gateway")),
        .gateway_dispute = arena_strdup(call->arena, pg_get_text(rows, row, "gateway_dispute")),
        .amount = money_make(pg_get_text(rows, row, "currency"), pg_get_int64(rows, row, "amount")),
        .reason = arena_strdup(call->arena, pg_get_text(rows, row, "reason")),
        .is_inquiry = pg_get_bool(rows, row, "is_inquiry"),
        .withdrawn_minor = pg_get_int64(rows, row, "amount_withdrawn"),
        .fee = money_make(pg_get_text(rows, row, "fee_currency"), pg_get_int64(rows, row, "fee")),
        .evidence_due_us = pg_get_time(rows, row, "evidence_due_time"),
        .evidence_us = pg_get_time(rows, row, "evidence_time"),
        .response = pg_get_uuid(rows, row, "response_id"),
        .response_action = action_parse(pg_get_text(rows, row, "response_action")),
        .asked_us = pg_get_time(rows, row, "asked_time"),
        .create_time_us = pg_get_time(rows, row, "create_time"),
        .update_time_us = pg_get_time(rows, row, "update_time"),
    };
    if (!dispute_state_parse(pg_get_text(rows, row, "state"), &dispute->state))
        bug("dispute in unknown state \"%s\"", pg_get_text(rows, row, "state"));
}

const struct pg_statement dispute_load_statement = {
    .name = "dispute_load",
    .sql = "SELECT " DISPUTE_COLUMNS " FROM dispute WHERE customer_id = $1 AND dispute_id = $2",
    .is_lookup = true,
};

const struct error *dispute_load(struct call *call, struct uuid customer, struct uuid id,
                                 struct dispute *dispute)
{
    static const struct pg_named named = {&dispute_load_statement, DISPUTE_PATTERN,
                                          "DISPUTE_NOT_FOUND"};
    struct pg_rows rows;

    TRY(pg_load(call, &named, (struct uuid[]){customer, id}, 2, &rows));
    dispute_from_row(call, customer, &rows, 0, dispute);
    return NULL;
}

const struct pg_statement dispute_find_statement = {
    .name = "dispute_find",
    .sql = "SELECT " DISPUTE_COLUMNS " FROM dispute"
           " WHERE customer_id = $1 AND gateway = $2 AND gateway_dispute = $3",
    .is_lookup = true,
};

const struct error *dispute_find(struct call *call, struct uuid customer, const char *gateway,
                                 const char *gateway_dispute, struct dispute *dispute, bool *found)
{
    struct pg_rows rows;

    TRY(pg_read(call, customer, &dispute_find_statement,
                PG_PARAMS(pg_uuid(customer), pg_text(gateway), pg_text(gateway_dispute)), &rows));
    *found = rows.count > 0;
    if (*found)
        dispute_from_row(call, customer, &rows, 0, dispute);
    return NULL;
}

const struct pg_statement dispute_list_statement = {
    .name = "dispute_list",
    .sql = "SELECT " DISPUTE_COLUMNS " FROM dispute"
           " WHERE customer_id = $1 AND " PG_BELOW(
               "dispute_id",
               "$2") "   AND ($3::text IS NULL OR state = ANY (string_to_array($3, ',')))"
                     "   AND ($4::timestamptz IS NULL OR create_time >= $4)"
                     "   AND ($5::timestamptz IS NULL OR create_time < $5)"
                     "   AND ($6::text IS NULL"
                     "        OR create_time <> ALL (string_to_array($6, ',')::timestamptz[]))"
                     "   AND ($7::uuid IS NULL OR payment_id = $7)"
                     " ORDER BY dispute_id DESC LIMIT $8",
};

const struct error *dispute_list(struct call *call, struct uuid customer, struct uuid payment,
                                 const struct payment_filter *filter, struct uuid before,
                                 int64_t limit, struct dispute **disputes, size_t *count)
{
    struct pg_rows rows;

    TRY(pg_read(call, customer, &dispute_list_statement,
                PG_PARAMS(pg_uuid(customer), pg_uuid_or_null(before), pg_text(filter->states),
                          pg_time_or_null(filter->created_from_us),
                          pg_time_or_null(filter->created_until_us), pg_text(filter->created_never),
                          pg_uuid_or_null(payment), pg_int64(limit)),
                &rows));
    *disputes = arena_array(call->arena, rows.count + 1, sizeof **disputes);
    for (size_t i = 0; i < rows.count; i++)
        dispute_from_row(call, customer, &rows, i, &(*disputes)[i]);
    *count = rows.count;
    return NULL;
}

/* Of no customer: a gateway names none. */
const struct pg_statement dispute_known_statement = {
    .name = "dispute_known",
    .sql = "SELECT EXISTS (SELECT FROM dispute WHERE gateway = $1 AND gateway_dispute = $2)"
           " AS is_recorded",
};

const struct error *dispute_is_recorded(struct call *call, const char *gateway, const char *id,
                                        bool *recorded)
{
    struct pg_rows rows;

    TRY(pg_read(call, UUID_NIL, &dispute_known_statement, PG_PARAMS(pg_text(gateway), pg_text(id)),
                &rows));
    *recorded = pg_get_bool(&rows, 0, "is_recorded");
    return NULL;
}

const struct pg_statement dispute_record_statement = {
    .name = "dispute_record",
    .sql = "SELECT dispute_record($1, ROW(" DISPUTE_PLACES ")::dispute_known, $18, $19)"
           " AS is_recorded",
};

int64_t dispute_watch_us(const struct call *call)
{
    return clock_wall_us(call->house->clock) + WATCH_FIRST_US;
}

const struct error *dispute_record(struct call *call, const struct dispute *before,
                                   const struct dispute *after, bool *recorded)
{
    struct pg_rows rows;

    TRY(FAIL_STEP(
        call, "dispute.record", dispute_state_name(after->state),
        pg_write(call, after->customer, &dispute_record_statement,
                 PG_PARAMS(pg_uuid(after->customer), DISPUTE_PARAMS(before, after),
                           pg_time(dispute_watch_us(call)), pg_time(after->update_time_us)),
                 &rows)));
    *recorded = pg_get_bool(&rows, 0, "is_recorded");
    return NULL;
}
