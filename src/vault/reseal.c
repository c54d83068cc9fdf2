/*
 * Values that were sealed before there were data keys.  Tables are walked by their keys in windows,
 * so that no statement runs long; a value that changed meanwhile was sealed the new way by whoever
 * changed it.
 */

#include "base/fiber.h"
#include "base/text.h"
#include "vault/rotate.h"
#include "vault/vault_internal.h"

#define WINDOW 500
#define OLD_SEALED(column)                                                                         \
    " CASE WHEN substring(" column " FROM 1 FOR 1) = '\\x01'::bytea THEN " column " END AS sealed"

const struct pg_statement reseal_list_tokens = {
    .name = "reseal_list_tokens",
    .sql = "SELECT customer_id, payment_method_id," OLD_SEALED(
        "token_sealed") "  FROM payment_method WHERE (customer_id, payment_method_id) > ($1, $2)"
                        " ORDER BY customer_id, payment_method_id LIMIT $3",
};

const struct pg_statement reseal_token = {
    .name = "payment_method_reseal",
    .sql = "SELECT rewrapped FROM payment_method_reseal($1, $2, $3, $4)",
};

const struct pg_statement reseal_list_answers = {
    .name = "reseal_list_answers",
    .sql = "SELECT customer_id, caller, method, request_id," OLD_SEALED(
        "answer") "  FROM recorded_request"
                  " WHERE (customer_id, caller, method, request_id) > ($1, $2, $3, $4)"
                  " ORDER BY customer_id, caller, method, request_id LIMIT $5",
};

const struct pg_statement reseal_answer = {
    .name = "recorded_answer_reseal",
    .sql = "SELECT rewrapped FROM recorded_answer_reseal($1, $2, $3, $4, $5, $6)",
};

const struct pg_statement reseal_list_signing = {
    .name = "reseal_list_signing",
    .sql = "SELECT kind, generation," OLD_SEALED("sealed_key") " FROM signing_key",
};

const struct pg_statement reseal_signing = {
    .name = "signing_key_reseal",
    .sql = "SELECT rewrapped FROM signing_key_reseal($1, $2, $3, $4)",
};

/* The value as it is, and as it shall be. */
struct change {
    struct bytes before;
    struct bytes after;
};

/* False: sealed the new way already. */
static bool is_old(const struct pg_rows *rows, size_t row)
{
    return !pg_is_null(rows, row, "sealed");
}

static const struct error *change_of(struct call *call, const struct pg_rows *rows, size_t row,
                                     const struct vault_place *place, struct change *change)
{
    struct bytes plain;

    change->before.data = pg_get_bytes(rows, row, "sealed", &change->before.size);
    TRY(vault_unseal(call, place, change->before, (struct bytes){NULL, 0}, &plain));
    return vault_seal(call, place, plain, &change->after);
}

#define CHANGE_PARAMS(change)                                                                      \
    pg_bytes((change).before.data, (change).before.size),                                          \
        pg_bytes((change).after.data, (change).after.size)

/* Where a walk stands, outside of the call's arena. */
struct walk {
    struct arena *arena;
    struct uuid customer;
    struct uuid id;
    const char *texts[3];
    bool is_over;
    int64_t changed;
};

static const struct error *write_change(struct call *call, struct uuid customer,
                                        const struct pg_statement *statement,
                                        struct pg_params params, struct walk *walk)
{
    struct pg_rows rows;

    TRY(pg_write(call, customer, statement, params, &rows));
    walk->changed += pg_get_int64(&rows, 0, "rewrapped");
    return NULL;
}

