/*
 * The API key in memory.  Who sends copies it under the mutex, so a request has the old key or the
 * new one and never a mixture; the copies are wiped.
 */

#include "gateway/stripe/key.h"

#include <pthread.h>

#include "base/attributes.h"
#include "base/text.h"
#include "crypto/locked.h"
#include "gateway/stripe/json.h"
#include "gateway/stripe/stripe.h"

struct stripe_key {
    pthread_mutex_t mutex;
    char text[STRIPE_SECRET_MAX + 1];
};

bool stripe_key_is_right(const char *text)
{
    static const char *const prefixes[] = {"sk_test_", "sk_live_", "rk_test_", "rk_live_"};

    for (size_t i = 0; i < ARRAY_LENGTH(prefixes); i++) {
        if (stripe_is_id(text, prefixes[i]) && strlen(text) <= STRIPE_SECRET_MAX)
            return true;
    }
    return false;
}

bool stripe_key_text_is_live(const char *text)
{
    return text_starts_with(text + strlen("sk_"), "live_");
}

struct stripe_key *stripe_key_new(const char *text)
{
    struct stripe_key *key = locked_new(sizeof(*key));

    pthread_mutex_init(&key->mutex, NULL);
    snprintf(key->text, sizeof(key->text), "%s", text);
    return key;
}

void stripe_key_free(struct stripe_key *key)
{
    if (key == NULL)
        return;
    pthread_mutex_destroy(&key->mutex);
    locked_free(key, sizeof(*key));
}

void stripe_key_change(struct stripe_key *key, const char *text)
{
    pthread_mutex_lock(&key->mutex);
    snprintf(key->text, sizeof(key->text), "%s", text);
    pthread_mutex_unlock(&key->mutex);
}

void stripe_key_copy(struct stripe_key *key, char text[STRIPE_SECRET_MAX + 1])
{
    pthread_mutex_lock(&key->mutex);
    memcpy(text, key->text, sizeof(key->text));
    pthread_mutex_unlock(&key->mutex);
}
