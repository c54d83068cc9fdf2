/*
 * The sandbox's cards: what each token does when it is charged or refunded.  Names and last digits
 * are those of Stripe's test cards where there is one.
 */
#pragma once

#include <stddef.h>

enum sandbox_behaviour {
    SANDBOX_APPROVES,
    SANDBOX_DECLINES,
    SANDBOX_AUTHENTICATES,        /* wants the customer, who never comes; off session: declined */
    SANDBOX_AUTHENTICATED,        /* wants the customer, who has done it when asked about it */
    SANDBOX_AUTHENTICATED_APP,    /* the same, with a secret for the app instead of a page */
    SANDBOX_AUTHENTICATION_FAILS, /* wants the customer, and is then declined */
    SANDBOX_LOSES_ANSWER,         /* charges, and the answer never comes */
    SANDBOX_LOSES_REQUEST,        /* the first send is lost, the second charges */
    SANDBOX_DECLINES_FROM_SECOND, /* counted by stored payment method */
    SANDBOX_REFUND_PENDS,         /* a refund is accepted at the second asking */
    SANDBOX_REFUND_FAILS,
    SANDBOX_REFUND_FAILS_LATER, /* the bank sends it back: seen when it is asked about */
    SANDBOX_CAPTURE_FAILS,      /* authorizes, and declines each capture */
    SANDBOX_DISPUTED_FRAUD,     /* charges, and the cardholder says that it was somebody else */
    SANDBOX_DISPUTED_GOODS,     /* … that nothing was delivered */
    SANDBOX_DISPUTED_INQUIRY,   /* the bank only asks, at first */
    SANDBOX_DISPUTED_TWICE,     /* two disputes, of a half each */
};

struct sandbox_token {
    const char *name;
    const char *alias; /* "" when none */
    const char *brand;
    const char *last4;
    enum sandbox_behaviour behaviour;
    const char *decline_code; /* of charges, refunds, captures: what the behaviour declines */
};

/*
 * NULL when there is no such token.  What describe() makes of a token that counts its charges,
 * `<name>.<id>`, is found too.
 */
const struct sandbox_token *sandbox_token_find(const char *token);

/* What the card network says with a decline code: two characters, or "". */
const char *sandbox_network_code(const char *decline_code);
/* The advice that comes with a decline code, or "". */
const char *sandbox_advice(const char *decline_code);

/* Length of the name within `<name>.<id>`. */
size_t sandbox_token_length(const char *token);
