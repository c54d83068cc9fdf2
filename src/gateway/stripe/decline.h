/*
 * Stripe's words for a "no", as the house's names (gateway/decline.h).
 */
#pragma once

/* `decline_code` of the issuer first, else `code` of Stripe; never "". */
const char *stripe_decline(const char *decline_code, const char *code);

/* Of a charge that Stripe did not take at all; `code` of its error. */
const char *stripe_request_decline(const char *code);

/* Of a refund that Stripe did not take: Stripe's own word where it has one, else as of a charge. */
const char *stripe_refund_refusal(const char *code);

/* Of a refund that failed: no bank's decline, so Stripe's own word; "unknown" for what is none. */
const char *stripe_refund_decline(const char *failure_reason);
