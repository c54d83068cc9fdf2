/*
 * Disputes: a cardholder's bank takes money of a payment back, we give evidence or give in, the
 * bank decides.  What the gateway says now is the truth; whoever hears of a dispute calls
 * dispute_learned.
 */
#pragma once

#include <stdbool.h>

#include "base/call.h"
#include "gateway/gateway.h"

/*
 * Asks the gateway how the dispute stands and makes ours stand so: row, payment, ledger and event,
 * in one commit.  In any order, any number of times, also before the payment is known to have
 * succeeded.  `*is_known` false: there is no attempt of ours behind it (yet), or no such dispute.
 * UNAVAILABLE when the gateway says nothing now.
 */
const struct error *dispute_learned(struct call *call, const struct gateway *gateway,
                                    const char *id, bool *is_known) MUST_CHECK;
