/*
 * The gateways that the configuration names.
 */
#pragma once

#include "base/house.h"
#include "gateway/gateway.h"
#include "gateway/stripe/stripe.h"
#include "house_open.h"

struct sandbox;

struct house_gateways {
    struct gateways list;
    struct sandbox *sandbox; /* NULL: not configured, as the next */
    struct stripe *stripe;
};

/* False and one line in `problem`; what was opened is closed by house_gateways_close. */
bool house_gateways_open(const struct house *house, struct house_gateways *gateways,
                         char problem[HOUSE_PROBLEM_SIZE]);
void house_gateways_close(struct house_gateways *gateways);

/* What the settings say of Stripe; without a log. */
struct stripe_options house_stripe_options(const struct settings *settings);
