/*
 * Rows of this room as messages of the contract.
 */

#include "auth/auth_internal.h"
#include "auth/token.h"

char *email_to_key(struct arena *arena, const char *email)
{
    char *key = arena_strdup(arena, email);
    for (char *at = key; *at != '\0'; at++) {
        if (*at >= 'A' && *at <= 'Z')
            *at = (char)(*at - 'A' + 'a');
    }
    return key;
}

void user_to_proto(struct arena *arena, const struct user *user, UserMessage *message)
{
    message->name = name_make(arena, "users/{}", &user->id);
    message->email = arena_strdup(arena, user->email);
    message->display_name = arena_strdup(arena, user->display_name);
    message->customer = name_make(arena, "customers/{}", &user->id);
    message->create_time = time_to_proto(arena, user->create_time_us);
}

void session_to_proto(struct call *call, const struct new_session *session, SessionMessage *message)
{
    const struct uuid ids[] = {session->customer, session->id};
    struct access_token token = token_make(call, session->customer, session->id, session->now_us);

    message->name = name_make(call->arena, "users/{}/sessions/{}", ids);
    message->access_token = arena_strdup(call->arena, token.text);
    message->access_token_expire_time = time_to_proto(call->arena, token.expire_time_us);
    message->refresh_token = arena_strdup(call->arena, session->token.text);
    message->refresh_token_expire_time = time_to_proto(call->arena, session->expire_time_us);
    message->token_type = arena_strdup(call->arena, "Bearer");
}
