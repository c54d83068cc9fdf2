/*
 * Ed25519 (RFC 8032), as webhooks are signed with it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ED25519_SEED_SIZE      32
#define ED25519_PUBLIC_SIZE    32
#define ED25519_SIGNATURE_SIZE 64

void ed25519_public(const uint8_t seed[ED25519_SEED_SIZE], uint8_t key[ED25519_PUBLIC_SIZE]);
void ed25519_sign(const uint8_t seed[ED25519_SEED_SIZE], const void *bytes, size_t size,
                  uint8_t signature[ED25519_SIGNATURE_SIZE]);
bool ed25519_verify(const uint8_t key[ED25519_PUBLIC_SIZE], const void *bytes, size_t size,
                    const uint8_t signature[ED25519_SIGNATURE_SIZE]);
