/*
 * Verified tokens, one place each by its hash; a later one takes the place.  Only who holds a good
 * token gets into the cache, and the place of a token is nobody's choice.
 */

#include "auth/token_cache.h"

#include <pthread.h>

#include "base/bug.h"

#define PLACE_COUNT 4096
#define LOCK_COUNT  64

struct token_cache {
    pthread_mutex_t locks[LOCK_COUNT];
    struct verified_token places[PLACE_COUNT]; /* expires_s 0: empty */
};

struct token_cache *token_cache_open(void)
{
    struct token_cache *cache = calloc(1, sizeof(*cache));
    if (cache == NULL)
        bug("no memory for the cache of tokens");
    for (size_t i = 0; i < LOCK_COUNT; i++)
        pthread_mutex_init(&cache->locks[i], NULL);
    return cache;
}

void token_cache_close(struct token_cache *cache)
{
    if (cache == NULL)
        return;
    for (size_t i = 0; i < LOCK_COUNT; i++)
        pthread_mutex_destroy(&cache->locks[i]);
    free(cache);
}

static size_t place_index(const uint8_t hash[SHA256_SIZE])
{
    return ((size_t)hash[0] << 8 | hash[1]) % PLACE_COUNT;
}

bool token_cache_find(struct token_cache *cache, const uint8_t hash[SHA256_SIZE],
                      struct verified_token *token)
{
    size_t index = place_index(hash);
    const struct verified_token *place = &cache->places[index];

    pthread_mutex_lock(&cache->locks[index % LOCK_COUNT]);
    bool found = place->expires_s != 0 && secret_equal(place->hash, hash, SHA256_SIZE);
    if (found)
        *token = *place;
    pthread_mutex_unlock(&cache->locks[index % LOCK_COUNT]);
    return found;
}

void token_cache_put(struct token_cache *cache, const struct verified_token *token)
{
    size_t index = place_index(token->hash);

    pthread_mutex_lock(&cache->locks[index % LOCK_COUNT]);
    cache->places[index] = *token;
    pthread_mutex_unlock(&cache->locks[index % LOCK_COUNT]);
}
