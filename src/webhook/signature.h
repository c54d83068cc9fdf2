/*
 * Secrets and signatures as Standard Webhooks 1.0.0 writes them.
 */
#pragma once

#include "crypto/ed25519.h"
#include "webhook/webhook.h"

/* The secret, or the seed of the key pair: random bytes either way. */
#define WEBHOOK_KEY_SIZE ED25519_SEED_SIZE

/* A new secret or key pair of the endpoint, sealed; `*shown`: "whsec_…", or "" with Ed25519. */
const struct error *webhook_key_make(struct call *call, struct uuid endpoint, bool is_ed25519,
                                     struct webhook_key *key, const char **shown) MUST_CHECK;

/* "whpk_…"; "" when there is no public key. */
const char *webhook_public_text(struct arena *arena, struct bytes public_key);

/* "v1,<base64>" or "v1a,<base64>" of `id.timestamp.body`. */
const char *webhook_sign(struct arena *arena, bool is_ed25519, struct bytes key, const char *id,
                         int64_t timestamp_s, const char *body);

/*
 * The header webhook-signature: one with the present key, and one with the key before as long as
 * that signs too.
 */
const struct error *webhook_signatures(struct call *call, const struct webhook_endpoint *endpoint,
                                       const char *id, int64_t timestamp_s, const char *body,
                                       const char **header) MUST_CHECK;
