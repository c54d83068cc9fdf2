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

#define STRIPE_PROBLEM_SIZE 256

/* Requests and answers have the form of this version, whatever the account's default is. */
#define STRIPE_VERSION "2026-08-26.dahlia"

struct stripe_options {
    const char *url;             /* "https://api.stripe.com": scheme, host and port */
    const char *secret_key_file; /* one line: sk_test_…, sk_live_… or a restricted key, rk_… */
    const char *ca_file;         /* PEM; "": the system's authorities */
    const char *return_url;      /* where a customer comes back to; "": the app uses the SDK */
    const char *news_secret_file; /* one or two lines: whsec_…; "": news are not taken */
    int64_t timeout_ms;           /* of a send, with all that belongs to it */
    int32_t active_max;           /* requests at the same time */
    struct log *log;              /* libcurl's words at debug; NULL: none */
};

/*
 * Reads the key and tests the HTTP client; nothing is sent.  NULL and one line in `problem` when
 * the key is none or the client does not keep its promises.
 */
struct stripe *stripe_open(const struct stripe_options *options, char problem[STRIPE_PROBLEM_SIZE]);
void stripe_close(struct stripe *stripe);

/* The gateway named "stripe"; lives as long as the stripe. */
const struct gateway *stripe_gateway(const struct stripe *stripe);

/* Is it the key of an account where money moves? */
bool stripe_is_live(const struct stripe *stripe);

/* Does it know a secret that news are signed with? */
bool stripe_takes_news(const struct stripe *stripe);

/* The secrets' file again.  False and one line in `problem`: all stays as it was. */
bool stripe_reload_news_secrets(struct stripe *stripe, char problem[STRIPE_PROBLEM_SIZE]);

/* "https://host[:port]": no path, user or query. */
bool stripe_url_is_right(const char *url);

/*
 * Asks Stripe, with the key, for nothing that matters: is it there, does it know the key?  From a
 * fiber.  False and one line in `problem`.
 */
bool stripe_probe(const struct stripe *stripe, struct arena *arena,
                  char problem[STRIPE_PROBLEM_SIZE]);
