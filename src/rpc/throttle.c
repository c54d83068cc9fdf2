/*
 * The table is made of small sets; the keyed hash of an identity says which, and nothing else of
 * the identity is kept.  Who finds no place in his set, because all in it have called just now,
 * shares one bucket with the others of whom that is true.
 */

#include "rpc/throttle.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/address.h"
#include "base/bucket.h"
#include "base/bug.h"
#include "base/random.h"
#include "base/text.h"

#define SETS 2048 /* 16,384 identities */
#define WAYS 8

#define NS_PER_US 1000LL

struct entry {
    uint64_t key; /* 0: free */
    struct bucket bucket;
};

struct set {
    struct entry entries[WAYS];
    struct bucket shared;
};

struct throttle {
    pthread_mutex_t mutex; /* of the sets */
    uint64_t seed[2];
    struct bucket_rate service;
    struct bucket_rate operator_;
    struct bucket_rate app;
    struct bucket_rate app_source;
    struct bucket_rate device;
    struct set sets[SETS];
};

static struct bucket_rate rate(int64_t per_second)
{
    return bucket_rate_make(per_second, per_second * THROTTLE_BURST_SECONDS);
}

struct throttle *throttle_open(const struct settings *settings, const struct random *random)
{
    struct throttle *throttle = calloc(1, sizeof *throttle);
    int64_t of_source = (settings->rate_app + THROTTLE_SOURCE_SHARE - 1) / THROTTLE_SOURCE_SHARE;

    if (throttle == NULL || pthread_mutex_init(&throttle->mutex, NULL) != 0)
        bug("rpc: out of memory");
    random_fill(random, throttle->seed, sizeof throttle->seed);
    throttle->service = rate(settings->rate_service);
    throttle->operator_ = rate(settings->rate_operator);
    throttle->app = rate(settings->rate_app);
    throttle->app_source = rate(of_source);
    throttle->device = rate(settings->rate_device);
    return throttle;
}

void throttle_close(struct throttle *throttle)
{
    if (throttle == NULL)
        return;
    pthread_mutex_destroy(&throttle->mutex);
    free(throttle);
}

static uint64_t rotate(uint64_t value, int bits)
{
    return value << bits | value >> (64 - bits);
}

static void sip_round(uint64_t v[4])
{
    v[0] += v[1];
    v[2] += v[3];
    v[1] = rotate(v[1], 13) ^ v[0];
    v[3] = rotate(v[3], 16) ^ v[2];
    v[0] = rotate(v[0], 32);
    v[2] += v[1];
    v[0] += v[3];
    v[1] = rotate(v[1], 17) ^ v[2];
    v[3] = rotate(v[3], 21) ^ v[0];
    v[2] = rotate(v[2], 32);
}

/*
 * SipHash-1-3: callers choose where they call from, and must not be able to choose whose bucket
 * they meet.
 */
