/*
 * The end of the process when the cryptographic library does not do what it must.
 */

#include "crypto/must.h"

#include "base/bug.h"

_Noreturn void crypto_failed(const char *what)
{
    bug("cryptography failed: %s", what);
}
