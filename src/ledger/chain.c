/*
 * Canonical bytes.  Numbers are big-endian, times count from 2000 as PostgreSQL's do; what has a
 * fixed size comes first, and the texts behind it are parted by a line break, which none of them
 * holds.
 */
#include "ledger/chain.h"

#include <endian.h>
#include <string.h>

/* 2000-01-01 UTC. */
#define SQL_EPOCH_US 946684800000000LL

#define ENTRY_FIXED_SIZE      (SHA256_SIZE + 16 + 8 + 16 + 2 + 8 + 8)
#define ENTRY_TEXT_SIZE_MAX   512
#define CHECKPOINT_SIZE       (SHA256_SIZE + 8 + 8 + 8 + SHA256_SIZE)
#define CHECKPOINT_SIGN_LABEL "dues ledger checkpoint 1\n"

static uint8_t *put(uint8_t *at, const void *bytes, size_t size)
{
    memcpy(at, bytes, size);
    return at + size;
}

static uint8_t *put_number(uint8_t *at, int64_t number)
{
    uint64_t big = htobe64((uint64_t)number);

    return put(at, &big, sizeof big);
}

static uint8_t *put_small(uint8_t *at, int64_t number)
{
    uint16_t big = htobe16((uint16_t)number);

    return put(at, &big, sizeof big);
}

void ledger_entry_hash(const struct ledger_entry *entry, const uint8_t previous[SHA256_SIZE],
                       uint8_t hash[SHA256_SIZE])
{
    uint8_t bytes[ENTRY_FIXED_SIZE + ENTRY_TEXT_SIZE_MAX];
    uint8_t *at = put(bytes, previous, SHA256_SIZE);

    at = put(at, entry->customer.bytes, sizeof entry->customer.bytes);
    at = put_number(at, entry->position);
    at = put(at, entry->group.bytes, sizeof entry->group.bytes);
    at = put_small(at, entry->line);
    at = put_number(at, entry->amount);
    at = put_number(at, entry->create_time_us - SQL_EPOCH_US);
    int length = snprintf((char *)at, ENTRY_TEXT_SIZE_MAX, "%s\n%s\n%s", entry->kind,
                          entry->account, entry->currency);
    /* No text of ours is that long: what somebody put there gets a hash that fits nothing. */
    size_t used = length < ENTRY_TEXT_SIZE_MAX ? (size_t)length : ENTRY_TEXT_SIZE_MAX;
    sha256(bytes, ENTRY_FIXED_SIZE + used, hash);
}

void ledger_head_bytes(struct uuid customer, int64_t position, const uint8_t hash[SHA256_SIZE],
                       uint8_t bytes[LEDGER_HEAD_SIZE])
{
    uint8_t *at = put(bytes, customer.bytes, sizeof customer.bytes);

    at = put_number(at, position);
    put(at, hash, SHA256_SIZE);
}

void ledger_checkpoint_hash(const struct ledger_checkpoint *checkpoint, uint8_t hash[SHA256_SIZE])
{
    uint8_t bytes[CHECKPOINT_SIZE];
    uint8_t *at = put(bytes, checkpoint->previous_hash, SHA256_SIZE);

    at = put_number(at, checkpoint->number);
    at = put_number(at, checkpoint->draw_time_us - SQL_EPOCH_US);
    at = put_number(at, checkpoint->head_count);
    put(at, checkpoint->heads_hash, SHA256_SIZE);
    sha256(bytes, sizeof bytes, hash);
}

static void sign_text(const uint8_t hash[SHA256_SIZE],
                      uint8_t text[sizeof CHECKPOINT_SIGN_LABEL - 1 + SHA256_SIZE])
{
    put(put(text, CHECKPOINT_SIGN_LABEL, sizeof CHECKPOINT_SIGN_LABEL - 1), hash, SHA256_SIZE);
}

void ledger_checkpoint_sign(const struct ec_key *key, const uint8_t hash[SHA256_SIZE],
                            uint8_t signature[ES256_SIGNATURE_SIZE])
{
    uint8_t text[sizeof CHECKPOINT_SIGN_LABEL - 1 + SHA256_SIZE];

    sign_text(hash, text);
    es256_sign(key, text, sizeof text, signature);
}

bool ledger_checkpoint_is_signed(const struct ec_key *key, const uint8_t hash[SHA256_SIZE],
                                 const uint8_t signature[ES256_SIGNATURE_SIZE])
{
    uint8_t text[sizeof CHECKPOINT_SIGN_LABEL - 1 + SHA256_SIZE];

    sign_text(hash, text);
    return es256_verify(key, text, sizeof text, signature);
}
