/*
 * What tests ask of stored cards: with or without consent, changed, deleted.
 */
#pragma once

#include "support/rpc_payment.h"

typedef Dues__Payment__V1__Mandate Mandate;

#define CARD_STATE(state)   DUES__PAYMENT__V1__PAYMENT_METHOD__STATE__STATE_##state
#define MANDATE_TYPE(which) DUES__PAYMENT__V1__MANDATE__TYPE__TYPE_##which

/* By service-billing; `mandate` NULL: the customer agreed to nothing. */
const struct dues_answer *ask_card_with(struct rpc_fixture *f, const char *customer,
                                        const char *token, Mandate *mandate);
/* Without consent; its name. */
const char *given_bare_card(struct rpc_fixture *f, const char *customer, const char *token);

/* RECURRING, text "terms-2". */
Mandate *recurring_mandate(struct rpc_fixture *f);

/* `mask` with commas: "is_default,mandate". */
struct card_change {
    const char *mask;
    bool is_default;
    int32_t exp_month;
    int32_t exp_year;
    Mandate *mandate;
    const char *request_id; /* NULL: none */
};
const struct dues_answer *ask_card_change(struct rpc_fixture *f, struct rpc_as as, const char *card,
                                          struct card_change change);
/* It must succeed. */
const PaymentMethod *change_card(struct rpc_fixture *f, const char *card,
                                 struct card_change change);

const struct dues_answer *ask_card_deletion(struct rpc_fixture *f, struct rpc_as as,
                                            const char *card, const char *request_id);

/* As it stands now. */
const PaymentMethod *card_now(struct rpc_fixture *f, const char *card);

/* Charges that were begun: what the gateway was asked at most. */
int64_t tries_of(struct rpc_fixture *f, const char *customer);

/* Events of this type, by their sequence in the database. */
int64_t events_of(struct rpc_fixture *f, const char *customer, const char *type);
