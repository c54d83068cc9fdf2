/*
 * Keys of the process, all derived from one master key (HKDF-SHA256, one label a purpose), and what
 * is done with them.  The master key comes from a file and is wiped when the process ends.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/call.h"

#define SECRET_SIZE 32
#define SHA256_SIZE 32

struct secrets;

/* Reads 64 hex digits from the file; NULL and one line in `problem` when it cannot. */
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

/*
 * AES-256-GCM: version ‖ IV ‖ ciphertext ‖ tag.  `context` (table ‖ column ‖ row) is authenticated,
 * so a ciphertext moved to another row does not open.
 */
struct bytes secret_seal(const struct secrets *secrets, enum secret_purpose purpose,
                         struct arena *arena, const struct random *random, const char *context,
                         const void *plain, size_t size);

/* False when it was altered, moved, or sealed with another key. */
bool secret_open(const struct secrets *secrets, enum secret_purpose purpose, struct arena *arena,
                 const char *context, const void *sealed, size_t size, struct bytes *plain);
