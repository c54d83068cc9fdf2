/*
 * Hashes, constant-time comparison and wiping: what needs no key.
 */

#include "crypto/secrets.h"

#include <openssl/crypto.h>
#include <openssl/sha.h>

#include "crypto/must.h"
#include "crypto/openssl.h"

void sha256(const void *bytes, size_t size, uint8_t hash[SHA256_SIZE])
{
    crypto_must(SHA256(bytes, size, hash) != NULL, "SHA-256");
}

void sha256_pieces(const struct bytes *pieces, size_t count, uint8_t hash[SHA256_SIZE])
{
    AUTO(release_digest) EVP_MD_CTX *context = EVP_MD_CTX_new();
    crypto_must(context != NULL && EVP_DigestInit_ex(context, EVP_sha256(), NULL) == 1, "SHA-256");

    for (size_t i = 0; i < count; i++) {
        uint8_t length[8];
        for (size_t k = 0; k < sizeof(length); k++)
            length[k] = (uint8_t)((uint64_t)pieces[i].size >> (56 - 8 * k));
        crypto_must(EVP_DigestUpdate(context, length, sizeof(length)) == 1 &&
                        EVP_DigestUpdate(context, pieces[i].data, pieces[i].size) == 1,
                    "SHA-256");
    }
    crypto_must(EVP_DigestFinal_ex(context, hash, NULL) == 1, "SHA-256");
}

bool secret_equal(const void *a, const void *b, size_t size)
{
    return CRYPTO_memcmp(a, b, size) == 0;
}

void secret_wipe(void *bytes, size_t size)
{
    OPENSSL_cleanse(bytes, size);
}
