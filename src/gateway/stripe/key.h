/*
 * Stripe's API key in memory: pages that are neither swapped nor dumped, and changed at any time
 * under who uses it.  Within stripe/ only.
 */
#pragma once

#include <stdbool.h>

#define STRIPE_SECRET_MAX 255

struct stripe_key;

bool stripe_key_text_is_live(const char *text);

struct stripe_key *stripe_key_new(const char *text);
void stripe_key_free(struct stripe_key *key);

/* Requests from now on have the other one. */
void stripe_key_change(struct stripe_key *key, const char *text);

/* A copy, to be wiped. */
void stripe_key_copy(struct stripe_key *key, char text[STRIPE_SECRET_MAX + 1]);
