/*
 * The keys of auth.  Made once, sealed at rest, loaded at every start.  Two servers that start on
 * an empty database both offer a key; the first to commit wins and both load that one.
 */

#include "auth/keys.h"

#include "auth/auth_internal.h"
#include "base/bug.h"
#include "base/fiber.h"
#include "base/settings.h"
#include "base/text.h"
#include "crypto/x509.h"
#include "vault/vault.h"

#define TOKEN_KEYS_MAX  8
#define LOAD_ARENA_SIZE (256 * 1024)
#define LOAD_TIME_US    (15 * US_PER_SECOND)
#define RETRY_PAUSE_US  (100 * US_PER_MS)

/* Nothing renews the authority: a new generation before that is work by hand. */
#define DEVICE_CA_LIFE_US (3650 * US_PER_DAY)

struct auth_keys {
    struct token_key token_keys[TOKEN_KEYS_MAX]; /* newest first */
    size_t token_key_count;
    struct ec_key *device_ca_key;
    char *device_ca_pem;
};

const struct pg_statement auth_signing_key_list = {
    .name = "auth_signing_key_list",
    .sql = "SELECT kind, generation, key_id, sealed_key, certificate_pem FROM signing_key"
           " ORDER BY kind, generation DESC",
};

const struct pg_statement auth_signing_key_offer = {
    .name = "auth_signing_key_offer",
    .sql = "SELECT outcome FROM signing_key_offer($1, $2, $3, $4, $5, $6)",
};

static const struct error *offer_key(struct call *call, const char *kind)
{
    const struct house *house = call->house;
    AUTO(ec_key_auto_free) struct ec_key *key = ec_key_make();
    char key_id[ES256_THUMBPRINT_SIZE];
    ec_key_thumbprint(key, key_id);

    const char *certificate = NULL;
    if (text_equal(kind, "device_ca"))
        certificate = x509_make_ca(call->arena, house->random, key, "dues device authority",
                                   call->now_us - US_PER_HOUR, call->now_us + DEVICE_CA_LIFE_US);
    const char *pem = ec_key_to_pem(call->arena, key);
    const struct vault_place place = vault_place_signing_key(call->arena, kind, 1);
    struct bytes sealed;
    TRY(vault_seal(call, &place, (struct bytes){pem, strlen(pem)}, &sealed));
    struct pg_rows rows;
    return pg_write(call, UUID_NIL, &auth_signing_key_offer,
                    PG_PARAMS(pg_text(kind), pg_int32(1), pg_text(key_id),
                              pg_bytes(sealed.data, sealed.size), pg_text(certificate),
                              pg_time(call->now_us)),
                    &rows);
}

static const struct error *open_key(struct call *call, const struct pg_rows *rows, size_t row,
                                    struct ec_key **key)
{
    const struct vault_place place = vault_place_signing_key(
        call->arena, pg_get_text(rows, row, "kind"), pg_get_int64(rows, row, "generation"));
    struct bytes sealed;
    struct bytes plain;

    sealed.data = pg_get_bytes(rows, row, "sealed_key", &sealed.size);
    TRY(vault_unseal(call, &place, sealed, (struct bytes){NULL, 0}, &plain));
    *key = ec_key_from_pem(arena_strndup(call->arena, plain.data, plain.size));
    return *key != NULL ? NULL : refuse(call, STATUS_DATA_LOSS, "INTERNAL", "no key in PEM");
}

static bool keep_key(struct auth_keys *keys, struct call *call, const struct pg_rows *rows,
                     size_t row)
{
    struct ec_key *key = NULL;
    if (open_key(call, rows, row, &key) != NULL)
        return false;
    if (text_equal(pg_get_text(rows, row, "kind"), "device_ca")) {
        if (keys->device_ca_key != NULL) {
            ec_key_free(key);
            return true;
        }
        const char *pem = pg_get_text(rows, row, "certificate_pem");
        keys->device_ca_key = key;
        keys->device_ca_pem = strdup(pem);
        return keys->device_ca_pem != NULL;
    }
    if (keys->token_key_count == TOKEN_KEYS_MAX) {
        ec_key_free(key);
        return true;
    }
    struct token_key *token_key = &keys->token_keys[keys->token_key_count++];
    token_key->key = key;
    ec_key_thumbprint(key, token_key->kid);
    return true;
}

