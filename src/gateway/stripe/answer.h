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
    bool is_live;  /* the key is of the mode where money moves */
    bool is_query; /* the reply shows the object as it stands now */
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

/* The reply is the stored one of an earlier request with the same key. */
bool stripe_was_replayed(const struct http_exchange_reply *reply);

/* Metadata that we write and look for. */
#define STRIPE_REFERENCE "attempt_id"
#define STRIPE_PAYMENT   "payment_id"
#define STRIPE_CUSTOMER  "customer_id"

/*
 * Of an intent: "capture_" and the capture's reference without its dashes, 40 characters, which is
 * all that a name may have; its value is the units taken.  Each capture has its own, so that those
 * that race, or whose answers come late, are told apart; all together are what was received.
 */
const char *stripe_capture_note(struct arena *arena, const char *reference);
