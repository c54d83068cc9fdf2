/*
 * A sealed value, as it rests in the database:
 *
 *   version (1 byte, 2) ‖ id of the key (8) ‖ nonce (24) ‖ ciphertext ‖ tag (16)
 *
 * AES-256-GCM under a key for this value alone (crypto/aes_gcm.h).  Version, key id and the place
 * (table, column, customer, row) are authenticated: moved anywhere else it does not open.  Neither
 * version 2 nor its forerunner 1 (crypto/secrets.h) can begin a protobuf message.
 */
#pragma once

#include "base/id.h"
#include "base/random.h"
#include "crypto/aes_gcm.h"

#define SEALED_VERSION    2
#define SEALED_OLD        1 /* of secret_seal */
#define SEALED_NONCE_SIZE (MESSAGE_SALT_SIZE + AES_GCM_IV_SIZE)
#define KEY_ID_SIZE       8
#define SEALED_HEAD_SIZE  (1 + KEY_ID_SIZE + SEALED_NONCE_SIZE)
/* What sealing adds. */
#define SEALED_EXTRA (SEALED_HEAD_SIZE + AES_GCM_TAG_SIZE)

struct data_key {
    uint8_t id[KEY_ID_SIZE];
    uint8_t key[AES_KEY_SIZE];
};

/* For AUTO(data_key_wipe) struct data_key key = {0}; */
void data_key_wipe(struct data_key *key);
struct data_key data_key_make(const struct random *random);

/* Where a value rests; no field may change while it does. */
struct seal_place {
    const char *table;
    const char *column;
    struct uuid customer; /* UUID_NIL: the house's own */
    const char *row;      /* the rest of the primary key, as text */
};

/* A sealed value taken apart; borrows. */
struct sealed {
    const uint8_t *key_id;
    const uint8_t *nonce;
    struct bytes body;
    const uint8_t *tag;
};

/* False: no value of this version. */
bool sealed_parse(struct bytes value, struct sealed *sealed) MUST_CHECK;

struct bytes sealed_make(struct arena *arena, const struct random *random,
                         const struct data_key *key, const struct seal_place *place,
                         struct bytes plain);

/* False when it was altered, moved, or sealed with another key. */
bool sealed_open(struct arena *arena, const struct data_key *key, const struct seal_place *place,
                 struct bytes value, struct bytes *plain) MUST_CHECK;
