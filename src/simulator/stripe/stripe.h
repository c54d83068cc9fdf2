/*
 * Stripe's face: the part of its API that a billing server uses, with the answers, errors,
 * idempotency and test cards of the real one.  docs/simulator.md says what is there.
 */
#pragma once

#include "simulator/face.h"

extern const struct face stripe_face;

/* "t=<unix>,v1=<hex>": HMAC-SHA256 over "<unix>.<body>" with the endpoint's secret as text. */
char *stripe_signature(struct arena *arena, const char *secret, int64_t time_s, const char *body);
