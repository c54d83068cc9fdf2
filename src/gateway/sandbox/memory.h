/*
 * What the sandbox remembers: every request by its idempotency key, every transaction by its id,
 * every line of the journal.  Rebuilt from the journal; holds nothing that is not in it, but what
 * is being sent at this moment.
 */
#pragma once

#include "gateway/sandbox/dispute_memory.h"
#include "gateway/sandbox/journal.h"
#include "gateway/sandbox/tokens.h"

struct memory_request {
    struct memory_request *next_by_key;
    struct memory_request *next_by_transaction;
    const char *key;
    const char *transaction; /* "" while it has none */
    const char *decline_code;
    const char *error;
    const char *reference;             /* of a charge or authorization: the caller's */
    const char *acted_on;              /* of a capture, void, refund */
    const struct sandbox_token *token; /* of a charge or authorization */
    uint64_t fingerprint;              /* of everything asked under the key */
    int64_t time_us;                   /* of its first line */
    int64_t amount_minor;
    int64_t captured_minor; /* of an authorization; a charge captures all of it */
    int64_t refunded_minor; /* of a charge or authorization */
    int64_t disputed_minor; /* of it: held or lost by disputes */
    char currency[4];
    enum gateway_operation operation;
    enum gateway_outcome outcome; /* once is_done */
    bool is_done;
    bool is_released; /* of an authorization or an action: nothing is held any more */
    bool is_sending;  /* a caller is waiting for its answer */
};

struct memory_call {
    const struct memory_call *previous;
    int64_t number;
    int64_t offset;
    int64_t time_us;
    uint64_t reference_hash;
    bool moved_money;
};

struct memory;

struct memory *memory_new(void);
void memory_free(struct memory *memory);

/* NULL when unknown. */
struct memory_request *memory_find(struct memory *memory, const char *key);
/* A charge or authorization, also one that waits for its customer. */
struct memory_request *memory_find_transaction(struct memory *memory, const char *transaction);

/* What banks take back. */
struct dispute_memory *memory_disputes(struct memory *memory);

/* How often the stored token was charged, declined or not. */
int64_t memory_charge_count(struct memory *memory, const char *token);

/* The number of the next call. */
int64_t memory_next_number(const struct memory *memory);
const struct memory_call *memory_newest(const struct memory *memory);

/*
 * Learns what a line of the journal says; the request that it belongs to, NULL when it belongs to
 * none (`*is_full` false) or memory is full.
 */
struct memory_request *memory_learn(struct memory *memory, const struct journal_line *line,
                                    int64_t offset, bool *is_full);

/* Room for one more request? */
bool memory_has_room(const struct memory *memory);

uint64_t memory_hash(const char *text);
uint64_t memory_fingerprint(const struct journal_line *line);
