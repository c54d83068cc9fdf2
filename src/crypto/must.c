/*
 * The end of the process when the cryptographic library does not do what it must.
 */

#include "crypto/must.h"

#include "base/bug.h"

void crypto_must(bool worked, const char *what)
{
    if (worked)
        return;
    bug("cryptography failed: %s", what);
}
