/*
 * What OpenSSL cannot fail to do unless memory is exhausted or the library is broken: going on
 * would mean unchecked cryptography, so the process ends.
 */
#pragma once

#include <stdbool.h>

void crypto_must(bool worked, const char *what);
