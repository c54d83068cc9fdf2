/*
 * Opening the vault, and sealing and opening values.
 */

#include "vault/vault.h"

#include "base/bug.h"
#include "base/fiber.h"
#include "base/measure.h"
#include "crypto/locked.h"
#include "vault/vault_internal.h"

#define POLL_US         US_PER_SECOND
#define POLL_LIMIT_US   (5 * US_PER_SECOND)
#define POLL_ARENA_SIZE (256 * 1024)
#define OPEN_ARENA_SIZE (256 * 1024)
#define OPEN_LIMIT_US   (15 * US_PER_SECOND)
#define RETRY_PAUSE_US  (100 * US_PER_MS)

struct error *vault_error(struct call *call, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    const char *cause = arena_vprintf(call->arena, format, arguments);
    va_end(arguments);
    return error_cause(call->arena,
                       error_make(call->arena, STATUS_INTERNAL, "INTERNAL",
                                  "what is kept sealed could not be read"),
                       "%s", cause);
}

const struct error *vault_seal(struct call *call, const struct vault_place *place,
                               struct bytes plain, struct bytes *sealed)
{
    AUTO(data_key_wipe) struct data_key key = {0};

    TRY(vault_data_key(call, call->house->vault, place->at.customer, (struct bytes){NULL, 0}, true,
                       &key));
    *sealed = sealed_make(call->arena, call->house->random, &key, &place->at, plain);
    return NULL;
}

/* From before there were data keys. */
static const struct error *unseal_old(struct call *call, const struct vault_place *place,
                                      struct bytes sealed, struct bytes *plain)
{
    if (place->old_context == NULL ||
        !secret_open(call->house->secrets, place->old_purpose, call->arena, place->old_context,
                     sealed.data, sealed.size, plain))
        return vault_error(call, "%s.%s does not open: altered, moved, or another master key",
                           place->at.table, place->at.column);
    return NULL;
}

const struct error *vault_unseal(struct call *call, const struct vault_place *place,
                                 struct bytes sealed, struct bytes wrapped, struct bytes *plain)
{
    AUTO(data_key_wipe) struct data_key key = {0};

    if (sealed.size > 0 && *(const uint8_t *)sealed.data == SEALED_OLD)
        return unseal_old(call, place, sealed, plain);
    TRY(vault_data_key(call, call->house->vault, place->at.customer, wrapped, false, &key));
    if (!sealed_open(call->arena, &key, &place->at, sealed, plain))
        return vault_error(call, "%s.%s does not open: altered, or moved", place->at.table,
                           place->at.column);
    return NULL;
}

const struct pg_statement vault_kek_found = {
    .name = "kek_found",
    .sql = "SELECT outcome FROM kek_found($1, $2)",
};

const struct pg_statement vault_house_load = {
    .name = "house_data_key_load",
    .sql = "SELECT k.wrapped_key, s.sealed"
           "  FROM (SELECT wrapped_key FROM house_data_key WHERE name = 'house') k"
           "  FULL JOIN (SELECT sealed FROM house_secret WHERE name = 'root') s ON true",
};

const struct pg_statement vault_house_offer = {
    .name = "house_data_key_offer",
    .sql = "SELECT outcome FROM house_data_key_offer($1, $2, $3)",
};

const struct pg_statement vault_signing_key_any = {
    .name = "signing_key_any",
    .sql = "SELECT EXISTS (SELECT FROM signing_key) AS present",
};

