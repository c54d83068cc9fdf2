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
    const struct house *house;
    struct watch *watch;       /* of new keys */
    int64_t stripe_generation; /* of the key in use */
    int64_t keys_version;      /* of what was read last */
};

/* False and one line in `problem`; what was opened is closed by house_gateways_close. */
bool house_gateways_open(const struct house *house, struct house_gateways *gateways,
                         char problem[HOUSE_PROBLEM_SIZE]);
/* From now on new keys are taken up within a second. */
void house_gateways_start(struct house_gateways *gateways);
void house_gateways_close(struct house_gateways *gateways);

/* What the settings say of Stripe, with this key; without a log. */
struct stripe_options house_stripe_options(const struct settings *settings, const char *key);