static uint64_t sip_hash(const uint64_t seed[2], const char *text, size_t size)
{
    uint64_t v[4] = {seed[0] ^ 0x736f6d6570736575ULL, seed[1] ^ 0x646f72616e646f6dULL,
                     seed[0] ^ 0x6c7967656e657261ULL, seed[1] ^ 0x7465646279746573ULL};
    uint64_t word = 0;

    for (size_t done = 0; done <= size; done += sizeof word) {
        size_t left = size - done < sizeof word ? size - done : sizeof word;
        word = left < sizeof word ? (uint64_t)size << 56 : 0;
        for (size_t i = 0; i < left; i++)
            word |= (uint64_t)(unsigned char)text[done + i] << 8 * i;
        v[3] ^= word;
        sip_round(v);
        v[0] ^= word;
    }
    v[2] ^= 0xff;
    for (int i = 0; i < 3; i++)
        sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

/* The mutex is held. */
static struct bucket *bucket_of(struct throttle *throttle, uint64_t key, int64_t now_us)
{
    struct set *set = &throttle->sets[(key >> 32) % SETS];
    struct entry *oldest = &set->entries[0];

    for (size_t i = 0; i < WAYS; i++) {
        struct entry *entry = &set->entries[i];
        if (entry->key == key)
            return &entry->bucket;
        if (entry->bucket.full_ns < oldest->bucket.full_ns)
            oldest = entry;
    }
    if (oldest->bucket.full_ns > now_us * NS_PER_US)
        return &set->shared;
    *oldest = (struct entry){.key = key};
    return &oldest->bucket;
}

static struct bucket_rate rate_of(const struct throttle *throttle, const struct caller *caller)
{
    if (caller->kind == CALLER_SERVICE)
        return throttle->service;
    if (caller->kind == CALLER_OPERATOR)
        return throttle->operator_;
    if ((caller->kind & (CALLER_APP | CALLER_APP_USER)) != 0)
        return throttle->app;
    return throttle->device;
}

void throttle_source(const char *peer, char source[THROTTLE_SOURCE_SIZE])
{
    struct address_place place;

    if (!address_place_of_peer(peer, &place)) {
        snprintf(source, THROTTLE_SOURCE_SIZE, "%s", peer);
    } else if (IN6_IS_ADDR_V4MAPPED(&place.ip)) {
        inet_ntop(AF_INET, &place.ip.s6_addr[12], source, THROTTLE_SOURCE_SIZE);
    } else {
        memset(&place.ip.s6_addr[8], 0, 8);
        inet_ntop(AF_INET6, &place.ip, source, THROTTLE_SOURCE_SIZE);
    }
}

/* From the first bucket and the second, or from neither; `*short_of` is the one that lacked them.
 */
static int64_t take(struct throttle *throttle, const uint64_t *keys,
                    const struct bucket_rate *rates, size_t count, int64_t cost, int64_t now_us,
                    size_t *short_of)
{
    struct bucket *taken = NULL;
    int64_t wait_us = 0;

    pthread_mutex_lock(&throttle->mutex);
    for (size_t i = 0; i < count && wait_us == 0; i++) {
        struct bucket *bucket = bucket_of(throttle, keys[i], now_us);
        if (bucket_take(bucket, rates[i], cost, now_us)) {
            taken = bucket;
            continue;
        }
        wait_us = bucket_wait_us(bucket, rates[i], cost, now_us);
        *short_of = i;
        if (taken != NULL)
            bucket_give(taken, rates[0], cost);
    }
    pthread_mutex_unlock(&throttle->mutex);
    return wait_us;
}

int64_t throttle_take(struct throttle *throttle, const struct caller *caller, int64_t cost,
                      int64_t now_us, enum throttle_limit *limit)
{
    const uint64_t key = sip_hash(throttle->seed, caller->spiffe_id, strlen(caller->spiffe_id)) | 1;
    const struct bucket_rate of_all = rate_of(throttle, caller);
    char source[THROTTLE_SOURCE_SIZE];
    size_t short_of = 0;

    *limit = THROTTLE_IDENTITY;
    if (of_all.token_ns == 0)
        return 0;
    if ((caller->kind & (CALLER_APP | CALLER_APP_USER)) == 0)
        return take(throttle, &key, &of_all, 1, cost, now_us, &short_of);
    throttle_source(caller->peer, source);
    /* Below the identity: its hash goes into the seed. */
    const uint64_t seed[2] = {throttle->seed[0], throttle->seed[1] ^ key};
    const uint64_t keys[2] = {sip_hash(seed, source, strlen(source)) | 1, key};
    const struct bucket_rate rates[2] = {throttle->app_source, of_all};
    int64_t wait_us = take(throttle, keys, rates, 2, cost, now_us, &short_of);
    if (wait_us > 0 && short_of == 0)
        *limit = THROTTLE_SOURCE;
    return wait_us;
}
