/*
 * The form of our access tokens: a JWT signed with ES256, compact serialisation.  Says whether one
 * is ours and what is in it; whether it is good for this call, token.c decides.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "auth/keys.h"
#include "base/id.h"
#include "crypto/secrets.h"

struct jwt_claims {
    const char *issuer;
    const char *audience;
    const char *client; /* client_id: identity of the certificate */
    const char *scope;
    struct uuid user;
    struct uuid session;
    struct uuid id;
    int64_t issued_s; /* whole seconds since 1970 */
    int64_t not_before_s;
    int64_t expires_s;
    uint8_t certificate_hash[SHA256_SIZE]; /* cnf.x5t#S256 */
};

char *jwt_make(struct arena *arena, const struct token_key *key, const struct jwt_claims *claims);

/*
 * NULL when the token is whole, signed by one of `keys`, and its claims are all there and well
 * formed; otherwise why not, for the log.  Nothing of the token is parsed as JSON before its
 * signature has been verified.
 */
const char *jwt_read(struct arena *arena, const struct token_key *keys, size_t key_count,
                     const char *text, struct jwt_claims *claims);
