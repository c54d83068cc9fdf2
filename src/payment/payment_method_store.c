/*
 * Payment methods, and the only place where a gateway's token is sealed and opened.
 */

#include "payment/payment_internal.h"

#include "base/text.h"
#include "payment/payment_method.h"
#include "pg/replay.h"
#include "vault/vault.h"

#define METHOD_COLUMNS                                                                             \
    "m.payment_method_id, m.gateway, m.token_sealed, m.brand, m.last4, m.exp_month, m.exp_year,"   \
    " m.state = 'ACTIVE' AS is_usable, m.create_time,"                                             \
    " m.payment_method_id IS NOT DISTINCT FROM (SELECT c.default_payment_method_id"                \
    "   FROM customer c WHERE c.customer_id = $1) AS is_default,"                                  \
    " (SELECT k.wrapped_key FROM customer_data_key k WHERE k.customer_id = $1) AS data_key"

void payment_method_sealed_from_row(const struct pg_rows *rows, size_t row,
                                    struct payment_method *method)
{
    method->token_sealed.data = pg_get_bytes(rows, row, "token_sealed", &method->token_sealed.size);
    method->data_key.data = pg_get_bytes(rows, row, "data_key", &method->data_key.size);
}

static void method_from_row(struct uuid customer, const struct pg_rows *rows, size_t row,
                            struct payment_method *method)
{
    *method = (struct payment_method){
        .customer = customer,
        .id = pg_get_uuid(rows, row, "payment_method_id"),
        .gateway = pg_get_text(rows, row, "gateway"),
        .brand = pg_get_text(rows, row, "brand"),
        .last4 = pg_get_text(rows, row, "last4"),
        .exp_month = (int32_t)pg_get_int64(rows, row, "exp_month"),
        .exp_year = (int32_t)pg_get_int64(rows, row, "exp_year"),
        .is_usable = pg_get_bool(rows, row, "is_usable"),
        .is_default = pg_get_bool(rows, row, "is_default"),
        .create_time_us = pg_get_time(rows, row, "create_time"),
    };
    payment_method_sealed_from_row(rows, row, method);
}

const struct pg_statement payment_method_load_statement = {
    .name = "payment_method_load",
    .sql = "SELECT " METHOD_COLUMNS " FROM payment_method m"
           " WHERE m.customer_id = $1 AND m.payment_method_id = $2",
    .is_lookup = true,
};

const struct error *payment_method_load(struct call *call, struct uuid customer, struct uuid id,
                                        struct payment_method *method)
{
    struct pg_rows rows;

    TRY(pg_read(call, customer, &payment_method_load_statement,
                PG_PARAMS(pg_uuid(customer), pg_uuid(id)), &rows));
    if (rows.count == 0)
        return not_found(
            call, "PAYMENT_METHOD_NOT_FOUND",
            name_make(call->arena, PAYMENT_METHOD_PATTERN, (struct uuid[]){customer, id}));
    method_from_row(customer, &rows, 0, method);
    return NULL;
}

const struct pg_statement payment_method_list_statement = {
    .name = "payment_method_list",
    .sql = "SELECT " METHOD_COLUMNS " FROM payment_method m"
           " WHERE m.customer_id = $1 AND " PG_BELOW(
               "m.payment_method_id", "$2") " ORDER BY m.payment_method_id DESC LIMIT $3",
};

const struct error *payment_method_list(struct call *call, struct uuid customer, struct uuid before,
                                        int64_t limit, struct payment_method **methods,
                                        size_t *count)
{
    struct pg_rows rows;

    TRY(pg_read(call, customer, &payment_method_list_statement,
                PG_PARAMS(pg_uuid(customer), pg_uuid_or_null(before), pg_int64(limit)), &rows));
    *methods = arena_array(call->arena, rows.count + 1, sizeof **methods);
    for (size_t i = 0; i < rows.count; i++)
        method_from_row(customer, &rows, i, &(*methods)[i]);
    *count = rows.count;
    return NULL;
}

const struct error *payment_method_seal(struct call *call, struct payment_method *method,
                                        const char *token)
{
    const struct vault_place place =
        vault_place_payment_token(call->arena, method->customer, method->id);

    return vault_seal(call, &place, (struct bytes){token, strlen(token)}, &method->token_sealed);
}

const struct error *payment_method_open(struct call *call, const struct payment_method *method,
                                        const char **token)
{
    const struct vault_place place =
        vault_place_payment_token(call->arena, method->customer, method->id);
    struct bytes plain;

    TRY(vault_unseal(call, &place, method->token_sealed, method->data_key, &plain));
    *token = arena_strndup(call->arena, plain.data, plain.size);
    return NULL;
}

const struct pg_statement payment_method_record_statement = {
    .name = "payment_method_create",
    .sql = "SELECT outcome, answer, object_id"
           "  FROM payment_method_create($1, ROW($2, $3, $4, $5)::request_key, $6, $7, $8, $9,"
           "       $10, $11, $12, $13, $14, $15)",
};

const struct error *payment_method_record(struct call *call, const struct payment_method *method,
                                          struct bytes answer, int64_t now_us, bool *changed,
                                          bool *replayed)
{
    struct pg_rows rows;

    TRY(pg_write(
        call, method->customer, &payment_method_record_statement,
        PG_PARAMS(pg_uuid(method->customer), REPLAY_PARAMS(call),
                  pg_bytes(answer.data, answer.size), pg_uuid(method->id), pg_text(method->gateway),
                  pg_bytes(method->token_sealed.data, method->token_sealed.size),
                  pg_text(method->brand), pg_text(method->last4), pg_int32(method->exp_month),
                  pg_int32(method->exp_year), pg_bool(method->is_default), pg_time(now_us)),
        &rows));
    *changed = text_equal(pg_get_text(&rows, 0, "outcome"), "changed");
    *replayed = false;
    return *changed ? NULL : replay_outcome(call, &rows, replayed);
}
