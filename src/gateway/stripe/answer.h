/*
 * What Stripe answered, as the house understands it.  Nothing is believed that does not fit what
 * was asked: object, mode, currency, amount, the transaction acted on and our own reference must
 * all be right, or the outcome stays GATEWAY_UNKNOWN.  Reads only; no network.
 */
#pragma once

#include "gateway/gateway.h"
#include "gateway/stripe/json.h"
#include "http/client.h"

struct stripe_question {
    const struct gateway_request *request;
    struct arena *arena;
    bool is_live;            /* the key is of the mode where money moves */
    bool is_query;           /* the reply shows the object as it stands now */
    int64_t captured_before; /* capture: units taken before this one; -1: not known */
};

/* What is to be asked before the answer is one. */
enum stripe_next {
    STRIPE_DONE,
    STRIPE_FETCH,  /* `object` may have changed since: read it */
    STRIPE_SEARCH, /* the same key brought no answer: look for what it did */
};

struct stripe_reading {
    struct gateway_answer answer;
    enum stripe_next next;
    const char *object; /* FETCH: its id */
};

void stripe_read(const struct stripe_question *question, const struct http_exchange_reply *reply,
                 struct stripe_reading *reading);

/* One object, not in a reply of its own: an element of a list. */
void stripe_read_object(const struct stripe_question *question, const json_t *object,
                        struct stripe_reading *reading);

/* An authorization before a capture. */
struct stripe_held {
    int64_t captured; /* units */
    bool is_waiting;  /* something can be captured */
    bool is_captured; /* by this very request, earlier */
};

/* False: the reply is not that; `reading` then says what it is. */
bool stripe_read_held(const struct stripe_question *question,
                      const struct http_exchange_reply *reply, struct stripe_held *held,
                      struct stripe_reading *reading);

/* Metadata that we write and look for. */
#define STRIPE_REFERENCE     "attempt_id"
#define STRIPE_PAYMENT       "payment_id"
#define STRIPE_CAPTURE       "capture_attempt_id"
#define STRIPE_CAPTURED_FROM "captured_before"
