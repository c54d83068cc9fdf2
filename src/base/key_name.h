/*
 * Names of the keys by which gateways know us and we them: those who store them and those who are
 * asked for them on a command line have the same.
 */
#pragma once

#define GATEWAY_KEY_STRIPE         "stripe"         /* the API key */
#define GATEWAY_KEY_STRIPE_WEBHOOK "stripe-webhook" /* signs what Stripe sends */

#define GATEWAY_KEY_NAMES                                                                          \
    {                                                                                              \
        GATEWAY_KEY_STRIPE, GATEWAY_KEY_STRIPE_WEBHOOK                                             \
    }
#define GATEWAY_KEY_ABSENT                                                                         \
    "there is no such key; the names are " GATEWAY_KEY_STRIPE " and " GATEWAY_KEY_STRIPE_WEBHOOK
