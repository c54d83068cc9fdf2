/*
 * Payment methods, and the only place where a gateway's token is sealed and opened.
 */

#include "payment/payment_internal.h"

#include "base/bug.h"
#include "base/text.h"
#include "payment/payment_method.h"
#include "pg/replay.h"
#include "vault/vault.h"

#define METHOD_COLUMNS                                                                             \
    "m.payment_method_id, m.gateway, m.token_sealed, m.brand, m.last4, m.exp_month, m.exp_year,"   \
    " m.fingerprint, m.state, m.retry_time, m.mandate_type, m.mandate_accept_time,"                \
    " m.mandate_ip_address, m.mandate_user_agent, m.mandate_text_version, m.version,"              \
    " m.create_time, m.delete_time,"                                                               \
    " m.payment_method_id IS NOT DISTINCT FROM (SELECT c.default_payment_method_id"                \
    "   FROM customer c WHERE c.customer_id = $1) AS is_default,"                                  \
    " (SELECT k.wrapped_key FROM customer_data_key k WHERE k.customer_id = $1) AS data_key"

void payment_method_sealed_from_row(const struct pg_rows *rows, size_t row,
                                    struct payment_method *method)
{
    method->token_sealed.data = pg_get_bytes(rows, row, "token_sealed", &method->token_sealed.size);
    method->data_key.data = pg_get_bytes(rows, row, "data_key", &method->data_key.size);
}

static const char *const state_names[PAYMENT_METHOD_STATE_COUNT] = {
    [PAYMENT_METHOD_ACTIVE] = "ACTIVE",
    [PAYMENT_METHOD_STOPPED] = "STOPPED",
    [PAYMENT_METHOD_UNUSABLE] = "UNUSABLE",
    [PAYMENT_METHOD_DELETED] = "DELETED",
};

const char *payment_method_state_name(enum payment_method_state state)
{
    return state_names[state];
}

static enum payment_method_state state_from_name(const char *name)
{
    for (int i = 0; i < PAYMENT_METHOD_STATE_COUNT; i++) {
        if (text_equal(state_names[i], name))
            return (enum payment_method_state)i;
    }
    bug("payment method in unknown state \"%s\"", name);
}

static struct mandate mandate_from_row(const struct pg_rows *rows, size_t row)
{
    return (struct mandate){
        .type = pg_get_text(rows, row, "mandate_type"),
        .accept_us = pg_get_time(rows, row, "mandate_accept_time"),
        .ip_address = pg_get_text(rows, row, "mandate_ip_address"),
        .user_agent = pg_get_text(rows, row, "mandate_user_agent"),
        .text_version = pg_get_text(rows, row, "mandate_text_version"),
    };
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
        .fingerprint = pg_get_text(rows, row, "fingerprint"),
        .state = state_from_name(pg_get_text(rows, row, "state")),
        .is_default = pg_get_bool(rows, row, "is_default"),
        .retry_us = pg_get_time(rows, row, "retry_time"),
        .mandate = mandate_from_row(rows, row),
        .version = pg_get_int64(rows, row, "version"),
        .create_time_us = pg_get_time(rows, row, "create_time"),
        .delete_time_us = pg_get_time(rows, row, "delete_time"),
    };
    method->is_usable = method->state == PAYMENT_METHOD_ACTIVE;
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
    static const struct pg_named named = {&payment_method_load_statement, PAYMENT_METHOD_PATTERN,
                                          "PAYMENT_METHOD_NOT_FOUND"};
    struct pg_rows rows;

    TRY(pg_load(call, &named, (struct uuid[]){customer, id}, 2, &rows));
    method_from_row(customer, &rows, 0, method);
    return NULL;
}