static const struct error *open_house_keys(struct call *call, struct vault *vault,
                                           const struct pg_rows *rows)
{
    const struct seal_place key_place = vault_place_house_key();
    const struct vault_place root_place = vault_place_house_secret("root");
    struct bytes wrapped;
    struct bytes sealed;
    struct bytes root;
    AUTO(data_key_wipe) struct data_key key = {0};

    wrapped.data = pg_get_bytes(rows, 0, "wrapped_key", &wrapped.size);
    sealed.data = pg_get_bytes(rows, 0, "sealed", &sealed.size);
    if (!vault_unwrap(vault, call->arena, &key_place, wrapped, &key) ||
        !sealed_open(call->arena, &key, &root_place.at, sealed, &root) || root.size != SECRET_SIZE)
        return vault_error(call, "the master key is not the one that wrapped the house's data key");
    pthread_mutex_lock(&vault->mutex);
    vault->keys->house = key;
    memcpy(vault->keys->root, root.data, SECRET_SIZE);
    pthread_mutex_unlock(&vault->mutex);
    return NULL;
}

/*
 * A database that has keys already derived them from the master key: then that stays the root.
 * A new one gets chance, so that a master key that was replaced is worth nothing.
 */
static const struct error *offer_house_keys(struct call *call, struct vault *vault)
{
    const struct seal_place key_place = vault_place_house_key();
    const struct vault_place root_place = vault_place_house_secret("root");
    const struct random *random = call->house->random;
    AUTO(data_key_wipe) struct data_key key = data_key_make(random);
    AUTO(data_key_wipe) struct data_key kek = vault_kek_in_use(vault);
    uint8_t root[SECRET_SIZE];
    struct pg_rows rows;

    TRY(pg_read(call, UUID_NIL, &vault_signing_key_any, (struct pg_params){NULL, 0}, &rows));
    random_fill(random, root, SECRET_SIZE);
    if (pg_get_bool(&rows, 0, "present"))
        memcpy(root, vault->keys->ring.first_line, SECRET_SIZE);
    struct bytes wrapped = vault_wrap(call->arena, random, &kek, &key_place, &key);
    struct bytes sealed =
        sealed_make(call->arena, random, &key, &root_place.at, (struct bytes){root, SECRET_SIZE});
    secret_wipe(root, sizeof(root));
    return pg_write(call, UUID_NIL, &vault_house_offer,
                    PG_PARAMS(pg_bytes(wrapped.data, wrapped.size),
                              pg_bytes(sealed.data, sealed.size), pg_time(call->now_us)),
                    &rows);
}

static const struct error *load_or_make(struct call *call, struct vault *vault)
{
    const uint8_t *first = vault->keys->ring.keys[0].id;
    struct pg_rows rows;

    TRY(pg_write(call, UUID_NIL, &vault_kek_found,
                 PG_PARAMS(pg_bytes(first, KEY_ID_SIZE), pg_time(call->now_us)), &rows));
    TRY(vault_learn(call, vault));
    TRY(pg_read(call, UUID_NIL, &vault_house_load, (struct pg_params){NULL, 0}, &rows));
    if (rows.count == 0) {
        TRY(offer_house_keys(call, vault));
        TRY(pg_read(call, UUID_NIL, &vault_house_load, (struct pg_params){NULL, 0}, &rows));
    }
    if (rows.count == 0)
        return vault_error(call, "another key-encryption key came into use at the same time");
    return open_house_keys(call, vault, &rows);
}

struct opening {
    struct vault *vault;
    bool opened;
    char *problem;
};

/* The lanes connect by themselves; give them a while. */
static void run_opening(void *arg)
{
    struct opening *opening = arg;
    const struct house *house = opening->vault->house;
    int64_t deadline_us = clock_monotonic_us(house->clock) + OPEN_LIMIT_US;
    AUTO(arena_auto_free) struct arena *arena = arena_new(OPEN_ARENA_SIZE);

    for (;;) {
        struct call call = call_of_house(house, arena, "system/start", "vault/open",
                                         deadline_us - clock_monotonic_us(house->clock));
        const struct error *error = load_or_make(&call, opening->vault);
        opening->opened = error == NULL;
        if (opening->opened)
            return;
        bool again = error->status == STATUS_UNAVAILABLE && call_time_left_us(&call) > 0;
        snprintf(opening->problem, 256, "could not load the data keys: %s",
                 error->cause != NULL ? error->cause : error->message);
        if (!again)
            return;
        arena_reset(arena);
        fiber_sleep(RETRY_PAUSE_US);
    }
}

