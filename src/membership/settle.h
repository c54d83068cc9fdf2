/*
 * Settling the payment of an invoice.
 */
#pragma once

#include "membership/membership_store.h"

/*
 * Records the gateway's answer with all that follows.  `*after` is the membership as it then
 * stands: unchanged when the outcome is not known, or when somebody else had recorded it.
 */
const struct error *invoice_settle(struct call *call, const struct charge *charge,
                                   const struct gateway_answer *answer, struct membership *after)
    MUST_CHECK;
