/*
 * Amounts as Stripe counts them: its decimals differ from ISO 4217's for some currencies.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/attributes.h"
#include "base/money.h"

/* False: Stripe does not take the currency, or not this fraction of it. */
bool stripe_amount(struct money money, int64_t *units) MUST_CHECK;

/* `currency` in lower case as Stripe writes it.  False: unknown, or not to be told in our units. */
bool stripe_money(const char *currency, int64_t units, struct money *money) MUST_CHECK;

/*
 * The same of what Stripe computes, fees above all: they keep decimals that ISO 4217 does not have.
 * To the nearest minor unit, half a unit away from zero.
 */
bool stripe_money_rounded(const char *currency, int64_t units, struct money *money) MUST_CHECK;
