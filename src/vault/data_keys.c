/*
 * Data keys: from the row, from memory, from the table, or made.
 *
 * What is remembered is found by the customer, four places a set; a full set forgets what it would
 * forget first anyway.  A data key never changes, so a remembered one is right until it is
 * destroyed; then nothing is left that it would open.
 */

#include "vault/vault_internal.h"

#define OFFER_TRIES 3

static struct cached_key *cache_set(struct vault *vault, struct uuid customer)
{
    uint16_t number;

    /* The end of a UUID is chance. */
    memcpy(&number, customer.bytes + sizeof(customer.bytes) - sizeof(number), sizeof(number));
    return vault->keys->cache[number % CACHE_SETS];
}

void vault_remember(struct vault *vault, struct uuid customer, const struct data_key *key)
{
    int64_t now_us = clock_monotonic_us(vault->house->clock);

    pthread_mutex_lock(&vault->mutex);
    struct cached_key *set = cache_set(vault, customer);
    struct cached_key *place = &set[0];
    for (size_t i = 0; i < CACHE_WAYS; i++) {
        if (uuid_equal(set[i].customer, customer)) {
            place = &set[i];
            break;
        }
        if (set[i].until_us < place->until_us)
            place = &set[i];
    }
    *place =
        (struct cached_key){.customer = customer, .key = *key, .until_us = now_us + CACHE_LIFE_US};
    pthread_mutex_unlock(&vault->mutex);
}

bool vault_recall(struct vault *vault, struct uuid customer, struct data_key *key)
{
    int64_t now_us = clock_monotonic_us(vault->house->clock);
    bool found = false;

    pthread_mutex_lock(&vault->mutex);
    const struct cached_key *set = cache_set(vault, customer);
    for (size_t i = 0; i < CACHE_WAYS && !found; i++) {
        found = set[i].until_us > now_us && uuid_equal(set[i].customer, customer);
        if (found)
            *key = set[i].key;
    }
    pthread_mutex_unlock(&vault->mutex);
    return found;
}

void vault_forget_old(struct vault *vault)
{
    int64_t now_us = clock_monotonic_us(vault->house->clock);

    pthread_mutex_lock(&vault->mutex);
    for (size_t i = 0; i < CACHE_SETS * (size_t)CACHE_WAYS; i++) {
        struct cached_key *place = &vault->keys->cache[i / CACHE_WAYS][i % CACHE_WAYS];
        if (place->until_us != 0 && place->until_us <= now_us)
            secret_wipe(place, sizeof(*place));
    }
    pthread_mutex_unlock(&vault->mutex);
}

struct bytes vault_wrap(struct arena *arena, const struct random *random,
                        const struct data_key *kek, const struct seal_place *place,
                        const struct data_key *key)
{
    return sealed_make(arena, random, kek, place, (struct bytes){key, sizeof(*key)});
}

bool vault_unwrap(struct vault *vault, struct arena *arena, const struct seal_place *place,
                  struct bytes wrapped, struct data_key *key)
{
    AUTO(data_key_wipe) struct data_key kek = {0};
    struct sealed sealed;
    struct bytes plain;

    if (wrapped.size != WRAPPED_SIZE || !sealed_parse(wrapped, &sealed) ||
        !vault_find_kek(vault, sealed.key_id, &kek) ||
        !sealed_open(arena, &kek, place, wrapped, &plain))
        return false;
    memcpy(key, plain.data, sizeof(*key));
    atomic_fetch_add_explicit(&vault->unwraps, 1, memory_order_relaxed);
    return true;
}

const struct pg_statement vault_customer_key_load = {
    .name = "customer_data_key_load",
    .sql = "SELECT wrapped_key FROM customer_data_key WHERE customer_id = $1",
    .is_lookup = true,
};

const struct pg_statement vault_customer_key_offer = {
    .name = "customer_data_key_offer",
    .sql = "SELECT outcome, wrapped_key FROM customer_data_key_offer($1, $2, $3)",
};

static const struct error *erased(struct call *call, struct uuid customer)
{
    return not_found(call, "CUSTOMER_NOT_FOUND", name_make(call->arena, "customers/{}", &customer));
}

static struct bytes wrapped_of(const struct pg_rows *rows)
{
    struct bytes wrapped = {NULL, 0};

    wrapped.data = pg_get_bytes(rows, 0, "wrapped_key", &wrapped.size);
    return wrapped;
}

/* The one there is, or one of our making; of two that make one at once the first to commit wins. */
static const struct error *make_key(struct call *call, struct vault *vault, struct uuid customer,
                                    struct bytes *wrapped)
{
    const struct seal_place place = vault_place_customer_key(customer);
    AUTO(data_key_wipe) struct data_key key = data_key_make(call->house->random);

    for (int tries = 0; tries < OFFER_TRIES; tries++) {
        AUTO(data_key_wipe) struct data_key kek = vault_kek_in_use(vault);
        struct bytes offer = vault_wrap(call->arena, call->house->random, &kek, &place, &key);
        struct pg_rows rows;
        TRY(pg_write(
            call, customer, &vault_customer_key_offer,
            PG_PARAMS(pg_uuid(customer), pg_bytes(offer.data, offer.size), pg_time(call->now_us)),
            &rows));
        const char *outcome = pg_get_text(&rows, 0, "outcome");
        if (strcmp(outcome, "erased") == 0)
            return erased(call, customer);
        if (strcmp(outcome, "present") == 0) {
            *wrapped = wrapped_of(&rows);
            atomic_fetch_add_explicit(&vault->keys_made, 1, memory_order_relaxed);
            return NULL;
        }
        /* Another KEK is in use by now. */
        TRY(vault_learn(call, vault));
    }
    return vault_error(call, "the key-encryption key changes faster than a data key can be made");
}

static const struct error *find_wrapped(struct call *call, struct vault *vault,
                                        struct uuid customer, bool make, struct bytes *wrapped)
{
    struct pg_rows rows;

    TRY(pg_read(call, customer, &vault_customer_key_load, PG_PARAMS(pg_uuid(customer)), &rows));
    if (rows.count == 0 && !make)
        return vault_error(call, "the customer has no data key");
    if (rows.count == 0)
        return make_key(call, vault, customer, wrapped);
    if (pg_is_null(&rows, 0, "wrapped_key"))
        return erased(call, customer);
    *wrapped = wrapped_of(&rows);
    return NULL;
}

const struct error *vault_data_key(struct call *call, struct vault *vault, struct uuid customer,
                                   struct bytes wrapped, bool make, struct data_key *key)
{
    const struct seal_place place = vault_place_customer_key(customer);

    if (uuid_is_nil(customer)) {
        pthread_mutex_lock(&vault->mutex);
        *key = vault->keys->house;
        pthread_mutex_unlock(&vault->mutex);
        return NULL;
    }
    /* Whoever seals asks: a key that was destroyed a moment ago may still be remembered. */
    if (!make && vault_recall(vault, customer, key)) {
        atomic_fetch_add_explicit(&vault->hits, 1, memory_order_relaxed);
        return NULL;
    }
    if (wrapped.size == 0)
        TRY(find_wrapped(call, vault, customer, make, &wrapped));
    if (!vault_unwrap(vault, call->arena, &place, wrapped, key)) {
        TRY(vault_learn(call, vault));
        if (!vault_unwrap(vault, call->arena, &place, wrapped, key))
            return vault_error(call, "no key-encryption key opens the data key of customer %s",
                               uuid_text(call->arena, customer));
    }
    vault_remember(vault, customer, key);
    return NULL;
}
