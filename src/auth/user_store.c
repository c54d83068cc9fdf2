/*
 * Users: the account behind an address, and its making.
 */

#include "auth/auth_internal.h"
#include "base/text.h"

const struct pg_statement auth_user_find = {
    .name = "auth_user_find",
    .sql = "SELECT customer_id, email, display_name, password_hash, create_time"
           "  FROM user_account WHERE customer_id = $1",
};

const struct error *user_find(struct call *call, struct uuid id, struct user *user)
{
    struct pg_rows rows;
    TRY(pg_read(call, id, &auth_user_find, PG_PARAMS(pg_uuid(id)), &rows));
    *user = (struct user){.id = UUID_NIL};
    if (rows.count > 0)
        *user = (struct user){
            .id = pg_get_uuid(&rows, 0, "customer_id"),
            .email = pg_get_text(&rows, 0, "email"),
            .display_name = pg_get_text(&rows, 0, "display_name"),
            .password_hash = pg_get_text(&rows, 0, "password_hash"),
            .create_time_us = pg_get_time(&rows, 0, "create_time"),
        };
    return NULL;
}

const struct pg_statement auth_user_record = {
    .name = "auth_user_record",
    .sql = "SELECT outcome, answer, object_id FROM sign_up($1, ROW($2, $3, $4, $5)::request_key,"
           " $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)",
};

const struct error *user_record(struct call *call, const struct new_user *user,
                                const struct new_session *session, struct bytes answer, bool *made)
{
    struct pg_rows rows;
    TRY(pg_write(call, user->id, &auth_user_record,
                 PG_PARAMS(pg_uuid(user->id), REPLAY_PARAMS(call), pg_text(user->email),
                           pg_text(user->display_name), pg_text(user->password_hash),
                           pg_uuid_or_null(user->test_clock), pg_uuid(session->id),
                           pg_text(call->caller.spiffe_id),
                           pg_bytes(session->token.hash, SHA256_SIZE),
                           pg_time(session->expire_time_us), pg_bytes(answer.data, answer.size),
                           pg_time(session->now_us)),
                 &rows));
    *made = !text_equal(pg_get_text(&rows, 0, "outcome"), "exists");
    bool replayed;
    TRY(replay_outcome(call, &rows, &replayed));
    return replayed ? answer_open(call, user->id) : NULL;
}
