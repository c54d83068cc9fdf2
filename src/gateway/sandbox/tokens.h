/*
 * The sandbox's cards: what each token does when it is charged or refunded.  Names and last digits
 * are those of Stripe's test cards where there is one.
 */
#pragma once

#include <stddef.h>

enum sandbox_behaviour {
    SANDBOX_APPROVES,
    SANDBOX_DECLINES,
    SANDBOX_AUTHENTICATES,        /* on session; off session it is declined */
    SANDBOX_LOSES_ANSWER,         /* charges, and the answer never comes */
    SANDBOX_LOSES_REQUEST,        /* the first send is lost, the second charges */
    SANDBOX_DECLINES_FROM_SECOND, /* counted by stored payment method */
    SANDBOX_REFUND_PENDS,         /* a refund is accepted at the second asking */
    SANDBOX_REFUND_FAILS,
};

struct sandbox_token {
    const char *name;
    const char *alias; /* "" when none */
    const char *brand;
    const char *last4;
    enum sandbox_behaviour behaviour;
    const char *decline_code; /* of charges, or of refunds for SANDBOX_REFUND_FAILS */
};

/*
 * NULL when there is no such token.  What describe() makes of a token that counts its charges,
 * `<name>.<id>`, is found too.
 */
const struct sandbox_token *sandbox_token_find(const char *token);

/* Length of the name within `<name>.<id>`. */
size_t sandbox_token_length(const char *token);
