/*
 * Stripe's error objects: which of them say that something was not done, and what may be kept of
 * them.
 */
#pragma once

#include "gateway/gateway.h"
#include "gateway/stripe/json.h"
#include "http/client.h"

enum stripe_error_kind {
    STRIPE_ERROR_NONE,          /* no well-formed error: nothing is known */
    STRIPE_ERROR_DECLINED,      /* the issuer, or Stripe's own guard, said no */
    STRIPE_ERROR_LATER,         /* not executed: too many requests, or the key is refused */
    STRIPE_ERROR_IN_USE,        /* a request with this idempotency key is at work */
    STRIPE_ERROR_OTHER_REQUEST, /* the idempotency key was used for another request */
    STRIPE_ERROR_STATE,         /* the object is not in a state for this */
    STRIPE_ERROR_REQUEST,       /* not executed: the request is wrong */
    STRIPE_ERROR_SERVER,        /* may have been executed */
};

/* `error` is the member "error", NULL when there is none. */
enum stripe_error_kind stripe_error_kind(int32_t status, const json_t *error);

/*
 * Of a request that takes no money, by its reply alone: SUCCEEDED for a 200, FAILED for whatever
 * says that it was refused, a decline too.  `body` may be NULL.
 */
enum gateway_outcome stripe_reply_outcome(const struct http_exchange_reply *reply,
                                          const json_t *body);

/* Status, type, codes and request id; no message, which may quote what was sent. */
const char *stripe_error_evidence(struct arena *arena, const struct http_exchange_reply *reply,
                                  const json_t *error);

/* decline_code, network_decline_code and advice of an error object. */
void stripe_read_decline(struct arena *arena, const json_t *error, struct gateway_answer *answer);