struct vault *vault_open(const struct house *house, struct key_source source, char problem[256])
{
    struct vault *vault = calloc(1, sizeof(*vault));

    if (vault == NULL)
        bug("no memory for the vault");
    vault->house = house;
    vault->source = source;
    vault->keys = locked_new(sizeof(*vault->keys));
    pthread_mutex_init(&vault->mutex, NULL);
    struct opening opening = {.vault = vault, .problem = problem};
    if (vault_read_source(vault, problem))
        fiber_run(house->fibers, run_opening, &opening);
    if (!opening.opened) {
        vault_close(vault);
        return NULL;
    }
    return vault;
}

void vault_close(struct vault *vault)
{
    if (vault == NULL)
        return;
    watch_close(vault->watch);
    locked_free(vault->keys, sizeof(*vault->keys));
    pthread_mutex_destroy(&vault->mutex);
    free(vault);
}

void vault_lend_root(const struct vault *vault, struct secrets *secrets)
{
    secrets_take_root(secrets, vault->keys->root);
}

static const struct error *look(void *owner, struct call *call)
{
    struct vault *vault = owner;

    char problem[256];

    vault_forget_old(vault);
    if (atomic_load(&vault->source_is_behind) && !vault_read_source(vault, problem))
        return vault_error(call, "%s", problem);
    return vault_learn(call, vault);
}

void vault_start(struct vault *vault)
{
    vault->watch = watch_open(&(struct watch_question){
        .house = vault->house,
        .caller = "system/vault",
        .method = "vault/look",
        .every_us = POLL_US,
        .limit_us = POLL_LIMIT_US,
        .arena_size = POLL_ARENA_SIZE,
        .ask = look,
        .owner = vault,
        .trouble_event = "vault.cannot_look",
    });
    watch_start(vault->watch);
}

bool vault_reload(struct vault *vault, char problem[256])
{
    return vault_read_source(vault, problem);
}

void vault_measure(struct vault *vault, struct measures *out)
{
    static const struct measure hits = {"dues_vault_remembered_keys_total",
                                        "Data keys that were at hand opened already.",
                                        MEASURE_COUNTER, MEASURE_PLAIN};
    static const struct measure unwraps = {"dues_vault_opened_keys_total",
                                           "Data keys that were opened with a key-encryption key.",
                                           MEASURE_COUNTER, MEASURE_PLAIN};
    static const struct measure old_rows = {
        "dues_vault_old_rows",
        "Data keys that hang on a key-encryption key that was replaced; at most 1000 of each.",
        MEASURE_GAUGE, MEASURE_PLAIN};
    static const struct measure age = {"dues_vault_key_age_seconds",
                                       "Since when the key-encryption key is in use.",
                                       MEASURE_GAUGE, MEASURE_SECONDS};
    static const struct measure behind = {
        "dues_vault_source_behind",
        "1: this server's master_key_file lacks the key in use; a restart would fail.",
        MEASURE_GAUGE, MEASURE_PLAIN};

    if (vault == NULL)
        return;
    measure_number(out, &hits, MEASURE_NO_LABELS, atomic_load(&vault->hits));
    measure_number(out, &unwraps, MEASURE_NO_LABELS, atomic_load(&vault->unwraps));
    measure_number(out, &old_rows, MEASURE_NO_LABELS, atomic_load(&vault->old_rows));
    measure_number(out, &age, MEASURE_NO_LABELS,
                   clock_wall_us(vault->house->clock) - atomic_load(&vault->in_use_since_us));
    measure_number(out, &behind, MEASURE_NO_LABELS, atomic_load(&vault->source_is_behind) ? 1 : 0);
}
