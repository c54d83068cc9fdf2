/*
 * Idempotency-Key: the first result of a key, whatever it was, is given again for 24 hours.
 */
#pragma once

#include "simulator/stripe/internal.h"

#define IDEMPOTENCY_KEY_MAX 255

enum idempotency {
    IDEMPOTENCY_NEW,
    IDEMPOTENCY_REPLAY,   /* the answer is set */
    IDEMPOTENCY_MISMATCH, /* the error is set; so for the next two */
    IDEMPOTENCY_IN_FLIGHT,
    IDEMPOTENCY_BAD_KEY,
};

/* Looks the key of the exchange up, which is not "". */
enum idempotency idempotency_look(struct stripe_call *call, const char *fingerprint);

/* Keeps the answer of the exchange, in its step. */
void idempotency_keep(struct stripe_call *call, const char *fingerprint);

/* What is compared: method, path and parameters, whatever their order. */
const char *idempotency_fingerprint(struct stripe_call *call);
