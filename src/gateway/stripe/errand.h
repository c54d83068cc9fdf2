/*
 * One visit to Stripe: some requests that share a time limit.  Within stripe/ only.
 */
#pragma once

#include <pthread.h>

#include "gateway/stripe/form.h"
#include "gateway/stripe/key.h"
#include "gateway/stripe/signature.h"
#include "gateway/stripe/stripe.h"
#include "http/client.h"

#define STRIPE_URL_MAX 255

struct stripe {
    struct gateway gateway;
    struct http_client *client;
    char url[STRIPE_URL_MAX + 1];
    struct stripe_key *key;
    const char *ca_file;    /* the settings' */
    const char *return_url; /* the settings' */
    int64_t timeout_ms;
    bool is_live;
    pthread_mutex_t news_lock; /* guards the next */
    struct stripe_news_secrets news_secrets;
};

struct errand {
    const struct stripe *stripe;
    struct arena *arena;
    const struct clock *clock;
    int64_t until_us; /* monotonic */
};

/* Until the gateway's time limit, or before the call's deadline if that is earlier. */
struct errand errand_begin(const struct stripe *stripe, struct call *call);

/* `key` is the idempotency key.  The form may be empty. */
void errand_post(const struct errand *errand, const char *path, const struct stripe_form *form,
                 const char *key, struct http_exchange_reply *reply);
void errand_get(const struct errand *errand, const char *path, const struct stripe_form *form,
                struct http_exchange_reply *reply);

const struct error *stripe_describe(const struct gateway *gateway, struct call *call,
                                    const char *token, struct gateway_card *card) MUST_CHECK;
const struct error *stripe_look_at_card(const struct gateway *gateway, struct call *call,
                                        const char *token, struct gateway_card *card) MUST_CHECK;
void stripe_send(const struct gateway *gateway, struct call *call,
                 const struct gateway_request *request, struct gateway_answer *answer);
void stripe_query(const struct gateway *gateway, struct call *call,
                  const struct gateway_request *request, struct gateway_answer *answer);

/* dispute.c */
enum gateway_outcome stripe_get_dispute(const struct gateway *gateway, struct call *call,
                                        const char *id, struct gateway_dispute *dispute);
enum gateway_outcome stripe_submit_evidence(const struct gateway *gateway, struct call *call,
                                            const struct gateway_dispute_request *request,
                                            struct gateway_dispute *dispute);
enum gateway_outcome stripe_accept_dispute(const struct gateway *gateway, struct call *call,
                                           const struct gateway_dispute_request *request,
                                           struct gateway_dispute *dispute);
bool stripe_list_disputes(const struct gateway *gateway, struct call *call, int64_t since_us,
                          const char *cursor, struct gateway_dispute_page *page);

/* card.c */
enum gateway_outcome stripe_detach_card(const struct gateway *gateway, struct call *call,
                                        const char *token, const char *key);
enum gateway_outcome stripe_update_card(const struct gateway *gateway, struct call *call,
                                        const char *token, const struct gateway_expiry *expiry,
                                        const char *key);

/* balance.c */
bool stripe_list_transactions(const struct gateway *gateway, struct call *call, int64_t from_us,
                              int64_t until_us, const char *cursor,
                              struct gateway_transaction_page *page);
