/*
 * The KEKs at hand: those of the source, and the one in use even when the source does not have it
 * yet, because a rotation lets it be had through the one before (the bridge).
 */

#include "crypto/locked.h"
#include "vault/vault_internal.h"

#include "base/log.h"

const struct pg_statement vault_kek_list = {
    .name = "kek_list",
    .sql =
        "SELECT k.key_id, k.generation, k.bridge, k.create_time, k.retire_time IS NULL AS in_use,"
        "       CASE WHEN k.retire_time IS NULL THEN 0 ELSE"
        "         (SELECT count(*) FROM (SELECT FROM customer_data_key d"
        "           WHERE d.kek_id = k.key_id LIMIT 1000) few)"
        "         + (SELECT count(*) FROM house_data_key h WHERE h.kek_id = k.key_id)"
        "       END AS old_rows"
        "  FROM key_encryption_key k ORDER BY k.generation DESC LIMIT 100",
};

bool vault_find_kek(struct vault *vault, const uint8_t id[KEY_ID_SIZE], struct data_key *kek)
{
    pthread_mutex_lock(&vault->mutex);
    const struct data_key *found = key_ring_find(&vault->keys->ring, id);
    if (found != NULL)
        *kek = *found;
    pthread_mutex_unlock(&vault->mutex);
    return found != NULL;
}

struct data_key vault_kek_in_use(struct vault *vault)
{
    struct data_key kek = {0};

    pthread_mutex_lock(&vault->mutex);
    const struct data_key *found = key_ring_find(&vault->keys->ring, vault->keys->in_use);
    if (found != NULL)
        kek = *found;
    pthread_mutex_unlock(&vault->mutex);
    return kek;
}

/* The mutex is held. */
static void add_kek(struct key_ring *ring, const struct data_key *kek)
{
    if (key_ring_find(ring, kek->id) != NULL)
        return;
    /* The last of the source is the oldest. */
    size_t at = ring->count < KEY_RING_MAX ? ring->count++ : KEY_RING_MAX - 1;
    ring->keys[at] = *kek;
}

bool vault_read_source(struct vault *vault, char problem[256])
{
    struct key_ring *fresh = locked_new(sizeof(*fresh));
    bool read = key_ring_read(vault->source, fresh, problem);

    if (read) {
        pthread_mutex_lock(&vault->mutex);
        const struct data_key *in_use = key_ring_find(&vault->keys->ring, vault->keys->in_use);
        atomic_store(&vault->source_is_behind,
                     in_use != NULL && key_ring_find(fresh, vault->keys->in_use) == NULL);
        if (in_use != NULL)
            add_kek(fresh, in_use);
        vault->keys->ring = *fresh;
        pthread_mutex_unlock(&vault->mutex);
    }
    locked_free(fresh, sizeof(*fresh));
    return read;
}

/* The key that is sealed by one that is at hand. */
static bool cross_bridge(struct vault *vault, struct call *call, const struct pg_rows *rows,
                         size_t row, const uint8_t id[KEY_ID_SIZE])
{
    const struct seal_place place = vault_place_bridge(call->arena, id);
    AUTO(data_key_wipe) struct data_key before = {0};
    struct sealed sealed;
    struct bytes bridge;
    struct bytes plain;

    bridge.data = pg_get_bytes(rows, row, "bridge", &bridge.size);
    if (!sealed_parse(bridge, &sealed) || !vault_find_kek(vault, sealed.key_id, &before) ||
        !sealed_open(call->arena, &before, &place, bridge, &plain) ||
        plain.size != sizeof(struct data_key))
        return false;
    pthread_mutex_lock(&vault->mutex);
    add_kek(&vault->keys->ring, plain.data);
    pthread_mutex_unlock(&vault->mutex);
    atomic_store(&vault->source_is_behind, true);
    return true;
}

static void note_use(struct vault *vault, const uint8_t id[KEY_ID_SIZE], int64_t since_us)
{
    pthread_mutex_lock(&vault->mutex);
    bool is_new = memcmp(vault->keys->in_use, id, KEY_ID_SIZE) != 0;
    memcpy(vault->keys->in_use, id, KEY_ID_SIZE);
    pthread_mutex_unlock(&vault->mutex);
    atomic_store(&vault->in_use_since_us, since_us);
    if (is_new && vault->watch != NULL && vault->house->log != NULL)
        log_write(vault->house->log, LOG_INFO, "vault.key_taken_up",
                  LOG_FIELDS(LOG_TEXT("message", "another key-encryption key is in use")));
}

static const struct error *take_up(struct call *call, struct vault *vault,
                                   const struct pg_rows *rows, size_t row)
{
    size_t size;
    const uint8_t *id = pg_get_bytes(rows, row, "key_id", &size);
    AUTO(data_key_wipe) struct data_key kek = {0};
    char problem[256] = "";

    if (!vault_find_kek(vault, id, &kek) &&
        (!vault_read_source(vault, problem) || !vault_find_kek(vault, id, &kek)) &&
        !cross_bridge(vault, call, rows, row, id))
        return vault_error(call, "the master key is not the one in use%s%s",
                           problem[0] == '\0' ? "" : ": ", problem);
    note_use(vault, id, pg_get_time(rows, row, "create_time"));
    return NULL;
}

const struct error *vault_learn(struct call *call, struct vault *vault)
{
    struct pg_rows rows;
    int64_t old_rows = 0;

    TRY(pg_read(call, UUID_NIL, &vault_kek_list, (struct pg_params){NULL, 0}, &rows));
    for (size_t i = 0; i < rows.count; i++) {
        old_rows += pg_get_int64(&rows, i, "old_rows");
        if (pg_get_bool(&rows, i, "in_use"))
            TRY(take_up(call, vault, &rows, i));
    }
    atomic_store(&vault->old_rows, old_rows);
    return NULL;
}
