/*
 * Objects as they are born: every member that the real one shows, most of them null.
 */
#pragma once

#include "simulator/stripe/internal.h"

struct stripe_shape {
    const char *kind;   /* "payment_intent" */
    const char *prefix; /* "pi_" */
    const char *text;   /* JSON */
};

extern const struct stripe_shape stripe_shapes[TEMPLATE_COUNT];
