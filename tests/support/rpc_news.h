/*
 * A server that takes Stripe's news: with a key, a signing secret, and a listener.
 */
#pragma once

#include "support/rpc_fixture.h"

#define NEWS_SECRET     "whsec_a_secret_of_the_test"
#define NEWS_OLD_SECRET "whsec_the_secret_before_it"
#define NEWS_PATH       "/v1/gateways/stripe/news"

/* "stripe_url = …\n" and whatever else beside; one at a time in a program. */
struct rpc_fixture *news_fixture_new(const char *more_settings);
void news_fixture_free(struct rpc_fixture *f);

/* A header Stripe-Signature for the body, signed at this time with this secret. */
const char *news_sign(struct rpc_fixture *f, const char *body, int64_t time_s, const char *secret);

/* The status of the answer; 0: there was none.  `signature` NULL: without the header. */
int news_post(struct rpc_fixture *f, const char *body, const char *signature);

/* The same, believing the authorities of this file of the fixture's directory. */
int news_post_trusting(struct rpc_fixture *f, const char *ca_file, const char *body,
                       const char *signature);
