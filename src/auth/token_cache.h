/*
 * Access tokens whose signature was verified here not long ago: verifying costs more than all the
 * rest of a call.  Found by the SHA-256 of the whole token, so only the very same bytes are found;
 * certificate, session and times are looked at on every call all the same.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/id.h"
#include "crypto/secrets.h"

/* Longer scopes are not kept. */
#define TOKEN_CACHE_SCOPE_MAX 255

struct verified_token {
    uint8_t hash[SHA256_SIZE];
    uint8_t certificate_hash[SHA256_SIZE];
    struct uuid user;
    struct uuid session;
    int64_t issued_s;
    int64_t not_before_s;
    int64_t expires_s;
    char scope[TOKEN_CACHE_SCOPE_MAX + 1];
};

struct token_cache;

struct token_cache *token_cache_open(void);
void token_cache_close(struct token_cache *cache);

bool token_cache_find(struct token_cache *cache, const uint8_t hash[SHA256_SIZE],
                      struct verified_token *token);
void token_cache_put(struct token_cache *cache, const struct verified_token *token);
