/*
 * Keys of the process, all derived from one root (HKDF-SHA256, one label a purpose), and what is
 * done with them.  The root is the master key until the vault has one of its own.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/call.h"

#define SECRET_SIZE 32
#define SHA256_SIZE 32

struct secrets;

/* Where the master key is: see crypto/key_ring.h. */
struct key_source {
    const char *text;        /* setting master_key_file */
    const char *credentials; /* $CREDENTIALS_DIRECTORY; NULL: there is none */
};

/* From the first key of a source; NULL and one line in `problem` when it cannot be read. */
struct secrets *secrets_open_from(struct key_source source, char problem[256]);
struct secrets *secrets_open(const char *master_key_file, char problem[256]);
void secrets_close(struct secrets *secrets);

/* A purpose of a derived key; never reuse one label for two things. */
enum secret_purpose {
    SECRET_PAGE_TOKEN,
    SECRET_REFRESH_TOKEN,
    SECRET_SEAL_KEYS,    /* signing and CA keys at rest */
    SECRET_SEAL_ANSWERS, /* recorded answers that hold tokens */
    SECRET_SEAL_TOKENS,  /* gateway tokens at rest */
    SECRET_GATEWAY_KEY,  /* gateway idempotency key = HMAC of the attempt id */
    SECRET_REQUEST_HASH, /* request_hash: a bare hash could be searched for its password */
    SECRET_PURPOSE_COUNT,
};

void sha256(const void *bytes, size_t size, uint8_t hash[SHA256_SIZE]);

/* Several pieces hashed as one; each is preceded by its length, so no two cuttings agree. */
struct bytes {
    const void *data;
    size_t size;
};
void sha256_pieces(const struct bytes *pieces, size_t count, uint8_t hash[SHA256_SIZE]);

void secret_hmac(const struct secrets *secrets, enum secret_purpose purpose, const void *bytes,
                 size_t size, uint8_t tag[SHA256_SIZE]);

/* Compares without an early exit. */
bool secret_equal(const void *a, const void *b, size_t size);

/* Wipes in a way that the compiler keeps. */
void secret_wipe(void *bytes, size_t size);

/* One key of the root, by its label (HKDF-SHA256). */
void secret_derive(const uint8_t root[SECRET_SIZE], const char *label, uint8_t key[SECRET_SIZE]);

/*
 * The keys of all purposes anew, from another root: that of the database, which outlives master
 * keys (vault/vault.h).  Before anybody else uses them.
 */
void secrets_take_root(struct secrets *secrets, const uint8_t root[SECRET_SIZE]);

/*
 * The old way to seal, which page tokens go on using; what rests uses vault/vault.h, and values
 * that were sealed this way still open there.  AES-256-GCM: version ‖ IV ‖ ciphertext ‖ tag.
 * `context` (table ‖ column ‖ row) is authenticated, so a ciphertext moved to another row does not
 * open.
 */
struct bytes secret_seal(const struct secrets *secrets, enum secret_purpose purpose,
                         struct arena *arena, const struct random *random, const char *context,
                         const void *plain, size_t size);

/* False when it was altered, moved, or sealed with another key. */
bool secret_open(const struct secrets *secrets, enum secret_purpose purpose, struct arena *arena,
                 const char *context, const void *sealed, size_t size, struct bytes *plain);
