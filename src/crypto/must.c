/*
 * The end of the process when the cryptographic library does not do what it must.
 */

#include "crypto/must.h"

void crypto_must(bool worked, const char *what)
{
    if (worked)
        return;
    fprintf(stderr, "cryptography failed: %s\n", what);
    abort();
}
