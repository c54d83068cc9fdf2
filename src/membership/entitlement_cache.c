/*
 * The memory: sets of a few places, found by customer and entitlement.  Forgetting does not look
 * for what it forgets: it raises a counter that a few customers share, and a fact counts only while
 * the counter is as it was when the fact was asked for.  So a change that comes between the
 * question and its answer makes the answer void, too.
 */
#include "membership/entitlement_cache.h"

#include <pthread.h>
#include <stdatomic.h>

#include "base/bug.h"
#include "base/text.h"

#define WAYS          8
#define LOCK_COUNT    64
#define VERSION_COUNT 65536

struct entry {
    struct uuid customer;
    struct uuid membership;
    uint64_t version;
    int64_t asked_us; /* monotonic; 0: empty */
    int64_t used_us;
    int64_t period_end_us;
    int64_t access_end_us;
    enum membership_state state;
    bool has_membership;
    bool granted;
    bool cancel_at_period_end;
    /* Entitlement, tier and open tier, each with its NUL: mostly one cache line. */
    char names[3 * (ENTITLEMENT_LENGTH_MAX + 1)];
};

struct entitlement_cache {
    const struct clock *clock;
    struct entry *entries;
    size_t set_count;
    size_t ways;
    pthread_mutex_t locks[LOCK_COUNT];
    _Atomic uint64_t forgotten_all;
    _Atomic int64_t followed_us;
    _Atomic int64_t used;
    _Atomic int64_t hits;
    _Atomic int64_t misses;
    _Atomic uint64_t forgotten[VERSION_COUNT]; /* by customer */
};

struct entitlement_cache *entitlement_cache_open(const struct clock *clock, int32_t entries_max)
{
    struct entitlement_cache *cache = calloc(1, sizeof(*cache));

    if (cache == NULL || entries_max < 1)
        bug("no memory for the cache of entitlements");
    cache->clock = clock;
    cache->ways = entries_max < WAYS ? (size_t)entries_max : WAYS;
    cache->set_count = (size_t)entries_max / cache->ways;
    /* Untouched places cost no memory. */
    cache->entries = calloc(cache->set_count * cache->ways, sizeof(struct entry));
    if (cache->entries == NULL)
        bug("no memory for %d entitlements", (int)entries_max);
    for (size_t i = 0; i < LOCK_COUNT; i++)
        pthread_mutex_init(&cache->locks[i], NULL);
    atomic_store(&cache->followed_us, clock_monotonic_us(clock));
    return cache;
}

void entitlement_cache_close(struct entitlement_cache *cache)
{
    if (cache == NULL)
        return;
    for (size_t i = 0; i < LOCK_COUNT; i++)
        pthread_mutex_destroy(&cache->locks[i]);
    free(cache->entries);
    free(cache);
}

/* Ids are random enough; an entitlement is chosen by the caller, so nothing rests on its hash. */
static uint64_t hash_customer(struct uuid customer)
{
    uint64_t hash;

    memcpy(&hash, customer.bytes + sizeof(customer.bytes) - sizeof(hash), sizeof(hash));
    return hash * 0x9e3779b97f4a7c15U;
}

static size_t set_of(const struct entitlement_cache *cache, struct uuid customer,
                     const char *entitlement)
{
    uint64_t hash = hash_customer(customer);

    for (; *entitlement != '\0'; entitlement++)
        hash = (hash ^ (uint8_t)*entitlement) * 1099511628211U;
    return (size_t)((hash ^ hash >> 32) % cache->set_count);
}

static _Atomic uint64_t *version_slot(struct entitlement_cache *cache, struct uuid customer)
{
    return &cache->forgotten[hash_customer(customer) >> 48 & (VERSION_COUNT - 1)];
}

/* Both only rise, so equal sums are equal parts. */
static uint64_t version_of(struct entitlement_cache *cache, struct uuid customer)
{
    return atomic_load(version_slot(cache, customer)) + atomic_load(&cache->forgotten_all);
}

static struct entry *find(struct entitlement_cache *cache, size_t set, struct uuid customer,
                          const char *entitlement)
{
    struct entry *entries = &cache->entries[set * cache->ways];

    for (size_t i = 0; i < cache->ways; i++) {
        if (entries[i].asked_us != 0 && uuid_equal(entries[i].customer, customer) &&
            text_equal(entries[i].names, entitlement))
            return &entries[i];
    }
    return NULL;
}

static void give(const struct entry *entry, struct arena *arena, struct entitlement_facts *facts)
{
    const char *tier = entry->names + strlen(entry->names) + 1;
    const char *open_tier = tier + strlen(tier) + 1;

    *facts = (struct entitlement_facts){
        .open_tier = arena_strdup(arena, open_tier),
        .has_membership = entry->has_membership,
        .granted = entry->granted,
        .membership = entry->membership,
        .tier = arena_strdup(arena, tier),
        .state = entry->state,
        .period_end_us = entry->period_end_us,
        .access_end_us = entry->access_end_us,
        .cancel_at_period_end = entry->cancel_at_period_end,
    };
}

