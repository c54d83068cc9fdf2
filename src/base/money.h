/*
 * Money is int64 minor units and an ISO 4217 code.  There is no floating point anywhere.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* The largest amount of one payment, in minor units (10^12); sums have room to 10^15. */
#define MONEY_MINOR_UNITS_MAX 1000000000000LL

struct money {
    char currency[4]; /* upper case, NUL-terminated */
    int64_t minor_units;
};

/* True for an active ISO 4217 code of the table; `exponent` may be NULL (USD 2, JPY 0, BHD 3). */
bool currency_known(const char *code, int *exponent);

/* The code must be known: anything else is a bug and aborts. */
struct money money_make(const char *currency, int64_t minor_units);

bool money_same_currency(struct money a, struct money b);

/* False on overflow or different currencies; `*sum` is then untouched. */
bool money_add(struct money a, struct money b, struct money *sum);
bool money_subtract(struct money a, struct money b, struct money *difference);

/* "9.99 USD" for people; 32 bytes are enough for every amount. */
#define MONEY_TEXT_SIZE 32
void money_format(struct money money, char text[MONEY_TEXT_SIZE]);

/*
 * The share of `price` for the part of the period before `elapsed_us`, rounded half away from zero
 * in exact integers.  share(t1) - share(t0) over any cutting sums to the price.
 */
int64_t money_share(int64_t price, int64_t elapsed_us, int64_t period_us);
