/*
 * HMAC-SHA256 (RFC 2104) with a key that somebody else has chosen: signatures of webhooks.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "crypto/secrets.h"

void hmac_sha256(const void *key, size_t key_size, const void *bytes, size_t size,
                 uint8_t tag[SHA256_SIZE]);
