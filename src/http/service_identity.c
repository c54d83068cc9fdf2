/*
 * Pairs in a list, the one in use first.  A pair that does not fit together is never put there, so
 * a file that is written half does no harm.
 */

#include "http/service_identity.h"

#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <pthread.h>

#include "base/bug.h"
#include "base/text.h"
#include "base/time.h"

#define CHAIN_MAX 16

struct pair {
    struct pair *older;
    gnutls_pcert_st chain[CHAIN_MAX];
    unsigned length;
    gnutls_privkey_t key;
    int64_t end_us;
    int64_t replaced_us; /* monotonic */
};

struct service_identity {
    pthread_mutex_t lock;
    struct pair *current;
    int64_t keep_us;
};

static void pair_free(struct pair *pair)
{
    for (unsigned i = 0; i < pair->length; i++)
        gnutls_pcert_deinit(&pair->chain[i]);
    if (pair->key != NULL)
        gnutls_privkey_deinit(pair->key);
    free(pair);
}

struct service_identity *service_identity_open(int64_t keep_us)
{
    struct service_identity *identity = calloc(1, sizeof *identity);

    if (identity == NULL)
        bug("no memory for a certificate");
    identity->keep_us = keep_us;
    pthread_mutex_init(&identity->lock, NULL);
    return identity;
}

void service_identity_close(struct service_identity *identity)
{
    if (identity == NULL)
        return;
    for (struct pair *pair = identity->current, *older; pair != NULL; pair = older) {
        older = pair->older;
        pair_free(pair);
    }
    pthread_mutex_destroy(&identity->lock);
    free(identity);
}

/* With the lock held. */
static void forget_old(struct service_identity *identity, int64_t now_us)
{
    struct pair **slot = &identity->current->older;

    while (*slot != NULL) {
        struct pair *pair = *slot;
        if (now_us - pair->replaced_us < identity->keep_us) {
            slot = &pair->older;
            continue;
        }
        *slot = pair->older;
        pair_free(pair);
    }
}

static void put(struct service_identity *identity, struct pair *pair)
{
    int64_t now_us = clock_monotonic_us(clock_system());

    pthread_mutex_lock(&identity->lock);
    if (identity->current != NULL)
        identity->current->replaced_us = now_us;
    pair->older = identity->current;
    identity->current = pair;
    forget_old(identity, now_us);
    pthread_mutex_unlock(&identity->lock);
}

static bool read_chain(struct pair *pair, const gnutls_datum_t *text)
{
    gnutls_x509_crt_t leaf = NULL;
    unsigned length = CHAIN_MAX;

    if (gnutls_pcert_list_import_x509_raw(pair->chain, &length, text, GNUTLS_X509_FMT_PEM, 0) != 0)
        return false;
    pair->length = length;
    if (length == 0 || gnutls_pcert_export_x509(&pair->chain[0], &leaf) != 0)
        return false;
    pair->end_us = (int64_t)gnutls_x509_crt_get_expiration_time(leaf) * US_PER_SECOND;
    gnutls_x509_crt_deinit(leaf);
    return true;
}

static bool read_key(struct pair *pair, const gnutls_datum_t *text)
{
    return gnutls_privkey_init(&pair->key) == 0 &&
           gnutls_privkey_import_x509_raw(pair->key, text, GNUTLS_X509_FMT_PEM, NULL, 0) == 0;
}

static bool is_pair(const struct pair *pair)
{
    gnutls_pubkey_t ours;
    uint8_t of_chain[64];
    uint8_t of_key[64];
    size_t chain_size = sizeof of_chain;
    size_t key_size = sizeof of_key;

    if (gnutls_pubkey_init(&ours) != 0)
        return false;
    bool same = gnutls_pubkey_import_privkey(ours, pair->key, 0, 0) == 0 &&
                gnutls_pubkey_get_key_id(ours, GNUTLS_KEYID_USE_SHA256, of_key, &key_size) == 0 &&
                gnutls_pubkey_get_key_id(pair->chain[0].pubkey, GNUTLS_KEYID_USE_SHA256, of_chain,
                                         &chain_size) == 0 &&
                key_size == chain_size && memcmp(of_key, of_chain, key_size) == 0;
    gnutls_pubkey_deinit(ours);
    return same;
}

static bool take(struct service_identity *identity, const gnutls_datum_t *certificate,
                 const gnutls_datum_t *key, char problem[HTTP_PROBLEM_SIZE])
{
    struct pair *pair = calloc(1, sizeof *pair);

    if (pair == NULL)
        bug("no memory for a certificate");
    const char *wrong = !read_chain(pair, certificate) ? "the certificate is no PEM chain"
                        : !read_key(pair, key)         ? "the key is no PEM key"
                        : !is_pair(pair)               ? "the key is not the certificate's"
                                                       : NULL;
    if (wrong == NULL) {
        put(identity, pair);
        return true;
    }
    pair_free(pair);
    snprintf(problem, HTTP_PROBLEM_SIZE, "%s", wrong);
    return false;
}

static gnutls_datum_t datum_of(const char *text)
{
    /* GnuTLS does not write to what it imports. */
    return (gnutls_datum_t){(unsigned char *)(uintptr_t)text, (unsigned)strlen(text)};
}

bool service_identity_take(struct service_identity *identity, const char *certificate_pem,
                           const char *key_pem, char problem[HTTP_PROBLEM_SIZE])
{
    const gnutls_datum_t certificate = datum_of(certificate_pem);
    const gnutls_datum_t key = datum_of(key_pem);

    return take(identity, &certificate, &key, problem);
}

static void wipe(gnutls_datum_t *text)
{
    if (text->data == NULL)
        return;
    explicit_bzero(text->data, text->size);
    gnutls_free(text->data);
}

bool service_identity_load(struct service_identity *identity, const char *certificate_file,
                           const char *key_file, char problem[HTTP_PROBLEM_SIZE])
{
    gnutls_datum_t certificate = {NULL, 0};
    gnutls_datum_t key = {NULL, 0};
    bool taken = false;

    if (gnutls_load_file(certificate_file, &certificate) != 0)
        snprintf(problem, HTTP_PROBLEM_SIZE, "could not read %.200s", certificate_file);
    else if (gnutls_load_file(key_file, &key) != 0)
        snprintf(problem, HTTP_PROBLEM_SIZE, "could not read %.200s", key_file);
    else
        taken = take(identity, &certificate, &key, problem);
    wipe(&certificate);
    wipe(&key);
    return taken;
}

bool service_identity_lend(struct service_identity *identity, gnutls_pcert_st **chain,
                           unsigned *length, gnutls_privkey_t *key)
{
    pthread_mutex_lock(&identity->lock);
    struct pair *pair = identity->current;
    pthread_mutex_unlock(&identity->lock);
    if (pair == NULL)
        return false;
    *chain = pair->chain;
    *length = pair->length;
    *key = pair->key;
    return true;
}

int64_t service_identity_end_us(struct service_identity *identity)
{
    pthread_mutex_lock(&identity->lock);
    int64_t end_us = identity->current == NULL ? 0 : identity->current->end_us;
    pthread_mutex_unlock(&identity->lock);
    return end_us;
}
