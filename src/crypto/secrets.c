/*
 * The keys of the process: one key a purpose is derived from one root, which is wiped.  They live
 * in a page that is neither swapped nor dumped.
 */

#include "crypto/secrets.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/kdf.h>
#include <openssl/params.h>

#include "base/random.h"
#include "crypto/aes_gcm.h"
#include "crypto/key_ring.h"
#include "crypto/locked.h"
#include "crypto/must.h"

/* The version SEALED_OLD and the IV. */
#define SEAL_HEAD_SIZE (1 + AES_GCM_IV_SIZE)

struct secrets {
    uint8_t keys[SECRET_PURPOSE_COUNT][SECRET_SIZE];
};

/* Changing a label changes its key: what was sealed under the old one no longer opens. */
static const char *const labels[SECRET_PURPOSE_COUNT] = {
    [SECRET_PAGE_TOKEN] = "dues page token",     [SECRET_REFRESH_TOKEN] = "dues refresh token",
    [SECRET_SEAL_KEYS] = "dues seal keys",       [SECRET_SEAL_ANSWERS] = "dues seal answers",
    [SECRET_SEAL_TOKENS] = "dues seal tokens",   [SECRET_GATEWAY_KEY] = "dues gateway key",
    [SECRET_REQUEST_HASH] = "dues request hash",
};

static void release_kdf(EVP_KDF **kdf)
{
    EVP_KDF_free(*kdf);
}

static void release_kdf_context(EVP_KDF_CTX **context)
{
    EVP_KDF_CTX_free(*context);
}

/* OpenSSL's parameters are not const, though it only reads them. */
static void derive(uint8_t master[SECRET_SIZE], const char *label, uint8_t key[SECRET_SIZE])
{
    char digest[] = "SHA256";
    char salt[] = "dues";
    char info[32];
    size_t info_size = strlen(label);
    crypto_must(info_size < sizeof(info), "key label");
    memcpy(info, label, info_size);

    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, master, SECRET_SIZE),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SALT, salt, sizeof(salt) - 1),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, info, info_size),
        OSSL_PARAM_construct_end(),
    };
    AUTO(release_kdf) EVP_KDF *kdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
    crypto_must(kdf != NULL, "HKDF");
    AUTO(release_kdf_context) EVP_KDF_CTX *context = EVP_KDF_CTX_new(kdf);
    crypto_must(context != NULL && EVP_KDF_derive(context, key, SECRET_SIZE, params) == 1, "HKDF");
}

void secret_derive(const uint8_t root[SECRET_SIZE], const char *label, uint8_t key[SECRET_SIZE])
{
    uint8_t copy[SECRET_SIZE];

    memcpy(copy, root, SECRET_SIZE);
    derive(copy, label, key);
    secret_wipe(copy, sizeof(copy));
}

void secrets_take_root(struct secrets *secrets, const uint8_t root[SECRET_SIZE])
{
    for (size_t i = 0; i < SECRET_PURPOSE_COUNT; i++)
        secret_derive(root, labels[i], secrets->keys[i]);
}

struct secrets *secrets_open_from(struct key_source source, char problem[256])
{
    struct key_ring *ring = locked_new(sizeof(*ring));
    struct secrets *secrets = NULL;

    if (key_ring_read(source, ring, problem)) {
        secrets = locked_new(sizeof(*secrets));
        secrets_take_root(secrets, ring->first_line);
    }
    locked_free(ring, sizeof(*ring));
    return secrets;
}

struct secrets *secrets_open(const char *master_key_file, char problem[256])
{
    return secrets_open_from((struct key_source){.text = master_key_file}, problem);
}

void secrets_close(struct secrets *secrets)
{
    locked_free(secrets, sizeof(*secrets));
}

void secret_hmac(const struct secrets *secrets, enum secret_purpose purpose, const void *bytes,
                 size_t size, uint8_t tag[SHA256_SIZE])
{
    unsigned tag_size = SHA256_SIZE;
    crypto_must(HMAC(EVP_sha256(), secrets->keys[purpose], SECRET_SIZE, bytes, size, tag,
                     &tag_size) != NULL,
                "HMAC");
}

struct bytes secret_seal(const struct secrets *secrets, enum secret_purpose purpose,
                         struct arena *arena, const struct random *random, const char *context,
                         const void *plain, size_t size)
{
    size_t sealed_size = SEAL_HEAD_SIZE + size + AES_GCM_TAG_SIZE;
    uint8_t *sealed = arena_alloc(arena, sealed_size);
    uint8_t *iv = sealed + 1;
    uint8_t *body = sealed + SEAL_HEAD_SIZE;
    const struct bytes bound[] = {{sealed, 1}, {context, strlen(context)}};

    sealed[0] = SEALED_OLD;
    random_fill(random, iv, AES_GCM_IV_SIZE);
    aes_gcm_seal(secrets->keys[purpose], iv, (struct aes_gcm_bound){bound, 2},
                 (struct bytes){plain, size}, body, body + size);
    return (struct bytes){sealed, sealed_size};
}

bool secret_open(const struct secrets *secrets, enum secret_purpose purpose, struct arena *arena,
                 const char *context, const void *sealed, size_t size, struct bytes *plain)
{
    const uint8_t *bytes = sealed;
    const struct bytes bound[] = {{bytes, 1}, {context, strlen(context)}};

    if (size < SEAL_HEAD_SIZE + AES_GCM_TAG_SIZE || bytes[0] != SEALED_OLD)
        return false;
    size_t plain_size = size - SEAL_HEAD_SIZE - AES_GCM_TAG_SIZE;
    uint8_t *out = arena_alloc(arena, plain_size + 1);
    if (!aes_gcm_open(secrets->keys[purpose], bytes + 1, (struct aes_gcm_bound){bound, 2},
                      (struct bytes){bytes + SEAL_HEAD_SIZE, plain_size},
                      bytes + size - AES_GCM_TAG_SIZE, out))
        return false;
    *plain = (struct bytes){out, plain_size};
    return true;
}
