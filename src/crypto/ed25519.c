/*
 * Ed25519 over OpenSSL.  A key is kept as its seed: making the pair again costs less than keeping
 * an object of OpenSSL would.
 */

#include "crypto/ed25519.h"

#include <openssl/err.h>

#include "crypto/must.h"
#include "crypto/openssl.h"

static void release_key(EVP_PKEY **key)
{
    EVP_PKEY_free(*key);
}

static EVP_PKEY *pair_of(const uint8_t seed[ED25519_SEED_SIZE])
{
    EVP_PKEY *key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed, ED25519_SEED_SIZE);

    crypto_must(key != NULL, "Ed25519 key");
    return key;
}

void ed25519_public(const uint8_t seed[ED25519_SEED_SIZE], uint8_t key[ED25519_PUBLIC_SIZE])
{
    AUTO(release_key) EVP_PKEY *pair = pair_of(seed);
    size_t size = ED25519_PUBLIC_SIZE;

    crypto_must(EVP_PKEY_get_raw_public_key(pair, key, &size) == 1 && size == ED25519_PUBLIC_SIZE,
                "Ed25519 public key");
}

void ed25519_sign(const uint8_t seed[ED25519_SEED_SIZE], const void *bytes, size_t size,
                  uint8_t signature[ED25519_SIGNATURE_SIZE])
{
    AUTO(release_key) EVP_PKEY *pair = pair_of(seed);
    AUTO(release_digest) EVP_MD_CTX *context = EVP_MD_CTX_new();
    size_t signature_size = ED25519_SIGNATURE_SIZE;

    crypto_must(context != NULL && EVP_DigestSignInit(context, NULL, NULL, NULL, pair) == 1 &&
                    EVP_DigestSign(context, signature, &signature_size, bytes, size) == 1 &&
                    signature_size == ED25519_SIGNATURE_SIZE,
                "Ed25519");
}

bool ed25519_verify(const uint8_t key[ED25519_PUBLIC_SIZE], const void *bytes, size_t size,
                    const uint8_t signature[ED25519_SIGNATURE_SIZE])
{
    AUTO(release_key)
    EVP_PKEY *public =
        EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, key, ED25519_PUBLIC_SIZE);
    AUTO(release_digest) EVP_MD_CTX *context = EVP_MD_CTX_new();

    crypto_must(public != NULL && context != NULL &&
                    EVP_DigestVerifyInit(context, NULL, NULL, NULL, public) == 1,
                "Ed25519");
    bool good = EVP_DigestVerify(context, signature, ED25519_SIGNATURE_SIZE, bytes, size) == 1;
    ERR_clear_error();
    return good;
}
