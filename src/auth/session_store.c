/*
 * Sessions.  Which of several refreshes is the first, one conditional update decides in SQL.
 */

#include "auth/auth_internal.h"
#include "base/bug.h"
#include "base/settings.h"
#include "base/text.h"

const struct pg_statement auth_session_find = {
    .name = "auth_session_find",
    .sql = "SELECT s.state, s.sender, s.expire_time,"
           "       (SELECT t.clock_time FROM test_clock t"
           "         WHERE t.test_clock_id = c.test_clock_id) AS clock_time"
           "  FROM session s JOIN customer c ON c.customer_id = s.customer_id"
           " WHERE s.customer_id = $1 AND s.session_id = $2",
};

static enum session_state state_from_text(const char *text)
{
    static const char *const names[] = {
        [SESSION_ACTIVE] = "ACTIVE",
        [SESSION_LOGGED_OUT] = "LOGGED_OUT",
        [SESSION_COMPROMISED] = "COMPROMISED",
    };
    for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
        if (text_equal(text, names[i]))
            return (enum session_state)i;
    }
    bug("a session in state '%s'", text);
}

const struct error *session_find(struct call *call, struct uuid customer, struct uuid id,
                                 struct session *session, bool *found)
{
    struct pg_rows rows;
    TRY(pg_read(call, customer, &auth_session_find, PG_PARAMS(pg_uuid(customer), pg_uuid(id)),
                &rows));
    *found = rows.count > 0;
    if (!*found)
        return NULL;
    bool on_test_clock = !pg_is_null(&rows, 0, "clock_time");
    *session = (struct session){
        .state = state_from_text(pg_get_text(&rows, 0, "state")),
        .sender = pg_get_text(&rows, 0, "sender"),
        .expire_time_us = pg_get_time(&rows, 0, "expire_time"),
        .on_test_clock = on_test_clock,
        .now_us = on_test_clock ? pg_get_time(&rows, 0, "clock_time") : call->now_us,
    };
    return NULL;
}

const struct pg_statement auth_session_record = {
    .name = "auth_session_record",
    .sql = "SELECT outcome, answer, object_id FROM session_open($1,"
           " ROW($2, $3, $4, $5)::request_key, $6, $7, $8, $9, $10, $11, $12, $13)",
};

const struct error *session_record(struct call *call, const struct new_session *session,
                                   const char *password_hash, const char *new_hash,
                                   struct bytes answer)
{
    struct pg_rows rows;
    TRY(pg_write(
        call, session->customer, &auth_session_record,
        PG_PARAMS(pg_uuid(session->customer), REPLAY_PARAMS(call), pg_uuid(session->id),
                  pg_text(call->caller.spiffe_id), pg_bytes(session->token.hash, SHA256_SIZE),
                  pg_time(session->expire_time_us), pg_text(password_hash), pg_text(new_hash),
                  pg_bytes(answer.data, answer.size), pg_time(session->now_us)),
        &rows));
    bool replayed;
    TRY(replay_outcome(call, &rows, &replayed));
    return replayed ? answer_open(call, session->customer) : NULL;
}

static enum rotation rotation_from_text(const char *text)
{
    if (text_equal(text, "late"))
        return ROTATION_LATE;
    if (text_equal(text, "moved"))
        return ROTATION_MOVED;
    if (text_equal(text, "gone") || text_equal(text, "ended") || text_equal(text, "expired"))
        return ROTATION_ENDED;
    return ROTATION_DONE;
}

const struct pg_statement auth_session_rotate = {
    .name = "auth_session_rotate",
    .sql = "SELECT outcome, answer, object_id FROM session_rotate($1,"
           " ROW($2, $3, $4, $5)::request_key, $6, $7, $8, $9, $10, $11, $12, $13)",
};

const struct error *session_rotate(struct call *call, const struct refresh_token *presented,
                                   const struct new_session *successor, struct bytes answer,
                                   enum rotation *rotation)
{
    struct pg_rows rows;
    TRY(pg_write(call, presented->customer, &auth_session_rotate,
                 PG_PARAMS(pg_uuid(presented->customer), REPLAY_PARAMS(call),
                           pg_uuid(presented->session), pg_int32(presented->generation),
                           pg_bytes(presented->hash, SHA256_SIZE), pg_text(call->caller.spiffe_id),
                           pg_bytes(successor->token.hash, SHA256_SIZE),
                           pg_int64(call->house->settings->refresh_grace_seconds),
                           pg_bytes(answer.data, answer.size), pg_time(successor->now_us)),
                 &rows));
    *rotation = rotation_from_text(pg_get_text(&rows, 0, "outcome"));
    bool replayed;
    TRY(replay_outcome(call, &rows, &replayed));
    return replayed ? answer_open(call, presented->customer) : NULL;
}

const struct pg_statement auth_session_count = {
    .name = "auth_session_count",
    .sql = "SELECT count(*)::integer AS session_count FROM session"
           " WHERE customer_id = $1 AND state = 'ACTIVE' AND expire_time > $2",
};

const struct error *session_count(struct call *call, bool all, int64_t now_us, int32_t *count)
{
    *count = 1;
    if (!all)
        return NULL;
    struct pg_rows rows;
    TRY(pg_read(call, call->caller.user, &auth_session_count,
                PG_PARAMS(pg_uuid(call->caller.user), pg_time(now_us)), &rows));
    *count = (int32_t)pg_get_int64(&rows, 0, "session_count");
    return NULL;
}

const struct pg_statement auth_session_end = {
    .name = "auth_session_end",
    .sql = "SELECT outcome, answer, object_id FROM session_end($1,"
           " ROW($2, $3, $4, $5)::request_key, $6, $7, $8, $9, $10, $11)",
};

const struct error *session_end(struct call *call, bool all, int32_t count, struct uuid end,
                                int64_t now_us, struct bytes answer, enum ending *ending)
{
    struct pg_rows rows;
    TRY(pg_write(call, call->caller.user, &auth_session_end,
                 PG_PARAMS(pg_uuid(call->caller.user), REPLAY_PARAMS(call),
                           pg_uuid(call->caller.session), pg_bool(all), pg_int32(count),
                           pg_uuid(end), pg_bytes(answer.data, answer.size), pg_time(now_us)),
                 &rows));
    const char *outcome = pg_get_text(&rows, 0, "outcome");
    *ending = text_equal(outcome, "changed") ? ENDING_CHANGED
              : text_equal(outcome, "ended") ? ENDING_ENDED
                                             : ENDING_DONE;
    bool replayed;
    return replay_outcome(call, &rows, &replayed);
}
