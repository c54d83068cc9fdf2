/*
 * Bodies and queries as Stripe takes them: application/x-www-form-urlencoded.  The same fields in
 * the same order make the same bytes.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"

#define STRIPE_FORM_SIZE_MAX ((size_t)8 * 1024)

/* Zero but for the arena at first. */
struct stripe_form {
    struct arena *arena;
    char *text; /* NULL while empty */
    size_t size;
    size_t capacity; /* of the text */
    size_t size_max; /* 0: STRIPE_FORM_SIZE_MAX */
};

/* Everything but letters, digits and "-._~" is percent-encoded.  Past the limit is our bug. */
void form_add(struct stripe_form *form, const char *name, const char *value);
void form_add_number(struct stripe_form *form, const char *name, int64_t value);
