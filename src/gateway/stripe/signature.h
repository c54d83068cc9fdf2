/*
 * Stripe-Signature: t=<unix seconds>,v1=<hex>[,v1=<hex> …], where v1 is HMAC-SHA256 over
 * "<t>.<raw body>" with the endpoint's whole secret as key.  While a secret is rotated Stripe signs
 * with both, and we know both.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "crypto/secrets.h"
#include "gateway/news.h"
#include "gateway/stripe/stripe.h"

/* Older news may be a replay; our clock may be behind as much. */
#define STRIPE_TOLERANCE_S 300

#define STRIPE_NEWS_SECRET_MAX 127

/* whsec_…; "": none. */
struct stripe_news_secrets {
    char text[STRIPE_NEWS_SECRETS_MAX][STRIPE_NEWS_SECRET_MAX + 1];
};

/* `header` may be NULL.  Looks at every signature and every secret, whichever fits. */
enum gateway_letter_verdict stripe_signature_check(const struct stripe_news_secrets *secrets,
                                                   struct arena *arena, const char *header,
                                                   struct bytes body, int64_t now_s);
