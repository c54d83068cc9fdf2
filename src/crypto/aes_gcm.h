/*
 * AES-256-GCM (NIST SP 800-38D), and keys for a single message.
 *
 * A random IV of 96 bits may be used for 2^32 messages of one key.  Instead of counting them, each
 * message gets a key of its own, derived from half of a nonce of 192 bits (the construction of
 * XAES-256-GCM: the counter-mode KDF of SP 800-108 over AES-CMAC); the other half is the IV.  Two
 * messages would have to share all 192 bits.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "crypto/secrets.h"

#define AES_KEY_SIZE      32
#define AES_GCM_IV_SIZE   12
#define AES_GCM_TAG_SIZE  16
#define MESSAGE_SALT_SIZE 12

/* What is authenticated and not encrypted: pieces, one after another as they are. */
struct aes_gcm_bound {
    const struct bytes *pieces;
    size_t count;
};

/* `body` has room for `size` bytes and `tag` for AES_GCM_TAG_SIZE. */
void aes_gcm_seal(const uint8_t key[AES_KEY_SIZE], const uint8_t iv[AES_GCM_IV_SIZE],
                  struct aes_gcm_bound bound, struct bytes plain, uint8_t *body, uint8_t *tag);

/* False, and nothing in `plain`, when anything is not as it was sealed. */
bool aes_gcm_open(const uint8_t key[AES_KEY_SIZE], const uint8_t iv[AES_GCM_IV_SIZE],
                  struct aes_gcm_bound bound, struct bytes body,
                  const uint8_t tag[AES_GCM_TAG_SIZE], uint8_t *plain) MUST_CHECK;

/* The key of one message. */
void aes_message_key(const uint8_t key[AES_KEY_SIZE], const uint8_t salt[MESSAGE_SALT_SIZE],
                     uint8_t message_key[AES_KEY_SIZE]);
