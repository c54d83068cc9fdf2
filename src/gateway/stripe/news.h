/*
 * Stripe's events as news.  Within stripe/, and for its tests.
 */
#pragma once

#include "gateway/gateway.h"
#include "gateway/stripe/signature.h"
#include "gateway/stripe/stripe.h"

/* False: it is no event of this mode. */
bool stripe_read_event(struct arena *arena, bool is_live, struct bytes body,
                       struct gateway_news *news);

enum gateway_letter_verdict stripe_read_news(const struct gateway *gateway, struct call *call,
                                             const struct gateway_letter *letter,
                                             struct gateway_news *news);
enum gateway_outcome stripe_find_owner(const struct gateway *gateway, struct call *call,
                                       const struct gateway_news *news,
                                       struct gateway_owner *owner);