static const struct error *walk_tokens(struct call *call, struct walk *walk)
{
    struct pg_rows rows;

    TRY(pg_read(call, UUID_NIL, &reseal_list_tokens,
                PG_PARAMS(pg_uuid(walk->customer), pg_uuid(walk->id), pg_int64(WINDOW)), &rows));
    for (size_t i = 0; i < rows.count; i++) {
        struct change change;
        walk->customer = pg_get_uuid(&rows, i, "customer_id");
        walk->id = pg_get_uuid(&rows, i, "payment_method_id");
        if (!is_old(&rows, i))
            continue;
        const struct vault_place place =
            vault_place_payment_token(call->arena, walk->customer, walk->id);
        TRY(change_of(call, &rows, i, &place, &change));
        TRY(write_change(
            call, walk->customer, &reseal_token,
            PG_PARAMS(pg_uuid(walk->customer), pg_uuid(walk->id), CHANGE_PARAMS(change)), walk));
    }
    walk->is_over = rows.count < WINDOW;
    return NULL;
}

static const char *const answer_key[] = {"caller", "method", "request_id"};

static void remember_answer(struct walk *walk, const struct pg_rows *rows, size_t row)
{
    arena_reset(walk->arena);
    walk->customer = pg_get_uuid(rows, row, "customer_id");
    for (size_t i = 0; i < ARRAY_LENGTH(answer_key); i++)
        walk->texts[i] = arena_strdup(walk->arena, pg_get_text(rows, row, answer_key[i]));
}

static const struct error *walk_answers(struct call *call, struct walk *walk)
{
    struct pg_rows rows;

    TRY(pg_read(call, UUID_NIL, &reseal_list_answers,
                PG_PARAMS(pg_uuid(walk->customer), pg_text(walk->texts[0]), pg_text(walk->texts[1]),
                          pg_text(walk->texts[2]), pg_int64(WINDOW)),
                &rows));
    for (size_t i = 0; i < rows.count; i++) {
        struct change change;
        remember_answer(walk, &rows, i);
        if (!is_old(&rows, i))
            continue;
        const struct vault_place place = vault_place_answer(
            call->arena, walk->customer, walk->texts[0], walk->texts[1], walk->texts[2]);
        TRY(change_of(call, &rows, i, &place, &change));
        TRY(write_change(call, walk->customer, &reseal_answer,
                         PG_PARAMS(pg_uuid(walk->customer), pg_text(walk->texts[0]),
                                   pg_text(walk->texts[1]), pg_text(walk->texts[2]),
                                   CHANGE_PARAMS(change)),
                         walk));
    }
    walk->is_over = rows.count < WINDOW;
    return NULL;
}

static const struct error *walk_signing_keys(struct call *call, struct walk *walk)
{
    struct pg_rows rows;

    TRY(pg_read(call, UUID_NIL, &reseal_list_signing, (struct pg_params){NULL, 0}, &rows));
    for (size_t i = 0; i < rows.count; i++) {
        const char *kind = pg_get_text(&rows, i, "kind");
        int64_t generation = pg_get_int64(&rows, i, "generation");
        const struct vault_place place = vault_place_signing_key(call->arena, kind, generation);
        struct change change;
        if (!is_old(&rows, i))
            continue;
        TRY(change_of(call, &rows, i, &place, &change));
        TRY(write_change(
            call, UUID_NIL, &reseal_signing,
            PG_PARAMS(pg_text(kind), pg_int32((int32_t)generation), CHANGE_PARAMS(change)), walk));
    }
    walk->is_over = true;
    return NULL;
}

static const struct error *walk_table(struct call *call, const char *table,
                                      const struct error *(*step)(struct call *, struct walk *),
                                      FILE *out)
{
    AUTO(arena_auto_free) struct arena *arena = arena_new((size_t)64 * 1024);
    struct walk walk = {.arena = arena, .texts = {"", "", ""}};

    while (!walk.is_over) {
        TRY(step(call, &walk));
        arena_reset(call->arena);
    }
    if (walk.changed > 0)
        fprintf(out, "%s: %lld values sealed anew\n", table, (long long)walk.changed);
    return NULL;
}

const struct error *vault_reseal(struct call *call, FILE *out)
{
    TRY(walk_table(call, "signing_key", walk_signing_keys, out));
    TRY(walk_table(call, "payment_method", walk_tokens, out));
    return walk_table(call, "recorded_request", walk_answers, out);
}
