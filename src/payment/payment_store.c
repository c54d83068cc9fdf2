/*
 * Reading payments.  They are written by the steps of charge_store.c and of the rooms above.
 */

#include "payment/payment_internal.h"

#include "base/bug.h"

#define PAYMENT_COLUMNS                                                                            \
    "payment_id, payment_method_id, invoice_id, currency::text AS currency, amount, description,"  \
    " state, decline_code, amount_captured, amount_refunded, amount_refund_pending, create_time,"  \
    " update_time, is_manual, amount_capturable, amount_capture_pending,"                          \
    " authorization_expire_time, amount_disputed, network_decline_code, advice"

void payment_from_row(struct call *call, struct uuid customer, const struct pg_rows *rows,
                      size_t row, struct payment *payment)
{
    const char *state = pg_get_text(rows, row, "state");

    *payment = (struct payment){
        .customer = customer,
        .id = pg_get_uuid(rows, row, "payment_id"),
        .payment_method = pg_get_uuid(rows, row, "payment_method_id"),
        .invoice = pg_get_uuid(rows, row, "invoice_id"),
        .amount = money_make(pg_get_text(rows, row, "currency"), pg_get_int64(rows, row, "amount")),
        .description = arena_strdup(call->arena, pg_get_text(rows, row, "description")),
        .decline_code = arena_strdup(call->arena, pg_get_text(rows, row, "decline_code")),
        .network_decline_code =
            arena_strdup(call->arena, pg_get_text(rows, row, "network_decline_code")),
        .advice = arena_strdup(call->arena, pg_get_text(rows, row, "advice")),
        .captured_minor = pg_get_int64(rows, row, "amount_captured"),
        .refunded_minor = pg_get_int64(rows, row, "amount_refunded"),
        .refund_pending_minor = pg_get_int64(rows, row, "amount_refund_pending"),
        .disputed_minor = pg_get_int64(rows, row, "amount_disputed"),
        .is_manual = pg_get_bool(rows, row, "is_manual"),
        .capturable_minor = pg_get_int64(rows, row, "amount_capturable"),
        .capture_pending_minor = pg_get_int64(rows, row, "amount_capture_pending"),
        .authorization_expire_us = pg_get_time(rows, row, "authorization_expire_time"),
        .create_time_us = pg_get_time(rows, row, "create_time"),
        .update_time_us = pg_get_time(rows, row, "update_time"),
    };
    if (!payment_state_parse(state, &payment->state))
        bug("payment in unknown state \"%s\"", state);
}

const struct pg_statement payment_load_statement = {
    .name = "payment_load",
    .sql = "SELECT " PAYMENT_COLUMNS " FROM payment WHERE customer_id = $1 AND payment_id = $2",
    .is_lookup = true,
};

const struct error *payment_load(struct call *call, struct uuid customer, struct uuid id,
                                 struct payment *payment)
{
    static const struct pg_named named = {&payment_load_statement, PAYMENT_PATTERN,
                                          "PAYMENT_NOT_FOUND"};
    struct pg_rows rows;

    TRY(pg_load(call, &named, (struct uuid[]){customer, id}, 2, &rows));
    payment_from_row(call, customer, &rows, 0, payment);
    return NULL;
}

const struct pg_statement payment_list_statement = {
    .name = "payment_list",
    .sql = "SELECT " PAYMENT_COLUMNS " FROM payment"
           " WHERE customer_id = $1 AND " PG_BELOW(
               "payment_id",
               "$2") "   AND ($3::text IS NULL OR state = ANY (string_to_array($3, ',')))"
                     "   AND ($4::timestamptz IS NULL OR create_time >= $4)"
                     "   AND ($5::timestamptz IS NULL OR create_time < $5)"
                     "   AND ($6::text IS NULL"
                     "        OR create_time <> ALL (string_to_array($6, ',')::timestamptz[]))"
                     " ORDER BY payment_id DESC LIMIT $7",
};

const struct error *payment_list(struct call *call, struct uuid customer,
                                 const struct payment_filter *filter, struct uuid before,
                                 int64_t limit, struct payment **payments, size_t *count)
{
    struct pg_rows rows;

    TRY(pg_read(call, customer, &payment_list_statement,
                PG_PARAMS(pg_uuid(customer), pg_uuid_or_null(before), pg_text(filter->states),
                          pg_time_or_null(filter->created_from_us),
                          pg_time_or_null(filter->created_until_us), pg_text(filter->created_never),
                          pg_int64(limit)),
                &rows));
    *payments = arena_array(call->arena, rows.count + 1, sizeof **payments);
    for (size_t i = 0; i < rows.count; i++)
        payment_from_row(call, customer, &rows, i, &(*payments)[i]);
    *count = rows.count;
    return NULL;
}
