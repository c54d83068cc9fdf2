/*
 * Tells the version of the shared library that was loaded, which may be newer than the one that we
 * were built with.
 */

#include "crypto/library.h"

#include <openssl/crypto.h>

const char *crypto_library_version(void)
{
    return OpenSSL_version(OPENSSL_VERSION);
}
