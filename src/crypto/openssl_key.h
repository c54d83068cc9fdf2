/*
 * The OpenSSL side of struct ec_key, for the files of this room only.
 */
#pragma once

#include <openssl/evp.h>

#include "crypto/es256.h"

/* Borrowed; OpenSSL counts references through non-const pointers. */
EVP_PKEY *ec_key_pkey(const struct ec_key *key);

/* Takes the key over; NULL (and the key freed) when it is not on P-256. */
struct ec_key *ec_key_adopt(EVP_PKEY *pkey);
