/*
 * HMAC-SHA256 over OpenSSL.
 */

#include "crypto/hmac.h"

#include <limits.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "crypto/must.h"

void hmac_sha256(const void *key, size_t key_size, const void *bytes, size_t size,
                 uint8_t tag[SHA256_SIZE])
{
    unsigned int length = 0;

    crypto_must(key_size <= INT_MAX &&
                    HMAC(EVP_sha256(), key, (int)key_size, bytes, size, tag, &length) != NULL &&
                    length == SHA256_SIZE,
                "HMAC");
}
