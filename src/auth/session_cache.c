/*
 * Sessions known to live.  A set of a few places a customer: all that is known about a customer is
 * found, and forgotten, in one look.  A full set loses its oldest entry, which only costs a
 * look-up.
 */

#include "auth/session_cache.h"

#include <pthread.h>

#include "auth/token_cache.h"
#include "base/bug.h"

#define SET_COUNT  4096
#define WAYS       4
#define LOCK_COUNT 64

struct entry {
    struct uuid customer;
    struct uuid session;
    int64_t until_us; /* monotonic; 0: empty */
};

struct set {
    struct entry entries[WAYS];
    uint64_t version; /* counts what was forgotten */
};

struct session_cache {
    const struct clock *clock;
    struct token_cache *tokens;
    pthread_mutex_t locks[LOCK_COUNT];
    struct set sets[SET_COUNT];
};

struct session_cache *session_cache_open(const struct clock *clock)
{
    struct session_cache *cache = calloc(1, sizeof(*cache));
    if (cache == NULL)
        bug("no memory for the cache of sessions");
    cache->clock = clock;
    cache->tokens = token_cache_open();
    for (size_t i = 0; i < LOCK_COUNT; i++)
        pthread_mutex_init(&cache->locks[i], NULL);
    return cache;
}

void session_cache_close(struct session_cache *cache)
{
    if (cache == NULL)
        return;
    for (size_t i = 0; i < LOCK_COUNT; i++)
        pthread_mutex_destroy(&cache->locks[i]);
    token_cache_close(cache->tokens);
    free(cache);
}

struct token_cache *session_cache_tokens(struct session_cache *cache)
{
    return cache->tokens;
}

/* The last bytes of a UUIDv7 are random. */
static size_t set_index(struct uuid customer)
{
    return ((size_t)customer.bytes[14] << 8 | customer.bytes[15]) % SET_COUNT;
}

static pthread_mutex_t *set_lock(struct session_cache *cache, struct uuid customer)
{
    return &cache->locks[set_index(customer) % LOCK_COUNT];
}

bool session_cache_has(struct session_cache *cache, struct uuid customer, struct uuid session)
{
    int64_t now_us = clock_monotonic_us(cache->clock);
    struct set *set = &cache->sets[set_index(customer)];
    bool has = false;

    pthread_mutex_lock(set_lock(cache, customer));
    for (size_t i = 0; i < WAYS && !has; i++) {
        const struct entry *entry = &set->entries[i];
        has = entry->until_us > now_us && uuid_equal(entry->session, session) &&
              uuid_equal(entry->customer, customer);
    }
    pthread_mutex_unlock(set_lock(cache, customer));
    return has;
}

uint64_t session_cache_version(struct session_cache *cache, struct uuid customer)
{
    pthread_mutex_lock(set_lock(cache, customer));
    uint64_t version = cache->sets[set_index(customer)].version;
    pthread_mutex_unlock(set_lock(cache, customer));
    return version;
}

void session_cache_put(struct session_cache *cache, struct uuid customer, struct uuid session,
                       uint64_t version)
{
    int64_t now_us = clock_monotonic_us(cache->clock);
    struct set *set = &cache->sets[set_index(customer)];

    pthread_mutex_lock(set_lock(cache, customer));
    if (set->version == version) {
        struct entry *place = &set->entries[0];
        for (size_t i = 0; i < WAYS; i++) {
            struct entry *entry = &set->entries[i];
            if (uuid_equal(entry->session, session)) {
                place = entry;
                break;
            }
            if (entry->until_us < place->until_us)
                place = entry;
        }
        *place = (struct entry){customer, session, now_us + SESSION_CACHE_US};
    }
    pthread_mutex_unlock(set_lock(cache, customer));
}

void session_cache_forget(struct session_cache *cache, struct uuid customer)
{
    struct set *set = &cache->sets[set_index(customer)];

    pthread_mutex_lock(set_lock(cache, customer));
    set->version++;
    for (size_t i = 0; i < WAYS; i++) {
        if (uuid_equal(set->entries[i].customer, customer))
            set->entries[i] = (struct entry){.until_us = 0};
    }
    pthread_mutex_unlock(set_lock(cache, customer));
}
