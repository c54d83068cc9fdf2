/*
 * A session from nothing: its id, its first refresh token, its absolute end.
 */

#include "auth/auth_internal.h"
#include "base/settings.h"

struct new_session session_begin(struct call *call, struct uuid customer, int64_t now_us)
{
    struct new_session session = {
        .customer = customer,
        .id = uuid_make(call->house->random, now_us),
        .now_us = now_us,
        .expire_time_us = now_us + call->house->settings->refresh_token_seconds * US_PER_SECOND,
    };
    refresh_token_make(call, customer, session.id, 1, &session.token);
    return session;
}
