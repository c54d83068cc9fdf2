/*
 * Reading invoices.  They are written by the steps of their membership only.
 */
#include "base/bug.h"
#include "base/text.h"
#include "membership/membership_store.h"
#include "membership/statements.h"

#define COLUMNS                                                                                    \
    "customer_id, invoice_id, number, membership_id, due_time, state, currency, total_minor,"      \
    " period_start, period_end, payment_id, create_time, paid_time"

static void invoice_from_row(const struct pg_rows *rows, size_t row, struct invoice *invoice)
{
    *invoice = (struct invoice){
        .customer = pg_get_uuid(rows, row, "customer_id"),
        .id = pg_get_uuid(rows, row, "invoice_id"),
        .number = pg_get_int64(rows, row, "number"),
        .membership = pg_get_uuid(rows, row, "membership_id"),
        .state = invoice_state_from_name(pg_get_text(rows, row, "state")),
        .total =
            money_make(pg_get_text(rows, row, "currency"), pg_get_int64(rows, row, "total_minor")),
        .due_us = pg_get_time(rows, row, "due_time"),
        .period_start_us = pg_get_time(rows, row, "period_start"),
        .period_end_us = pg_get_time(rows, row, "period_end"),
        .payment = pg_get_uuid(rows, row, "payment_id"),
        .create_us = pg_get_time(rows, row, "create_time"),
        .paid_us = pg_get_time(rows, row, "paid_time"),
    };
}

const struct pg_statement invoice_load_statement = {
    .name = "invoice_load",
    .sql = "SELECT " COLUMNS " FROM invoice WHERE customer_id = $1 AND invoice_id = $2",
};

const struct error *invoice_load(struct call *call, struct uuid customer, struct uuid id,
                                 struct invoice *invoice)
{
    struct pg_rows rows;

    TRY(pg_read(call, customer, &invoice_load_statement, PG_PARAMS(pg_uuid(customer), pg_uuid(id)),
                &rows));
    if (rows.count == 0)
        bug("a payment names an invoice that does not exist");
    invoice_from_row(&rows, 0, invoice);
    return NULL;
}

const struct pg_statement invoice_list_statement = {
    .name = "invoice_list",
    .sql = "SELECT " COLUMNS "  FROM invoice"
           " WHERE customer_id = $1 AND number < coalesce(nullif($2, 0), 9223372036854775807)"
           " ORDER BY number DESC LIMIT $3",
};

const struct pg_statement invoice_lines_statement = {
    .name = "invoice_lines",
    .sql = "SELECT l.invoice_id, l.description, l.amount_minor, l.period_start, l.period_end"
           "  FROM invoice i"
           "  JOIN invoice_line l ON l.customer_id = i.customer_id AND l.invoice_id = i.invoice_id"
           " WHERE i.customer_id = $1 AND i.number BETWEEN $2 AND $3"
           " ORDER BY i.number DESC, l.line_number",
};

/* Both lists are in the same order: one walk deals the lines out. */
static void deal_lines(struct arena *arena, const struct pg_rows *rows,
                       struct invoice_with_lines *list, size_t count)
{
    struct invoice_line *lines = arena_array(arena, rows->count, sizeof(*lines));
    size_t row = 0;

    for (size_t i = 0; i < count; i++) {
        list[i].lines = &lines[row];
        for (; row < rows->count &&
               uuid_equal(pg_get_uuid(rows, row, "invoice_id"), list[i].invoice.id);
             row++) {
            lines[row] = (struct invoice_line){
                .description = pg_get_text(rows, row, "description"),
                .amount = money_make(list[i].invoice.total.currency,
                                     pg_get_int64(rows, row, "amount_minor")),
                .period_start_us = pg_get_time(rows, row, "period_start"),
                .period_end_us = pg_get_time(rows, row, "period_end"),
            };
            list[i].line_count++;
        }
    }
}

const struct error *invoice_list(struct call *call, struct uuid customer, int64_t before,
                                 int64_t limit, struct invoice_with_lines **invoices, size_t *count)
{
    struct pg_rows rows;

    TRY(pg_read(call, customer, &invoice_list_statement,
                PG_PARAMS(pg_uuid(customer), pg_int64(before), pg_int64(limit)), &rows));
    struct invoice_with_lines *list = arena_array(call->arena, rows.count, sizeof(*list));
    for (size_t i = 0; i < rows.count; i++)
        invoice_from_row(&rows, i, &list[i].invoice);
    *invoices = list;
    *count = rows.count;
    if (rows.count == 0)
        return NULL;

    struct pg_rows lines;
    TRY(pg_read(call, customer, &invoice_lines_statement,
                PG_PARAMS(pg_uuid(customer), pg_int64(list[*count - 1].invoice.number),
                          pg_int64(list[0].invoice.number)),
                &lines));
    deal_lines(call->arena, &lines, list, *count);
    return NULL;
}

struct invoice_intent invoice_intent_make(struct call *call, const struct membership *membership,
                                          const char *description, int64_t due_us,
                                          struct period period)
{
    return (struct invoice_intent){
        .id = uuid_make(call->house->random, call->now_us),
        .due_us = due_us,
        .period = period,
        .total = membership->price,
        .description = description,
    };
}
