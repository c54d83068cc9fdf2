/*
 * What the files of this room share.  Keys are handed about as copies on the stack, wiped where
 * they end; the lasting ones live in one locked area under one mutex.
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include "base/time.h"
#include "base/watch.h"
#include "pg/pg.h"
#include "vault/vault.h"

/* A wrapped data key: its id and itself, sealed. */
#define WRAPPED_SIZE (sizeof(struct data_key) + SEALED_EXTRA)

/* Opened data keys that are remembered, for so long. */
#define CACHE_WAYS    4
#define CACHE_SETS    1024
#define CACHE_LIFE_US (5 * US_PER_MINUTE)

struct cached_key {
    struct uuid customer;
    struct data_key key;
    int64_t until_us; /* monotonic; 0: empty */
};

/* In locked memory. */
struct vault_keys {
    struct key_ring ring;
    uint8_t in_use[KEY_ID_SIZE]; /* the KEK that wraps; of the database */
    struct data_key house;
    uint8_t root[SECRET_SIZE];
    struct cached_key cache[CACHE_SETS][CACHE_WAYS];
};

struct vault {
    const struct house *house;
    struct key_source source;
    struct watch *watch;
    pthread_mutex_t mutex; /* of keys */
    struct vault_keys *keys;

    /* What the metrics say. */
    _Atomic int64_t hits;
    _Atomic int64_t unwraps;
    _Atomic int64_t keys_made;
    _Atomic int64_t old_rows; /* data keys on retired KEKs, up to OLD_ROWS_MAX each */
    _Atomic int64_t in_use_since_us;
    _Atomic bool source_is_behind; /* the KEK in use is known, but not from the source */
};

#define OLD_ROWS_MAX 1000

/* data_keys.c */
void vault_remember(struct vault *vault, struct uuid customer, const struct data_key *key);
bool vault_recall(struct vault *vault, struct uuid customer, struct data_key *key);
void vault_forget_old(struct vault *vault);

/* The customer's key, or the house's; `make`: also when there is none yet. */
const struct error *vault_data_key(struct call *call, struct vault *vault, struct uuid customer,
                                   struct bytes wrapped, bool make, struct data_key *key)
    MUST_CHECK;

/* False: none of the KEKs at hand opens it. */
bool vault_unwrap(struct vault *vault, struct arena *arena, const struct seal_place *place,
                  struct bytes wrapped, struct data_key *key) MUST_CHECK;
struct bytes vault_wrap(struct arena *arena, const struct random *random,
                        const struct data_key *kek, const struct seal_place *place,
                        const struct data_key *key);

/* keks.c: looks at table key_encryption_key and, when it names one that is not known, at the source
 * and the bridge.  DATA_LOSS when the one in use cannot be had. */
const struct error *vault_learn(struct call *call, struct vault *vault) MUST_CHECK;
bool vault_read_source(struct vault *vault, char problem[256]) MUST_CHECK;
/* The KEK in use. */
struct data_key vault_kek_in_use(struct vault *vault);
bool vault_find_kek(struct vault *vault, const uint8_t id[KEY_ID_SIZE], struct data_key *kek);

/* "the keys do not fit", told apart in the log only. */
struct error *vault_error(struct call *call, const char *format, ...) PRINTF_LIKE(2, 3);

extern const struct pg_statement vault_kek_list;
extern const struct pg_statement vault_kek_found;
extern const struct pg_statement vault_customer_key_load;
extern const struct pg_statement vault_customer_key_offer;
extern const struct pg_statement vault_signing_key_any;
extern const struct pg_statement vault_house_load;
extern const struct pg_statement vault_house_offer;
extern const struct pg_statement vault_gateway_generation;
extern const struct pg_statement vault_gateway_version;
extern const struct pg_statement vault_gateway_keys_load;
extern const struct pg_statement vault_gateway_keys_list;
extern const struct pg_statement vault_gateway_key_put;
extern const struct pg_statement vault_gateway_keys_end;
