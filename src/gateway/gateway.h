/*
 * A payment gateway as the house sees it: one interface, one folder an implementation.
 *
 * `send` classifies what came back as one of enum gateway_outcome; whoever calls it has already
 * committed "a request may have left".  The same request with the same idempotency key may be sent
 * again within `resend_window_us`; the gateway then answers what happened the first time.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/call.h"
#include "base/money.h"

enum gateway_operation { GATEWAY_CHARGE, GATEWAY_REFUND };

enum gateway_outcome {
    GATEWAY_SUCCEEDED,
    GATEWAY_DECLINED,        /* the issuer said no */
    GATEWAY_REQUIRES_ACTION, /* 3-D Secure: the customer must do something */
    GATEWAY_FAILED,          /* not executed and never will be: the request is wrong */
    GATEWAY_NOT_SENT,        /* certainly nothing left: same key again, later */
    GATEWAY_IN_FLIGHT,       /* the gateway works on this key: same key again, later */
    GATEWAY_UNKNOWN,         /* may have happened: resolve, never assume */
};

#define GATEWAY_KEY_LENGTH_MAX 64

struct gateway_request {
    enum gateway_operation operation;
    const char *idempotency_key; /* a pure function of the attempt */
    const char *reference;       /* the attempt's id, so that a query can find it */
    struct money amount;
    const char *token;              /* charge: the payment method's token at this gateway */
    const char *charge_transaction; /* refund: the transaction to give back from */
    bool off_session;               /* the customer is not there (renewals) */
};

struct gateway_answer {
    enum gateway_outcome outcome;
    const char *transaction;  /* the gateway's id; "" when none */
    struct money amount;      /* as the gateway says; must equal the request's */
    const char *decline_code; /* a name of payment/decline.c; "" unless declined */
    const char *evidence;     /* short text for the attempt's row; no secrets */
};

#define GATEWAY_TOKEN_LENGTH_MAX 255

/* What a token stands for: what to charge from now on, and the rest for display only (PCI
 * DSS 3.4.1). */
struct gateway_card {
    char token[GATEWAY_TOKEN_LENGTH_MAX +
               1];  /* a gateway may exchange the form's token for its own */
    char brand[16]; /* "visa" */
    char last4[5];
    int32_t exp_month;
    int32_t exp_year;
};

struct gateway {
    const char *name; /* "sandbox": stored with each attempt */
    int64_t resend_window_us;
    /* INVALID_ARGUMENT INVALID_FIELD payment_method.gateway_token when the gateway does not know
     * it. */
    const struct error *(*describe)(const struct gateway *gateway, struct call *call,
                                    const char *token, struct gateway_card *card);
    /* Parks the fiber as long as it takes, at most the gateway timeout. */
    void (*send)(const struct gateway *gateway, struct call *call,
                 const struct gateway_request *request, struct gateway_answer *answer);
    /* Did a request with this key ever execute?  GATEWAY_FAILED: certainly not. */
    void (*query)(const struct gateway *gateway, struct call *call,
                  const struct gateway_request *request, struct gateway_answer *answer);
    void *state;
};

#define GATEWAYS_MAX 8

struct gateways {
    const struct gateway *list[GATEWAYS_MAX]; /* the first is where new payment methods go */
    int32_t count;
};

/* "SUCCEEDED", "DECLINED" …: what the step functions understand. */
const char *gateway_outcome_name(enum gateway_outcome outcome);

/* NULL when no gateway has this name. */
const struct gateway *gateway_find(const struct gateways *gateways, const char *name);
