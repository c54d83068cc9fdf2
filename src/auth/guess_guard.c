/*
 * A table of small sets; the hash of an address under a random seed says which, and nothing else of
 * the address is kept.  A full set loses who has guessed the least.
 */

#include "auth/guess_guard.h"

#include <pthread.h>
#include <string.h>

#include "base/bug.h"
#include "base/random.h"
#include "crypto/secrets.h"

#define SETS      1024
#define WAYS      8
#define SEED_SIZE 16

struct entry {
    uint64_t key; /* 0: free */
    int64_t wrong;
    int64_t open_us; /* monotonic: not before that */
};

struct guess_guard {
    const struct clock *clock;
    uint8_t seed[SEED_SIZE];
    pthread_mutex_t mutex;
    struct entry sets[SETS][WAYS];
};

struct guess_guard *guess_guard_open(const struct clock *clock, const struct random *random)
{
    struct guess_guard *guard = calloc(1, sizeof(*guard));

    if (guard == NULL)
        bug("no memory for the guard of guesses");
    guard->clock = clock;
    random_fill(random, guard->seed, sizeof(guard->seed));
    pthread_mutex_init(&guard->mutex, NULL);
    return guard;
}

void guess_guard_close(struct guess_guard *guard)
{
    if (guard == NULL)
        return;
    pthread_mutex_destroy(&guard->mutex);
    free(guard);
}

static uint64_t key_of(const struct guess_guard *guard, const char *email_key, const char *device)
{
    const struct bytes pieces[] = {
        {guard->seed, sizeof(guard->seed)},
        {email_key, strlen(email_key)},
        {device, strlen(device)},
    };
    uint8_t hash[SHA256_SIZE];
    uint64_t key;

    sha256_pieces(pieces, ARRAY_LENGTH(pieces), hash);
    memcpy(&key, hash, sizeof(key));
    return key | 1;
}

/* The longest wait is reached after 17 wrong guesses. */
static int64_t wait_after_us(int64_t wrong)
{
    int64_t wait_us = US_PER_SECOND;

    if (wrong < GUESSES_FREE)
        return 0;
    for (int64_t i = GUESSES_FREE; i < wrong && wait_us < GUESS_LONGEST_US; i++)
        wait_us *= 2;
    return wait_us < GUESS_LONGEST_US ? wait_us : GUESS_LONGEST_US;
}

/* The entry of the key, or the one that it would take, with another key.  The mutex is held. */
static struct entry *find(struct guess_guard *guard, uint64_t key, int64_t now_us)
{
    struct entry *set = guard->sets[(key >> 32) % SETS];
    struct entry *least = &set[0];

    for (size_t i = 0; i < WAYS; i++) {
        if (set[i].wrong > 0 && set[i].open_us + GUESS_FORGET_US <= now_us)
            set[i] = (struct entry){.key = 0};
        if (set[i].key == key)
            return &set[i];
        if (set[i].wrong < least->wrong)
            least = &set[i];
    }
    return least;
}

int64_t guess_guard_begin(struct guess_guard *guard, const char *email_key, const char *device)
{
    uint64_t key = key_of(guard, email_key, device);
    int64_t now_us = clock_monotonic_us(guard->clock);
    int64_t wait_us = 0;

    pthread_mutex_lock(&guard->mutex);
    struct entry *entry = find(guard, key, now_us);
    if (entry->key == key && entry->wrong >= GUESSES_FREE && entry->open_us > now_us) {
        wait_us = entry->open_us - now_us;
    } else {
        if (entry->key != key)
            *entry = (struct entry){.key = key};
        entry->wrong++;
        entry->open_us = now_us + wait_after_us(entry->wrong);
    }
    pthread_mutex_unlock(&guard->mutex);
    return wait_us;
}

void guess_guard_wrong(struct guess_guard *guard, const char *email_key, const char *device)
{
    uint64_t key = key_of(guard, email_key, device);
    int64_t now_us = clock_monotonic_us(guard->clock);

    pthread_mutex_lock(&guard->mutex);
    struct entry *entry = find(guard, key, now_us);
    /* Somebody who was right may have taken it away meanwhile. */
    if (entry->key != key)
        *entry = (struct entry){.key = key, .wrong = 1};
    entry->open_us = now_us + wait_after_us(entry->wrong);
    pthread_mutex_unlock(&guard->mutex);
}

void guess_guard_right(struct guess_guard *guard, const char *email_key, const char *device)
{
    uint64_t key = key_of(guard, email_key, device);

    pthread_mutex_lock(&guard->mutex);
    struct entry *entry = find(guard, key, clock_monotonic_us(guard->clock));
    if (entry->key == key)
        *entry = (struct entry){.key = 0};
    pthread_mutex_unlock(&guard->mutex);
}

void guess_guard_untold(struct guess_guard *guard, const char *email_key, const char *device)
{
    uint64_t key = key_of(guard, email_key, device);
    int64_t now_us = clock_monotonic_us(guard->clock);

    pthread_mutex_lock(&guard->mutex);
    struct entry *entry = find(guard, key, now_us);
    if (entry->key == key && --entry->wrong == 0)
        *entry = (struct entry){.key = 0};
    else if (entry->key == key)
        entry->open_us = now_us + wait_after_us(entry->wrong);
    pthread_mutex_unlock(&guard->mutex);
}
