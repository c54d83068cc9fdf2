/*
 * What the sandbox remembers of disputes, rebuilt from the journal as everything else.
 */
#pragma once

#include "gateway/gateway.h"

/* The operation of their lines. */
#define SANDBOX_DISPUTE "DISPUTE"

struct journal_line;
struct memory_request;

struct memory_dispute {
    struct memory_dispute *older;
    const char *id;
    struct memory_request *charge;
    int64_t amount_minor;
    int64_t time_us; /* of its opening */
    enum gateway_dispute_status status;
    bool is_inquiry;
    bool has_evidence;
    const char *key;      /* of the response that was taken; "" */
    const char *evidence; /* the word in it that decides, or "" */
};

/* A charge that is going to be disputed. */
struct disputable {
    struct disputable *next;
    struct memory_request *charge;
};

struct dispute_memory {
    struct arena *arena;
    struct memory_dispute *newest;
    struct disputable *expected;
};

/* A charge was made: will there be a dispute? */
void dispute_memory_expect(struct dispute_memory *memory, struct memory_request *charge);

/* `charge` is that of the line; NULL when there is none. */
void dispute_memory_learn(struct dispute_memory *memory, const struct journal_line *line,
                          struct memory_request *charge);

/* NULL when unknown. */
struct memory_dispute *dispute_memory_find(const struct dispute_memory *memory, const char *id);
