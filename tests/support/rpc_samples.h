/*
 * One request of every RPC that is accepted as it stands, for tests that go through all of them.
 * A test over the tables fails for an RPC that has no sample, so a new one cannot be forgotten.
 */
#pragma once

#include "base/method.h"
#include "support/rpc_request.h"

/* What the samples speak of.  Made by the test through the API; names as the server gave them. */
struct sample_world {
    const char *customer; /* of the user `user` */
    const char *user;
    const char *email;
    const char *password;
    const char *refresh_token;    /* of somebody, used once */
    const char *payment_method;   /* of `customer`: tok_visa, its default */
    const char *spare_method;     /* of `customer`: another, that nothing rests on */
    const char *payment;          /* of `customer`: SUCCEEDED, 1000.00 USD, 10.00 refunded */
    const char *refund;           /* of `payment` */
    const char *dispute;          /* of `customer`: NEEDS_RESPONSE */
    const char *doomed_dispute;   /* another, to be accepted */
    const char *held_payment;     /* of `customer`: REQUIRES_CAPTURE, 1000.00 USD */
    const char *doomed_payment;   /* another, to be canceled */
    const char *membership;       /* of `customer`: ACTIVE */
    const char *free_customer;    /* has no membership */
    const char *free_method;      /* of `free_customer` */
    const char *test_clock;       /* stands at 2026-01-01 */
    const char *doomed_clock;     /* another, to be deleted */
    const char *webhook_endpoint; /* wants no event that there is */
    const char *doomed_endpoint;  /* another, to be deleted */
    const char *webhook_delivery; /* to `webhook_endpoint`, of `customer` */
    const char *incident;         /* of `customer` */
    const char *csr;
    uint64_t counter; /* makes every {new} another */
};

/* Values of one request; placeholders are replaced.  Texts live in `store`. */
#define SAMPLE_STORE_SIZE 16384

struct sample_store {
    char text[SAMPLE_STORE_SIZE];
    size_t used;
};

/* False: there is no sample for `method` ("CreatePayment") of `service` ("dues.payment.v1…"). */
bool sample_make(const char *service, const char *method, struct sample_world *world,
                 struct sample_store *store, struct request *request);

/* "{customer}/x" with the placeholders replaced; in `store`. */
const char *sample_text(struct sample_world *world, struct sample_store *store, const char *text);