static void forget_keys(struct auth_keys *keys)
{
    for (size_t i = 0; i < keys->token_key_count; i++)
        ec_key_free(keys->token_keys[i].key);
    ec_key_free(keys->device_ca_key);
    free(keys->device_ca_pem);
    *keys = (struct auth_keys){.token_key_count = 0};
}

/* `*complete` when both kinds are there; the database's rows are the truth, also just after an
 * offer. */
static const struct error *load_keys(struct call *call, struct auth_keys *keys, bool *complete)
{
    struct pg_rows rows;
    forget_keys(keys);
    TRY(pg_read(call, UUID_NIL, &auth_signing_key_list, (struct pg_params){NULL, 0}, &rows));
    for (size_t i = 0; i < rows.count; i++) {
        if (!keep_key(keys, call, &rows, i))
            return error_cause(call->arena,
                               error_make(call->arena, STATUS_DATA_LOSS, "INTERNAL",
                                          "a signing key could not be opened"),
                               "the master key is not the one that sealed the %s key",
                               pg_get_text(&rows, i, "kind"));
    }
    *complete = keys->token_key_count > 0 && keys->device_ca_key != NULL;
    return NULL;
}

static const struct error *load_or_make(struct call *call, struct auth_keys *keys)
{
    bool complete = false;
    TRY(load_keys(call, keys, &complete));
    if (complete)
        return NULL;
    if (keys->token_key_count == 0)
        TRY(offer_key(call, "token"));
    if (keys->device_ca_key == NULL)
        TRY(offer_key(call, "device_ca"));
    TRY(load_keys(call, keys, &complete));
    if (!complete)
        bug("signing keys that were written are not there");
    return NULL;
}

struct loading {
    const struct house *house;
    struct auth_keys *keys;
    bool loaded;
    char *problem;
};

/* The lanes connect by themselves; give them a while. */
static void run_loading(void *arg)
{
    struct loading *loading = arg;
    const struct house *house = loading->house;
    int64_t deadline_us = clock_monotonic_us(house->clock) + LOAD_TIME_US;
    AUTO(arena_auto_free) struct arena *arena = arena_new(LOAD_ARENA_SIZE);

    for (;;) {
        struct call call = call_of_house(house, arena, "system/start", "start",
                                         deadline_us - clock_monotonic_us(house->clock));
        const struct error *error = load_or_make(&call, loading->keys);
        loading->loaded = error == NULL;
        if (loading->loaded)
            return;
        bool again = error->status == STATUS_UNAVAILABLE && call_time_left_us(&call) > 0;
        snprintf(loading->problem, 256, "could not load the signing keys: %s",
                 error->cause ? error->cause : error->message);
        if (!again)
            return;
        arena_reset(arena);
        fiber_sleep(RETRY_PAUSE_US);
    }
}

struct auth_keys *auth_keys_open(const struct house *house, char problem[256])
{
    struct auth_keys *keys = calloc(1, sizeof(*keys));
    if (keys == NULL)
        bug("no memory for the signing keys");
    struct loading loading = {.house = house, .keys = keys, .problem = problem};
    fiber_run(house->fibers, run_loading, &loading);
    if (!loading.loaded) {
        auth_keys_close(keys);
        return NULL;
    }
    return keys;
}

void auth_keys_close(struct auth_keys *keys)
{
    if (keys == NULL)
        return;
    forget_keys(keys);
    free(keys);
}

const struct token_key *auth_keys_signing(const struct auth_keys *keys)
{
    return &keys->token_keys[0];
}

size_t auth_keys_count(const struct auth_keys *keys)
{
    return keys->token_key_count;
}

const struct token_key *auth_keys_at(const struct auth_keys *keys, size_t index)
{
    return &keys->token_keys[index];
}

const char *auth_keys_device_ca_pem(const struct auth_keys *keys)
{
    return keys->device_ca_pem;
}

const struct ec_key *auth_keys_device_ca_key(const struct auth_keys *keys)
{
    return keys->device_ca_key;
}
