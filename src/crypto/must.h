/*
 * What OpenSSL cannot fail to do unless memory is exhausted or the library is broken: going on
 * would mean unchecked cryptography, so the process ends.
 */
#pragma once

#include <stdbool.h>

_Noreturn void crypto_failed(const char *what);

static inline void crypto_must(bool worked, const char *what)
{
    if (!worked)
        crypto_failed(what);
}
