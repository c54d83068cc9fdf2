/*
 * Stripe through its PaymentIntents.
 *
 *   describe   a PaymentMethod becomes one of a Stripe customer of its own, set up for charges
 *              without its owner; the token is from then on "cus_…/pm_…"
 *   send       one POST with the attempt's idempotency key; the same request makes the same bytes
 *   query      GETs only: by id, else by metadata[attempt_id]
 *
 * Whatever Stripe answers is read as if somebody else had written it: answer.h.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "gateway/gateway.h"

struct stripe;

#define STRIPE_PROBLEM_SIZE     256
#define STRIPE_NEWS_SECRETS_MAX 2

/* Requests and answers have the form of this version, whatever the account's default is. */
#define STRIPE_VERSION "2026-08-26.dahlia"

struct stripe_options {
    const char *url;        /* "https://api.stripe.com": scheme, host and port */
    const char *secret_key; /* sk_test_…, sk_live_… or a restricted key, rk_…; copied */
    const char *ca_file;    /* PEM; "": the system's authorities */
    const char *return_url; /* where a customer comes back to; "": the app uses the SDK */
    bool takes_news;        /* its secrets: stripe_change_news_secrets */
    int64_t timeout_ms;     /* of a send, with all that belongs to it */
    int32_t active_max;     /* requests at the same time */
    struct log *log;        /* libcurl's words at debug; NULL: none */
};

/*
 * Looks at the key and tests the HTTP client; nothing is sent.  NULL and one line in `problem` when
 * the key is none or the client does not keep its promises.
 */
struct stripe *stripe_open(const struct stripe_options *options, char problem[STRIPE_PROBLEM_SIZE]);
void stripe_close(struct stripe *stripe);

/* The gateway named "stripe"; lives as long as the stripe. */
const struct gateway *stripe_gateway(const struct stripe *stripe);

/*
 * Requests from now on have this key; those under way keep theirs, which Stripe lets live for a
 * while.  Of the same account and mode.  False and one line in `problem`: all stays as it was.
 */
bool stripe_change_key(struct stripe *stripe, const char *key, char problem[STRIPE_PROBLEM_SIZE]);

/* Is it the key of an account where money moves? */
bool stripe_is_live(const struct stripe *stripe);

/* A secret that Stripe signs news with: whsec_…. */
bool stripe_news_secret_is_right(const char *text);

/* From now on news that one of these signed are believed, and no others; the newest first, NULL:
 * none. */
void stripe_change_news_secrets(struct stripe *stripe,
                                const char *const secrets[STRIPE_NEWS_SECRETS_MAX]);

/* sk_test_…, sk_live_…, rk_test_…, rk_live_…. */
bool stripe_key_is_right(const char *text);

/* The key is of the mode of the one before it, both right: tests, or real money. */
bool stripe_key_may_follow(const char *before, const char *key, char problem[STRIPE_PROBLEM_SIZE]);

/* "https://host[:port]": no path, user or query. */
bool stripe_url_is_right(const char *url);

/* What Stripe makes of a key. */
enum stripe_verdict {
    STRIPE_KEY_GOOD,
    STRIPE_KEY_REFUSED, /* unknown to it, or not allowed what payments need */
    STRIPE_NO_VERDICT,  /* it could not be asked, or has troubles of its own */
};

/*
 * Asks Stripe, with the key, for nothing that matters: is it there, does it know the key?  From a
 * fiber.  One line in `problem` unless the key is good.
 */
enum stripe_verdict stripe_probe(const struct stripe *stripe, struct arena *arena,
                                 char problem[STRIPE_PROBLEM_SIZE]);
