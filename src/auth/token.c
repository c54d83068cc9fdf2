/*
 * Access tokens, made and verified.  The order of verification is the order of trust: form and
 * signature, for whom, over which connection, does the session live, when.
 */

#include "auth/token.h"

#include "auth/auth_internal.h"
#include "auth/jwt.h"
#include "auth/session_cache.h"
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

static const struct error *check_session(struct call *call, const struct jwt_claims *claims,
                                         int64_t *now_us)
{
    struct session_cache *cache = call->house->sessions;
    *now_us = call->now_us;
    if (session_cache_has(cache, claims->user, claims->session))
        return NULL;

    uint64_t version = session_cache_version(cache, claims->user);
    struct session session;
    bool found;
    TRY(session_find(call, claims->user, claims->session, &session, &found));
    if (!found || !session_admits(call, &session))
        return token_invalid(call, found ? "its session has ended" : "its session is unknown");
    *now_us = session.now_us;
    if (!session.on_test_clock && session.state == SESSION_ACTIVE)
        session_cache_put(cache, claims->user, claims->session, version);
    return NULL;
}

static const struct error *check_times(struct call *call, const struct jwt_claims *claims,
                                       int64_t now_us)
{
    int64_t now_s = now_us / US_PER_SECOND;
    if (now_s >= claims->expires_s)
        return refuse(call, STATUS_UNAUTHENTICATED, "TOKEN_EXPIRED", "access token has expired");
    if (claims->not_before_s > now_s + SKEW_SECONDS || claims->issued_s > now_s + SKEW_SECONDS)
        return token_invalid(call, "it is from the future");
    return NULL;
}

const struct error *token_verify(struct call *call, const char *bearer, struct caller *caller)
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
    if (!secret_equal(claims.certificate_hash, caller->certificate_hash, SHA256_SIZE))
        return refuse(call, STATUS_UNAUTHENTICATED, "TOKEN_WRONG_CERTIFICATE",
                      "access token is bound to another client certificate");

    int64_t now_us;
    TRY(check_session(call, &claims, &now_us));
    TRY(check_times(call, &claims, now_us));

    caller->kind = caller->kind == CALLER_DEVICE ? CALLER_DEVICE_USER : CALLER_APP_USER;
    caller->user = claims.user;
    caller->session = claims.session;
    caller->scope = claims.scope;
    return NULL;
}
