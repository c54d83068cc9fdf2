/*
 * LogOut ends the session of the access token, or all sessions of its user.
 *
 * Here the end is felt at once; other servers believe a session for a few seconds more.
 */

#include "auth/auth_internal.h"
#include "auth/session_cache.h"
#include "base/owner.h"

/* Sessions may be opened while they are counted; then the count is taken again. */
#define TRIES 5

static struct bytes write_answer(struct call *call, int32_t count, LogOutResponse *res)
{
    res->ended_session_count = count;
    return message_pack(call->arena, &res->base);
}

static const struct error *end_sessions(struct call *call, bool all, int64_t now_us,
                                        LogOutResponse *res, enum ending *ending)
{
    struct uuid end = uuid_make(call->house->random, call->now_us);
    *ending = ENDING_CHANGED;
    for (int tries = 0; tries < TRIES && *ending == ENDING_CHANGED; tries++) {
        int32_t count;
        TRY(session_count(call, all, now_us, &count));
        struct bytes answer = write_answer(call, count, res);
        TRY(session_end(call, all, count, end, now_us, answer, ending));
    }
    return NULL;
}

const struct error *log_out(struct call *call, const void *request, void *reply)
{
    const LogOutRequest *req = request;
    struct uuid user = call->caller.user;
    enum ending ending;
    bool found;

    TRY(owner_check(call, user, "USER_NOT_FOUND", "users/me"));
    TRY(replay_find(call, user, &found, NULL));
    if (found)
        return NULL;
    struct customer customer;
    TRY(customer_load(call, user, &customer));

    TRY(end_sessions(call, req->all_sessions, customer.now_us, reply, &ending));
    session_cache_forget(call->house->sessions, user);
    switch (ending) {
    case ENDING_DONE:
        return NULL;
    case ENDING_ENDED:
        return refuse(call, STATUS_UNAUTHENTICATED, "TOKEN_INVALID",
                      "access token is not valid, or its session has ended");
    case ENDING_CHANGED:
        return error_retry(refuse(call, STATUS_ABORTED, "CONCURRENT_CHANGE",
                                  "sessions were opened or ended at the same time"),
                           200);
    }
    return NULL;
}