const struct pg_statement payment_method_list_statement = {
    .name = "payment_method_list",
    .sql = "SELECT " METHOD_COLUMNS " FROM payment_method m"
           " WHERE m.customer_id = $1 AND m.state <> 'DELETED' AND " PG_BELOW(
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

/* ROW(…)::card_told, 5 parameters; of a payment_method or a gateway_card. */
#define CARD_PARAMS(card)                                                                          \
    pg_text((card)->brand), pg_text((card)->last4), pg_int32((card)->exp_month),                   \
        pg_int32((card)->exp_year), pg_text((card)->fingerprint)

/* ROW(…)::mandate_given, 5 parameters, all NULL when there is none. */
#define MANDATE_PARAMS(mandate)                                                                    \
    pg_text(text_or_null((mandate)->type)), pg_time_or_null((mandate)->accept_us),                 \
        pg_text(text_or_null((mandate)->ip_address)),                                              \
        pg_text(text_or_null((mandate)->user_agent)),                                              \
        pg_text(text_or_null((mandate)->text_version))

static const char *text_or_null(const char *text)
{
    return text == NULL || text[0] == '\0' ? NULL : text;
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

    if (method->token_sealed.size == 0) {
        *token = "";
        return NULL;
    }
    TRY(vault_unseal(call, &place, method->token_sealed, method->data_key, &plain));
    *token = arena_strndup(call->arena, plain.data, plain.size);
    return NULL;
}

const struct pg_statement payment_method_record_statement = {
    .name = "payment_method_create",
    .sql = "SELECT outcome, answer, object_id"
           "  FROM payment_method_create($1, ROW($2, $3, $4, $5)::request_key, $6, $7, $8, $9,"
           "       ROW($10, $11, $12, $13, $14)::card_told,"
           "       ROW($15, $16, $17, $18, $19)::mandate_given, $20, $21)",
};

const struct error *payment_method_record(struct call *call, const struct payment_method *method,
                                          struct bytes answer, int64_t now_us, bool *changed,
                                          bool *replayed)
{
    struct pg_rows rows;

    TRY(pg_write(call, method->customer, &payment_method_record_statement,
                 PG_PARAMS(pg_uuid(method->customer), REPLAY_PARAMS(call),
                           pg_bytes(answer.data, answer.size), pg_uuid(method->id),
                           pg_text(method->gateway),
                           pg_bytes(method->token_sealed.data, method->token_sealed.size),
                           CARD_PARAMS(method), MANDATE_PARAMS(&method->mandate),
                           pg_bool(method->is_default), pg_time(now_us)),
                 &rows));
    *changed = text_equal(pg_get_text(&rows, 0, "outcome"), "changed");
    *replayed = false;
    return *changed ? NULL : replay_outcome(call, &rows, replayed);
}

const struct pg_statement payment_method_update_statement = {
    .name = "payment_method_update",
    .sql = "SELECT outcome, answer, object_id"
           "  FROM payment_method_update($1, ROW($2, $3, $4, $5)::request_key, $6, $7, $8, $9, $10,"
           "       $11, $12, ROW($13, $14, $15, $16, $17)::mandate_given, $18, $19)",
};

const struct error *payment_method_update(struct call *call, const struct payment_method *before,
                                          const struct payment_method *after, struct bytes answer,
                                          int64_t now_us, bool *changed)
{
    struct pg_rows rows;
    bool replayed;

    TRY(pg_write(call, after->customer, &payment_method_update_statement,
                 PG_PARAMS(pg_uuid(after->customer), REPLAY_PARAMS(call),
                           pg_bytes(answer.data, answer.size), pg_uuid(after->id),
                           pg_int64(before->version), pg_bool(before->is_default),
                           pg_bool(after->is_default), pg_int32(after->exp_month),
                           pg_int32(after->exp_year), MANDATE_PARAMS(&after->mandate),
                           pg_bool(payment_method_is_told(call, after)), pg_time(now_us)),
                 &rows));
    *changed = text_equal(pg_get_text(&rows, 0, "outcome"), "changed");
    return *changed ? NULL : replay_outcome(call, &rows, &replayed);
}

const struct pg_statement payment_method_refresh_statement = {
    .name = "payment_method_refresh",
    .sql = "SELECT payment_method_refresh($1, $2, ROW($3, $4, $5, $6, $7)::card_told, $8)"
           "       AS changed",
};

const struct error *payment_method_refresh(struct call *call, struct uuid customer, struct uuid id,
                                           const struct gateway_card *card, int64_t now_us,
                                           bool *changed)
{
    struct pg_rows rows;

    TRY(pg_write(call, customer, &payment_method_refresh_statement,
                 PG_PARAMS(pg_uuid(customer), pg_uuid(id), CARD_PARAMS(card), pg_time(now_us)),
                 &rows));
    *changed = pg_get_bool(&rows, 0, "changed");
    return NULL;
}
