/*
 * The ledger's chain and its checkpoints as bytes: the same hashes as SQL makes them
 * (ledger_entry_hash, ledger_checkpoint_draw), made a second time for whoever does not believe the
 * database.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/id.h"
#include "crypto/es256.h"
#include "crypto/secrets.h"

struct ledger_entry {
    struct uuid customer;
    int64_t position; /* in the customer's chain, from 1 */
    struct uuid group;
    const char *kind;
    int64_t line;
    const char *account;
    const char *currency;
    int64_t amount;
    int64_t create_time_us;
};

/* `previous` is the hash of the entry before; zeros for the first. */
void ledger_entry_hash(const struct ledger_entry *entry, const uint8_t previous[SHA256_SIZE],
                       uint8_t hash[SHA256_SIZE]);

/* A head in a checkpoint's list. */
#define LEDGER_HEAD_SIZE (16 + 8 + SHA256_SIZE)
void ledger_head_bytes(struct uuid customer, int64_t position, const uint8_t hash[SHA256_SIZE],
                       uint8_t bytes[LEDGER_HEAD_SIZE]);

struct ledger_checkpoint {
    int64_t number; /* from 1 */
    int64_t draw_time_us;
    int64_t head_count;
    uint8_t heads_hash[SHA256_SIZE]; /* over ledger_head_bytes in the customers' order */
    uint8_t previous_hash[SHA256_SIZE];
    uint8_t hash[SHA256_SIZE];
};

/* What `hash` must be. */
void ledger_checkpoint_hash(const struct ledger_checkpoint *checkpoint, uint8_t hash[SHA256_SIZE]);

/* Over its hash and a text that no token begins with, since the key signs tokens too. */
void ledger_checkpoint_sign(const struct ec_key *key, const uint8_t hash[SHA256_SIZE],
                            uint8_t signature[ES256_SIGNATURE_SIZE]);
bool ledger_checkpoint_is_signed(const struct ec_key *key, const uint8_t hash[SHA256_SIZE],
                                 const uint8_t signature[ES256_SIGNATURE_SIZE]);
