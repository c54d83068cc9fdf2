/*
 * Reading and writing table gateway_key.
 */

#include "vault/gateway_keys.h"

#include "base/text.h"
#include "vault/vault.h"
#include "vault/vault_internal.h"

#define HINT_HEAD       8 /* "sk_test_", "whsec_…" */
#define HINT_TAIL       4
#define HINT_HIDDEN_MIN 8

static const struct {
    const char *name;
    int64_t kept;
} known_names[] = {{GATEWAY_KEY_STRIPE, 1}, {GATEWAY_KEY_STRIPE_WEBHOOK, 2}};

bool gateway_key_is_known(const char *name, int64_t *kept)
{
    for (size_t i = 0; i < ARRAY_LENGTH(known_names); i++) {
        if (!text_equal(known_names[i].name, name))
            continue;
        if (kept != NULL)
            *kept = known_names[i].kept;
        return true;
    }
    return false;
}

/*
 * Beginning and end; of a short one the words alone that say what kind it is, "sk_live_", since
 * more would be most of it.
 */
static const char *hint_of(struct arena *arena, const char *text)
{
    int length = (int)strlen(text);
    int head = length < HINT_HEAD ? length : HINT_HEAD;

    if (length >= HINT_HEAD + HINT_HIDDEN_MIN + HINT_TAIL)
        return arena_printf(arena, "%.*s…%s", head, text, text + length - HINT_TAIL);
    while (head > 0 && text[head - 1] != '_')
        head--;
    return arena_printf(arena, "%.*s…", head, text);
}

const struct pg_statement vault_gateway_generation = {
    .name = "gateway_key_generation",
    .sql = "SELECT coalesce(max(generation), 0)::bigint AS generation FROM gateway_key"
           " WHERE name = $1",
};

/* The newest; 0: there is none. */
static const struct error *load_generation(struct call *call, const char *name, int64_t *generation)
{
    struct pg_rows rows;

    TRY(pg_read(call, UUID_NIL, &vault_gateway_generation, PG_PARAMS(pg_text(name)), &rows));
    *generation = pg_get_int64(&rows, 0, "generation");
    return NULL;
}

const struct pg_statement vault_gateway_version = {
    .name = "gateway_keys_version",
    .sql = "SELECT hashtextextended(coalesce(string_agg(name || generation, ','"
           "       ORDER BY name, generation), ''), 0) AS version FROM gateway_key",
};

const struct error *gateway_keys_version(struct call *call, int64_t *version)
{
    struct pg_rows rows;

    TRY(pg_read(call, UUID_NIL, &vault_gateway_version, (struct pg_params){NULL, 0}, &rows));
    *version = pg_get_int64(&rows, 0, "version");
    return NULL;
}

static struct gateway_key key_from_row(struct call *call, const struct pg_rows *rows, size_t row)
{
    return (struct gateway_key){
        .name = arena_strdup(call->arena, pg_get_text(rows, row, "name")),
        .generation = pg_get_int64(rows, row, "generation"),
        .hint = arena_strdup(call->arena, pg_get_text(rows, row, "hint")),
        .create_us = pg_get_time(rows, row, "create_time"),
    };
}

const struct pg_statement vault_gateway_keys_load = {
    .name = "gateway_keys_load",
    .sql = "SELECT name, generation, sealed_key, hint, create_time FROM gateway_key"
           " WHERE name = $1 ORDER BY generation DESC LIMIT $2",
};

const struct error *gateway_keys_load(struct call *call, const char *name,
                                      struct gateway_key keys[GATEWAY_KEYS_MAX], size_t *count)
{
    struct pg_rows rows;

    TRY(pg_read(call, UUID_NIL, &vault_gateway_keys_load,
                PG_PARAMS(pg_text(name), pg_int64(GATEWAY_KEYS_MAX)), &rows));
    for (size_t i = 0; i < rows.count; i++) {
        keys[i] = key_from_row(call, &rows, i);
        const struct vault_place place =
            vault_place_gateway_key(call->arena, name, keys[i].generation);
        struct bytes sealed;
        struct bytes plain;
        sealed.data = pg_get_bytes(&rows, i, "sealed_key", &sealed.size);
        TRY(vault_unseal(call, &place, sealed, (struct bytes){NULL, 0}, &plain));
        keys[i].text = arena_strndup(call->arena, plain.data, plain.size);
    }
    *count = rows.count;
    return NULL;
}

const struct pg_statement vault_gateway_keys_list = {
    .name = "gateway_keys_list",
    .sql = "SELECT name, generation, hint, create_time FROM gateway_key"
           " ORDER BY name, generation DESC",
};

const struct error *gateway_keys_list(struct call *call, struct gateway_key **keys, size_t *count)
{
    struct pg_rows rows;

    TRY(pg_read(call, UUID_NIL, &vault_gateway_keys_list, (struct pg_params){NULL, 0}, &rows));
    *keys = arena_array(call->arena, rows.count + 1, sizeof(**keys));
    for (size_t i = 0; i < rows.count; i++)
        (*keys)[i] = key_from_row(call, &rows, i);
    *count = rows.count;
    return NULL;
}

const struct pg_statement vault_gateway_key_put = {
    .name = "gateway_key_put",
    .sql = "SELECT outcome FROM gateway_key_put($1, $2::integer, $3, $4, $5::integer, $6)",
};

const struct error *gateway_key_put(struct call *call, const char *name, const char *text,
                                    struct gateway_key *put)
{
    int64_t kept = 1;
    struct bytes sealed;
    struct pg_rows rows;

    (void)gateway_key_is_known(name, &kept);
    *put = (struct gateway_key){
        .name = name,
        .hint = hint_of(call->arena, text),
        .create_us = call->now_us,
    };
    TRY(load_generation(call, name, &put->generation));
    put->generation++;
    const struct vault_place place = vault_place_gateway_key(call->arena, name, put->generation);
    TRY(vault_seal(call, &place, (struct bytes){text, strlen(text)}, &sealed));
    TRY(pg_write(call, UUID_NIL, &vault_gateway_key_put,
                 PG_PARAMS(pg_text(name), pg_int64(put->generation),
                           pg_bytes(sealed.data, sealed.size), pg_text(put->hint), pg_int64(kept),
                           pg_time(put->create_us)),
                 &rows));
    if (!text_equal(pg_get_text(&rows, 0, "outcome"), "taken"))
        return refuse(call, STATUS_ABORTED, "CONCURRENT_CHANGE",
                      "somebody else has put a key of %s at the same moment", name);
    return NULL;
}

const struct pg_statement vault_gateway_keys_end = {
    .name = "gateway_key_end",
    .sql = "SELECT ended FROM gateway_key_end($1)",
};

const struct error *gateway_keys_end(struct call *call, const char *name, int64_t *ended)
{
    struct pg_rows rows;

    TRY(pg_write(call, UUID_NIL, &vault_gateway_keys_end, PG_PARAMS(pg_text(name)), &rows));
    *ended = pg_get_int64(&rows, 0, "ended");
    return NULL;
}
