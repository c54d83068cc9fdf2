/*
 * Disputes in tests: how the server comes to know of them, and what is asked about them.
 */
#pragma once

#include "support/rpc_payment.h"

typedef Dues__Payment__V1__Dispute Dispute;
typedef Dues__Payment__V1__ListDisputesResponse DisputeList;

#define DISPUTE_STATE(state) DUES__PAYMENT__V1__DISPUTE__STATE__STATE_##state

/* The server looks for disputes at its gateways and learns each one there is, known or not. */
void learn_disputes(struct rpc_fixture *f);

/* A payment of 9.99 USD with a card of `token`, and its newest dispute. */
const Dispute *given_dispute(struct rpc_fixture *f, const char *token);

const struct dues_answer *ask_dispute(struct rpc_fixture *f, struct rpc_as as, const char *name);
const Dispute *dispute_now(struct rpc_fixture *f, const char *name);
const struct dues_answer *ask_disputes(struct rpc_fixture *f, struct rpc_as as, const char *parent,
                                       int32_t page_size, const char *page_token,
                                       const char *filter, const char *payment);
/* The newest of the customer. */
const Dispute *newest_dispute(struct rpc_fixture *f, const char *customer);

/* Evidence of this uncategorized text. */
const struct dues_answer *ask_evidence(struct rpc_fixture *f, const char *dispute, const char *text,
                                       const char *request_id);
const struct dues_answer *ask_acceptance(struct rpc_fixture *f, const char *dispute,
                                         const char *request_id);

/* What stands on an account of the customer, in minor units. */
int64_t balance_of(struct rpc_fixture *f, const char *customer, const char *account);

/* How many events of this type the customer has. */
int64_t event_count(struct rpc_fixture *f, const char *customer, const char *type);

/* "customers/…" of whatever belongs to it. */
const char *customer_of(struct rpc_fixture *f, const char *name);
