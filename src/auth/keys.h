/*
 * The keys of auth: the one that signs access tokens and the one of the device authority.
 *
 * They are made by the first server that starts on an empty database, rest there sealed
 * in table signing_key, and are the same for every server and after every
 * restart.
 */
#pragma once

#include "base/house.h"
#include "crypto/es256.h"

struct auth_keys;

/* One key that verifies our access tokens; the first of the list also signs. */
struct token_key {
    char kid[ES256_THUMBPRINT_SIZE]; /* its thumbprint */
    struct ec_key *key;
};

/*
 * Loads the keys, making what is missing.  For start-up: blocks a plain thread while a fiber of
 * house->fibers asks house->pg; needs settings, clock, random, secrets and vault too.  NULL and one
 * line in `problem` when the database is away or the master key is not the one that sealed them.
 */
struct auth_keys *auth_keys_open(const struct house *house, char problem[256]);
void auth_keys_close(struct auth_keys *keys);

const struct token_key *auth_keys_signing(const struct auth_keys *keys);

/* All that verify; one array, newest first. */
size_t auth_keys_count(const struct auth_keys *keys);
const struct token_key *auth_keys_at(const struct auth_keys *keys, size_t index);

/* The authority of devices.  The TLS layer must trust it beside settings.tls_client_ca. */
const char *auth_keys_device_ca_pem(const struct auth_keys *keys);
const struct ec_key *auth_keys_device_ca_key(const struct auth_keys *keys);
