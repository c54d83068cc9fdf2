/*
 * Access tokens: JWTs (RFC 9068) signed with ES256, good only together with the client certificate
 * that they were issued to (RFC 8705) and only while their session lives.
 */
#pragma once

#include "base/call.h"

/* What a user may do; in every access token. */
#define TOKEN_USER_SCOPE                                                                           \
    "users.read sessions.write devices.write customers.read catalogue.read payments.read "         \
    "payments.write memberships.read memberships.write entitlements.read"

/* Longer is refused unread. */
#define TOKEN_SIZE_MAX 4096

struct access_token {
    const char *text;
    int64_t expire_time_us; /* whole seconds, as in the token */
};

/* Signs one for the user's session, bound to the certificate of this call. */
struct access_token token_make(struct call *call, struct uuid user, struct uuid session,
                               int64_t now_us);

/*
 * Verifies the token that came with the call: `bearer` is what stands after "Bearer ".  `caller` is
 * usually &call->caller: its certificate (kind CALLER_APP or CALLER_DEVICE) is already there; on
 * success it becomes CALLER_APP_USER or CALLER_DEVICE_USER with user, session and scope.
 *
 * UNAUTHENTICATED: TOKEN_INVALID, TOKEN_EXPIRED, TOKEN_WRONG_CERTIFICATE.
 * May park the fiber: a session not seen in the last seconds is looked up.
 */
const struct error *token_verify(struct call *call, const char *bearer, struct caller *caller)
    MUST_CHECK;
