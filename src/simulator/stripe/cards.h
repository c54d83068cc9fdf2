/*
 * Stripe's test cards and what they do.  A card is known by its number or by its alias: a payment
 * method pm_card_<alias>, a token tok_<alias>.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum card_challenge {
    CHALLENGE_NEVER,
    CHALLENGE_UNLESS_SET_UP, /* off session not, once it was set up for that */
    CHALLENGE_ALWAYS,
    CHALLENGE_ON_SESSION,   /* as if it had been set up */
    CHALLENGE_ON_WISH,      /* when request_three_d_secure says so */
    CHALLENGE_WISH_BROKEN,  /* when it says so, the look-up fails, and with it the payment */
    CHALLENGE_FRICTIONLESS, /* authenticated without the customer */
    CHALLENGE_BROKEN,       /* the look-up fails, and with it the payment */
};

enum card_dispute {
    DISPUTE_NEVER,
    DISPUTE_FRAUDULENT,
    DISPUTE_NOT_RECEIVED,
    DISPUTE_INQUIRY,
    DISPUTE_WARNING, /* an early fraud warning, no dispute */
    DISPUTE_TWICE,
};

enum card_refund { REFUND_AT_ONCE, REFUND_PENDING, REFUND_FAILS };

struct stripe_card {
    const char *number;
    const char *alias;
    const char *brand;
    const char *funding;
    const char *decline_code; /* of every charge; NULL: it is approved */
    const char *risk_level;   /* NULL: normal */
    const char *cvc_check;    /* NULL: pass */
    const char *zip_check;
    const char *line1_check;
    enum card_challenge challenge;
    enum card_dispute dispute;
    enum card_refund refund;
    bool is_blocked;   /* by the gateway itself */
    bool attaches;     /* although it is declined */
    bool is_available; /* its money is available at once */
};

/* NULL: no test card has this number. */
const struct stripe_card *stripe_card_by_number(const char *number);

/* With or without "visa_" in front; NULL: there is none. */
const struct stripe_card *stripe_card_by_alias(const char *alias);

bool stripe_luhn(const char *number);

/* What is said of a decline. */
struct stripe_decline {
    const char *decline_code;
    const char *code; /* the error's own code: "card_declined", "expired_card" … */
    const char *message;
    const char *advice;       /* NULL: none */
    const char *network_code; /* of the card network; NULL: it was not asked */
};

/* Never NULL: an unknown code is a generic decline with that name. */
struct stripe_decline stripe_decline_of(const char *decline_code);
