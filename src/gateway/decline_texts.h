/*
 * The sentences that a customer may read about a decline, in every language that we speak.
 */
#pragma once

#include "gateway/decline.h"

typedef const char *const decline_sentence[DECLINE_LANGUAGE_COUNT];

/* What suspected fraud, lost and stolen cards get, too: it tells a thief nothing. */
extern decline_sentence decline_says_general;

extern decline_sentence decline_says_bank, decline_says_passing, decline_says_support,
    decline_says_number, decline_says_cvc, decline_says_expiry, decline_says_expired,
    decline_says_postcode, decline_says_pin, decline_says_funds, decline_says_limit,
    decline_says_kind, decline_says_currency, decline_says_confirm, decline_says_renewed;
