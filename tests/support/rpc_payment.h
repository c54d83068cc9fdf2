/*
 * Payments and refunds asked for through the API, and what tests say about the answers.
 */
#pragma once

#include "support/rpc_membership.h"
#include "support/rpc_world.h"

typedef Dues__Payment__V1__Payment Payment;
typedef Dues__Payment__V1__Refund Refund;
typedef Dues__Payment__V1__PaymentMethod PaymentMethod;

#define PAYMENT_STATE(state) DUES__PAYMENT__V1__PAYMENT__STATE__STATE_##state
#define REFUND_STATE(state)  DUES__PAYMENT__V1__REFUND__STATE__STATE_##state

/* A customer with one card. */
struct payer {
    const char *customer; /* "customers/…" */
    const char *card;     /* "customers/…/paymentMethods/…" */
};

struct payer given_payer(struct rpc_fixture *f, const char *token);

const struct dues_answer *ask_payment_service(struct rpc_fixture *f, struct rpc_as as,
                                              const char *method, const ProtobufCMessage *request);

/* 9.99 USD by service-billing. */
const struct dues_answer *ask_payment(struct rpc_fixture *f, struct payer payer,
                                      const char *request_id);
/* With everything that CreatePayment reads. */
struct payment_wish {
    struct rpc_as as;
    const char *parent;
    const char *payment_method;
    const char *currency;
    int64_t minor_units;
    const char *description;
    int32_t capture_mode;
    const char *request_id;
};
struct payment_wish wish_of(struct payer payer, const char *request_id);
const struct dues_answer *ask_wished(struct rpc_fixture *f, const struct payment_wish *wish);

/* A payment of 9.99 USD in state SUCCEEDED; its name. */
const char *given_payment(struct rpc_fixture *f, struct payer payer);

/* A payment of 9.99 USD in state REQUIRES_CAPTURE; its name. */
const char *given_held(struct rpc_fixture *f, struct payer payer);

/* `minor_units` 0: all that is left. */
const struct dues_answer *ask_capture(struct rpc_fixture *f, const char *payment,
                                      int64_t minor_units, bool is_final, const char *request_id);
const struct dues_answer *ask_cancel_payment(struct rpc_fixture *f, const char *payment,
                                             const char *request_id);
const struct dues_answer *ask_confirm(struct rpc_fixture *f, struct rpc_as as, const char *payment);
const Payment *payment_now(struct rpc_fixture *f, const char *payment);

/*
 * Brings the server's clock back to the present.  What an unknown outcome owes falls due by the
 * database's clock, five seconds later at least: from here on never, until a test moves the clock.
 */
void resolver_rests(struct rpc_fixture *f);

/* A number of the payment's customer: "sum(amount) FROM dues.ledger_entry". */
int64_t number_of(struct rpc_fixture *f, const char *customer, const char *columns_from);

/* `minor_units` 0: all that is left. */
const struct dues_answer *ask_refund(struct rpc_fixture *f, const char *payment,
                                     int64_t minor_units, const char *request_id);
/* In state SUCCEEDED; its name. */
const char *given_refund(struct rpc_fixture *f, const char *payment, int64_t minor_units);

/* GetPaymentMethod, GetPayment, GetRefund. */
const struct dues_answer *ask_payment_by_name(struct rpc_fixture *f, struct rpc_as as,
                                              const char *method, const char *name);

/* ListPaymentMethods, ListPayments (with `filter`), ListRefunds. */
const struct dues_answer *ask_payment_list(struct rpc_fixture *f, struct rpc_as as,
                                           const char *method, const char *parent,
                                           int32_t page_size, const char *page_token,
                                           const char *filter);

/*
 * Runs `ask`, which repeats a request, in a thread: it has seen that the request is running, and
 * waits for the table, "payment" or "refund", when the recorded answer comes: a message whose first
 * field is "x".  `customer` is the id alone.
 */
void meet_settlement(struct rpc_fixture *f, const char *table, const char *customer,
                     void *(*ask)(void *arg), void *arg);

/* Ends the program unless the answer is OK. */
const void *must_reply(const struct dues_answer *answer);

/* Names the trailer `idempotent-replayed: true`. */
bool is_replayed(const struct dues_answer *answer);
