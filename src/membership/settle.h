/*
 * Settling the payment of an invoice.
 */
#pragma once

#include "membership/membership_store.h"

/* What whoever sent the charge knows without reading; the version of the membership guards it. */
struct invoice_known {
    int64_t now_us;
    struct membership membership;
    struct invoice invoice; /* as far as settling needs it */
};

/*
 * Records the gateway's answer with all that follows.  `*after` is the membership as it then
 * stands: unchanged when the outcome is not known, or when somebody else had recorded it.
 * `known` NULL: it is read.
 */
const struct error *invoice_settle(struct call *call, const struct charge *charge,
                                   const struct gateway_answer *answer,
                                   const struct invoice_known *known, struct membership *after)
    MUST_CHECK;
