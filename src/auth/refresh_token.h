/*
 * Refresh tokens: "dr1_" and base64url of customer ‖ session ‖ generation ‖ HMAC of those.  The
 * HMAC (256 bits, under a key of its own) makes it a secret that nobody guesses; being a function
 * of session and generation, it gives a repeated refresh the same successor without being stored.
 * The database holds only its SHA-256.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/call.h"
#include "crypto/secrets.h"

/* "dr1_" and 91 characters. */
#define REFRESH_TOKEN_LENGTH_MAX 128

struct refresh_token {
    struct uuid customer;
    struct uuid session;
    int32_t generation; /* 1 for the first of a session */
    const char *text;
    uint8_t hash[SHA256_SIZE]; /* of the text */
};

void refresh_token_make(struct call *call, struct uuid customer, struct uuid session,
                        int32_t generation, struct refresh_token *token);

/* False when we never made it. */
bool refresh_token_read(struct call *call, const char *text, struct refresh_token *token);
