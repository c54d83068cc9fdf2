/*
 * Amounts as people write them, "3.00" and "3.00 USD", and as they read them.
 */
#pragma once

#include "base/arena.h"
#include "dues/type/v1/money.pb-c.h"

/* The currency that the text names, in the arena; "" when it names none. */
const char *amount_currency(struct arena *arena, const char *text);

/*
 * Minor units of the text, whose currency is known by now.  It must have the currency's decimals,
 * all of them: "3" could be three dollars or three cents.  NULL, or what is wrong, in the arena.
 */
const char *amount_read(struct arena *arena, const char *text, const char *currency,
                        int64_t *minor_units);

/* "3.00 USD"; "-" for none. */
const char *amount_text(struct arena *arena, const Dues__Type__V1__Money *money);
