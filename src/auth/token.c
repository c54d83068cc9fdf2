/*
 * Access tokens, made and verified.  The order of verification is the order of trust: form and
 * signature, for whom, over which connection, does the session live, when.
 */

#include "auth/token.h"

#include "auth/auth_internal.h"
#include "auth/jwt.h"
#include "auth/session_cache.h"
#include "auth/token_cache.h"
#include "base/settings.h"
#include "base/text.h"

/* Clocks of two servers may differ by this much. */
#define SKEW_SECONDS 60

struct access_token token_make(struct call *call, struct uuid user, struct uuid session,
                               int64_t now_us)
{
    const struct settings *settings = call->house->settings;
    int64_t now_s = now_us / US_PER_SECOND;
    struct jwt_claims claims = {
        .issuer = settings->token_issuer,
        .audience = settings->token_audience,
        .client = call->caller.spiffe_id,
        .scope = TOKEN_USER_SCOPE,
        .user = user,
        .session = session,
        .id = uuid_make(call->house->random, now_us),
        .issued_s = now_s,
        .not_before_s = now_s,
        .expires_s = now_s + settings->access_token_seconds,
    };
    memcpy(claims.certificate_hash, call->caller.certificate_hash, SHA256_SIZE);
    return (struct access_token){
        .text = jwt_make(call->arena, auth_keys_signing(call->house->keys), &claims),
        .expire_time_us = claims.expires_s * US_PER_SECOND,
    };
}

static const struct error *token_invalid(struct call *call, const char *cause)
{
    return error_cause(call->arena,
                       refuse(call, STATUS_UNAUTHENTICATED, "TOKEN_INVALID",
                              "access token is not valid, or its session has ended"),
                       "token: %s", cause);
}

/* A log-out that is repeated must find its answer, so its own ended session is no obstacle. */
static bool session_admits(const struct call *call, const struct session *session)
{
    if (session->state == SESSION_LOGGED_OUT)
        return text_equal(call->method, LOG_OUT_METHOD);
    return session->state == SESSION_ACTIVE && session->expire_time_us > session->now_us;
}

static const struct error *check_session(struct call *call, const struct verified_token *token,
                                         int64_t *now_us)
{
    struct session_cache *cache = call->house->sessions;
    *now_us = call->now_us;
    if (session_cache_has(cache, token->user, token->session))
        return NULL;

    uint64_t version = session_cache_version(cache, token->user);
    struct session session;
    bool found;
    TRY(session_find(call, token->user, token->session, &session, &found));
    if (!found || !session_admits(call, &session))
        return token_invalid(call, found ? "its session has ended" : "its session is unknown");
    *now_us = session.now_us;
    if (!session.on_test_clock && session.state == SESSION_ACTIVE)
        session_cache_put(cache, token->user, token->session, version);
    return NULL;
}

static const struct error *check_times(struct call *call, const struct verified_token *token,
                                       int64_t now_us)
{
    int64_t now_s = now_us / US_PER_SECOND;
    if (now_s >= token->expires_s)
        return refuse(call, STATUS_UNAUTHENTICATED, "TOKEN_EXPIRED", "access token has expired");
    if (token->not_before_s > now_s + SKEW_SECONDS || token->issued_s > now_s + SKEW_SECONDS)
        return token_invalid(call, "it is from the future");
    return NULL;
}

/* Form, signature, issuer and audience: what stays true of the same bytes. */
static const struct error *verify_bytes(struct call *call, const char *bearer,
                                        struct verified_token *token)
{
    const struct settings *settings = call->house->settings;
    const struct auth_keys *keys = call->house->keys;
    struct jwt_claims claims;

    const char *problem =
        jwt_read(call->arena, auth_keys_at(keys, 0), auth_keys_count(keys), bearer, &claims);
    if (problem != NULL)
        return token_invalid(call, problem);
    if (!text_equal(claims.issuer, settings->token_issuer) ||
        !text_equal(claims.audience, settings->token_audience))
        return token_invalid(call, "it is of another issuer or for another audience");
    if (strlen(claims.scope) > TOKEN_CACHE_SCOPE_MAX)
        return token_invalid(call, "its scope is too long");

    token->user = claims.user;
    token->session = claims.session;
    token->issued_s = claims.issued_s;
    token->not_before_s = claims.not_before_s;
    token->expires_s = claims.expires_s;
    memcpy(token->certificate_hash, claims.certificate_hash, SHA256_SIZE);
    snprintf(token->scope, sizeof(token->scope), "%s", claims.scope);
    return NULL;
}

static const struct error *read_token(struct call *call, const char *bearer,
                                      struct verified_token *token)
{
    struct token_cache *cache = session_cache_tokens(call->house->sessions);
    size_t size = strlen(bearer);
    uint8_t hash[SHA256_SIZE];

    if (size > TOKEN_SIZE_MAX)
        return token_invalid(call, "it is longer than 4 KiB");
    sha256(bearer, size, hash);
    if (token_cache_find(cache, hash, token))
        return NULL;
    TRY(verify_bytes(call, bearer, token));
    memcpy(token->hash, hash, SHA256_SIZE);
    token_cache_put(cache, token);
    return NULL;
}

const struct error *token_verify(struct call *call, const char *bearer, struct caller *caller)
{
    struct verified_token token = {.expires_s = 0};

    TRY(read_token(call, bearer, &token));
    if (!secret_equal(token.certificate_hash, caller->certificate_hash, SHA256_SIZE))
        return refuse(call, STATUS_UNAUTHENTICATED, "TOKEN_WRONG_CERTIFICATE",
                      "access token is bound to another client certificate");

    int64_t now_us;
    TRY(check_session(call, &token, &now_us));
    TRY(check_times(call, &token, now_us));

    caller->kind = caller->kind == CALLER_DEVICE ? CALLER_DEVICE_USER : CALLER_APP_USER;
    caller->user = token.user;
    caller->session = token.session;
    caller->scope = arena_strdup(call->arena, token.scope);
    return NULL;
}
