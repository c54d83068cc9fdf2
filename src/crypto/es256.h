/*
 * Keys on the curve P-256, and ECDSA with SHA-256 as JOSE writes it (RFC 7518 §3.4): R ‖ S, 64
 * bytes.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"

#define ES256_SIGNATURE_SIZE  64
#define ES256_COORDINATE_SIZE 32

/* 43 characters of base64url and the NUL. */
#define ES256_THUMBPRINT_SIZE 44

/* A key pair, or a public key alone.  Read-only after it was made: safe from any thread. */
struct ec_key;

struct ec_key *ec_key_make(void);
void ec_key_free(struct ec_key *key);
void ec_key_auto_free(struct ec_key **key);

/* PKCS#8, not encrypted. */
char *ec_key_to_pem(struct arena *arena, const struct ec_key *key);

/* NULL when it is not the PEM of a private key on P-256. */
struct ec_key *ec_key_from_pem(const char *pem);

/* A public key from its coordinates; NULL when they are not a point of the curve. */
struct ec_key *ec_key_from_point(const uint8_t x[ES256_COORDINATE_SIZE],
                                 const uint8_t y[ES256_COORDINATE_SIZE]);
void ec_key_point(const struct ec_key *key, uint8_t x[ES256_COORDINATE_SIZE],
                  uint8_t y[ES256_COORDINATE_SIZE]);

/* RFC 7638, base64url. */
void ec_key_thumbprint(const struct ec_key *key, char text[ES256_THUMBPRINT_SIZE]);

/* Always with the smaller S of the two that verify, so that nobody can vary a signature of ours. */
void es256_sign(const struct ec_key *key, const void *bytes, size_t size,
                uint8_t signature[ES256_SIGNATURE_SIZE]);

/* Either S. */
bool es256_verify(const struct ec_key *key, const void *bytes, size_t size,
                  const uint8_t signature[ES256_SIGNATURE_SIZE]);

/* S is at most half the order of the group. */
bool es256_has_small_s(const uint8_t signature[ES256_SIGNATURE_SIZE]);
