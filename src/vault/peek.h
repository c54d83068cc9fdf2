/*
 * Opening what was read without a vault: for `duesd doctor`, which changes nothing.
 */
#pragma once

#include "crypto/key_ring.h"

/* The house's data key. */
bool vault_peek_house_key(struct arena *arena, const struct key_ring *ring, struct bytes wrapped,
                          struct data_key *key) MUST_CHECK;

/* The key in PEM.  `secrets`: for what was sealed before there were data keys. */
bool vault_peek_signing_key(struct arena *arena, const struct data_key *key,
                            const struct secrets *secrets, const char *kind, int64_t generation,
                            struct bytes sealed, struct bytes *pem) MUST_CHECK;

/* A key of table gateway_key. */
bool vault_peek_gateway_key(struct arena *arena, const struct data_key *key, const char *name,
                            int64_t generation, struct bytes sealed, const char **text) MUST_CHECK;

/* The root, in place of the one that secrets has. */
bool vault_peek_root(struct arena *arena, const struct data_key *key, struct bytes sealed,
                     struct secrets *secrets) MUST_CHECK;