bool entitlement_cache_find(struct entitlement_cache *cache, struct uuid customer,
                            const char *entitlement, int64_t staleness_us, struct arena *arena,
                            struct entitlement_facts *facts)
{
    int64_t now_us = clock_monotonic_us(cache->clock);
    int64_t oldest_us = now_us - staleness_us;
    /* Before the version: what was followed until then has been forgotten before this was said. */
    bool is_followed = atomic_load(&cache->followed_us) >= oldest_us;
    size_t set = set_of(cache, customer, entitlement);
    pthread_mutex_t *lock = &cache->locks[set % LOCK_COUNT];

    pthread_mutex_lock(lock);
    struct entry *entry = find(cache, set, customer, entitlement);
    bool is_good = entry != NULL && (is_followed || entry->asked_us >= oldest_us) &&
                   entry->version == version_of(cache, customer);
    if (is_good) {
        entry->used_us = now_us;
        give(entry, arena, facts);
    }
    pthread_mutex_unlock(lock);
    atomic_fetch_add_explicit(is_good ? &cache->hits : &cache->misses, 1, memory_order_relaxed);
    return is_good;
}

struct entitlement_ticket entitlement_cache_ticket(struct entitlement_cache *cache,
                                                   struct uuid customer)
{
    return (struct entitlement_ticket){
        .version = version_of(cache, customer),
        .asked_us = clock_monotonic_us(cache->clock),
    };
}

/* Its own place, an empty one, one that no longer counts, the one that was not used for longest. */
static struct entry *choose(struct entitlement_cache *cache, size_t set, struct uuid customer,
                            const char *entitlement)
{
    struct entry *entries = &cache->entries[set * cache->ways];
    struct entry *chosen = find(cache, set, customer, entitlement);

    if (chosen != NULL)
        return chosen;
    chosen = entries;
    for (size_t i = 0; i < cache->ways; i++) {
        if (entries[i].asked_us == 0) {
            atomic_fetch_add_explicit(&cache->used, 1, memory_order_relaxed);
            return &entries[i];
        }
        if (entries[i].version != version_of(cache, entries[i].customer))
            entries[i].used_us = 0;
        if (entries[i].used_us < chosen->used_us)
            chosen = &entries[i];
    }
    return chosen;
}

/* Answers where the next name goes. */
static char *copy_name(char *to, const char *name)
{
    size_t length = strnlen(name, ENTITLEMENT_LENGTH_MAX);

    memcpy(to, name, length);
    to[length] = '\0';
    return to + length + 1;
}

void entitlement_cache_put(struct entitlement_cache *cache, struct entitlement_ticket ticket,
                           struct uuid customer, const char *entitlement,
                           const struct entitlement_facts *facts)
{
    size_t set = set_of(cache, customer, entitlement);
    pthread_mutex_t *lock = &cache->locks[set % LOCK_COUNT];

    if (ticket.version != version_of(cache, customer))
        return;
    pthread_mutex_lock(lock);
    struct entry *entry = choose(cache, set, customer, entitlement);
    *entry = (struct entry){
        .customer = customer,
        .membership = facts->membership,
        .version = ticket.version,
        .asked_us = ticket.asked_us,
        .used_us = ticket.asked_us,
        .period_end_us = facts->period_end_us,
        .access_end_us = facts->access_end_us,
        .state = facts->state,
        .has_membership = facts->has_membership,
        .granted = facts->granted,
        .cancel_at_period_end = facts->cancel_at_period_end,
    };
    copy_name(copy_name(copy_name(entry->names, entitlement), facts->tier), facts->open_tier);
    pthread_mutex_unlock(lock);
}

void entitlement_cache_forget(struct entitlement_cache *cache, struct uuid customer)
{
    if (cache != NULL)
        atomic_fetch_add(version_slot(cache, customer), 1);
}

void entitlement_cache_forget_all(struct entitlement_cache *cache)
{
    if (cache != NULL)
        atomic_fetch_add(&cache->forgotten_all, 1);
}

void entitlement_cache_followed(struct entitlement_cache *cache, int64_t until_us)
{
    if (cache != NULL)
        atomic_store(&cache->followed_us, until_us);
}

void entitlement_cache_measure(struct entitlement_cache *cache, struct measures *out)
{
    static const struct measure entries = {"dues_entitlement_cache_entries",
                                           "Facts of CheckEntitlement that are remembered.",
                                           MEASURE_GAUGE, MEASURE_PLAIN};
    static const struct measure lookups = {
        "dues_entitlement_cache_lookups_total",
        "Calls of CheckEntitlement that could be answered from memory, and that could not.",
        MEASURE_COUNTER, MEASURE_PLAIN};
    static const struct measure lag = {
        "dues_entitlement_feed_lag_seconds",
        "How long ago the changes of other servers were looked at, with success.", MEASURE_GAUGE,
        MEASURE_SECONDS};

    if (cache == NULL)
        return;
    measure_number(out, &entries, MEASURE_NO_LABELS, atomic_load(&cache->used));
    measure_number(out, &lookups, MEASURE_LABELS({"result", "hit"}), atomic_load(&cache->hits));
    measure_number(out, &lookups, MEASURE_LABELS({"result", "miss"}), atomic_load(&cache->misses));
    measure_number(out, &lag, MEASURE_NO_LABELS,
                   clock_monotonic_us(cache->clock) - atomic_load(&cache->followed_us));
}
