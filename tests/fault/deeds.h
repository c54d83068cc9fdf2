/*
 * What a worker of the load does: customers and their cards, payments of every kind and what
 * follows from them, memberships and their months.
 */
#pragma once

#include "worker.h"

extern const struct worker_card deed_cards_of_sandbox[];
extern const struct worker_card deed_cards_of_stripe[];

/* One thing at random. */
void deed_something(struct worker *worker);

/* One payment and what follows from it: a share of the load at a fixed rate. */
void deed_payment(struct worker *worker);

/* Asks until there is a customer, and a clock for the members; gives up when stopped. */
void deed_first_customer(struct worker *worker);
void deed_first_clock(struct worker *worker);
