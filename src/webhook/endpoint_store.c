/*
 * Endpoints of webhooks.  What is recorded for a request is kept under the endpoint's id, as it
 * belongs to no customer.
 */

#include "webhook/store.h"

#include "base/text.h"
#include "pg/replay.h"

static struct bytes bytes_of(const struct pg_rows *rows, size_t row, const char *column)
{
    struct bytes bytes = {NULL, 0};

    bytes.data = pg_get_bytes(rows, row, column, &bytes.size);
    return bytes;
}

void webhook_endpoint_from_row(const struct pg_rows *rows, size_t row,
                               struct webhook_endpoint *endpoint)
{
    *endpoint = (struct webhook_endpoint){
        .id = pg_get_uuid(rows, row, "webhook_endpoint_id"),
        .url = pg_get_text(rows, row, "url"),
        .event_types = pg_get_text(rows, row, "event_types"),
        .description = pg_get_text(rows, row, "description"),
        .is_ed25519 = text_equal(pg_get_text(rows, row, "signing"), "ED25519"),
        .is_enabled = text_equal(pg_get_text(rows, row, "endpoint_state"), "ENABLED"),
        .disable_reason = pg_get_text(rows, row, "disable_reason"),
        .key = {.id = pg_get_uuid(rows, row, "secret_id"),
                .sealed = bytes_of(rows, row, "secret_sealed"),
                .public_key = bytes_of(rows, row, "public_key")},
        .previous = {.id = pg_get_uuid(rows, row, "previous_secret_id"),
                     .sealed = bytes_of(rows, row, "previous_secret_sealed"),
                     .public_key = bytes_of(rows, row, "previous_public_key")},
        .previous_expire_us = pg_get_time(rows, row, "previous_expire_time"),
        .failing_since_us = pg_get_time(rows, row, "failing_since"),
        .create_time_us = pg_get_time(rows, row, "endpoint_create_time"),
        .update_time_us = pg_get_time(rows, row, "endpoint_update_time"),
    };
}

static const struct error *endpoint_not_found(struct call *call, struct uuid id)
{
    return not_found(call, "WEBHOOK_ENDPOINT_NOT_FOUND",
                     name_make(call->arena, WEBHOOK_ENDPOINT_PATTERN, &id));
}

const struct pg_statement webhook_endpoint_load_statement = {
    .name = "webhook_endpoint_load",
    .sql = "SELECT " WEBHOOK_ENDPOINT_COLUMNS " FROM webhook_endpoint e"
           " WHERE e.webhook_endpoint_id = $1",
};

const struct error *webhook_endpoint_load(struct call *call, struct uuid id,
                                          struct webhook_endpoint *endpoint)
{
    struct pg_rows rows;

    TRY(pg_read(call, id, &webhook_endpoint_load_statement, PG_PARAMS(pg_uuid(id)), &rows));
    if (rows.count == 0)
        return endpoint_not_found(call, id);
    webhook_endpoint_from_row(&rows, 0, endpoint);
    return NULL;
}

const struct pg_statement webhook_endpoint_list_statement = {
    .name = "webhook_endpoint_list",
    .sql = "SELECT " WEBHOOK_ENDPOINT_COLUMNS " FROM webhook_endpoint e"
           " WHERE " PG_BELOW("e.webhook_endpoint_id",
                              "$1") " ORDER BY e.webhook_endpoint_id DESC LIMIT $2",
};

const struct error *webhook_endpoint_list(struct call *call, struct uuid before, int64_t limit,
                                          struct webhook_endpoint **endpoints, size_t *count)
{
    struct pg_rows rows;

    TRY(pg_read(call, UUID_NIL, &webhook_endpoint_list_statement,
                PG_PARAMS(pg_uuid_or_null(before), pg_int64(limit)), &rows));
    *endpoints = arena_array(call->arena, rows.count + 1, sizeof **endpoints);
    for (size_t i = 0; i < rows.count; i++)
        webhook_endpoint_from_row(&rows, i, &(*endpoints)[i]);
    *count = rows.count;
    return NULL;
}

const struct pg_statement webhook_types_unknown_statement = {
    .name = "webhook_types_unknown",
    .sql = "SELECT event_type FROM webhook_types_unknown($1) AS event_type",
};

const struct error *webhook_types_unknown(struct call *call, const char *event_types,
                                          const char ***unknown, size_t *count)
{
    struct pg_rows rows;

    TRY(pg_read(call, UUID_NIL, &webhook_types_unknown_statement, PG_PARAMS(pg_text(event_types)),
                &rows));
    *unknown = arena_array(call->arena, rows.count + 1, sizeof **unknown);
    for (size_t i = 0; i < rows.count; i++)
        (*unknown)[i] = arena_strdup(call->arena, pg_get_text(&rows, i, "event_type"));
    *count = rows.count;
    return NULL;
}

/* Outcomes of the step functions of webhook_endpoint.sql. */
static const struct error *outcome_of(struct call *call, struct uuid id, const struct pg_rows *rows,
                                      bool *changed, bool *replayed)
{
    const char *outcome = pg_get_text(rows, 0, "outcome");

    *replayed = false;
    *changed = text_equal(outcome, "changed");
    if (*changed)
        return NULL;
    if (text_equal(outcome, "absent"))
        return endpoint_not_found(call, id);
    if (text_equal(outcome, "full"))
        return error_with(call->arena,
                          refuse(call, STATUS_RESOURCE_EXHAUSTED, "WEBHOOK_ENDPOINTS_FULL",
                                 "there are %d webhook endpoints already", WEBHOOK_ENDPOINTS_MAX),
                          "limit", "%d", WEBHOOK_ENDPOINTS_MAX);
    return replay_outcome(call, rows, replayed);
}

static struct pg_param public_key_param(const struct webhook_key *key)
{
    return key->public_key.size == 0 ? pg_null(PG_BYTES)
                                     : pg_bytes(key->public_key.data, key->public_key.size);
}

const struct pg_statement webhook_endpoint_create_statement = {
    .name = "webhook_endpoint_create",
    .sql = "SELECT outcome, answer, object_id FROM webhook_endpoint_create("
           "$1, ROW($2, $3, $4, $5)::request_key, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15,"
           " $16)",
};

const struct error *webhook_endpoint_create(struct call *call,
                                            const struct webhook_endpoint *endpoint,
                                            struct bytes answer, bool *changed, bool *replayed)
{
    struct pg_rows rows;

    TRY(pg_write(call, endpoint->id, &webhook_endpoint_create_statement,
                 PG_PARAMS(pg_uuid(endpoint->id), REPLAY_PARAMS(call),
                           pg_bytes(answer.data, answer.size), pg_text(endpoint->url),
                           pg_text(endpoint->event_types), pg_text(endpoint->description),
                           pg_text(endpoint->is_ed25519 ? "ED25519" : "HMAC"),
                           pg_text(endpoint->is_enabled ? "ENABLED" : "DISABLED"),
                           pg_uuid(endpoint->key.id),
                           pg_bytes(endpoint->key.sealed.data, endpoint->key.sealed.size),
                           public_key_param(&endpoint->key), pg_int32(WEBHOOK_ENDPOINTS_MAX),
                           pg_time(endpoint->create_time_us)),
                 &rows));
    return outcome_of(call, endpoint->id, &rows, changed, replayed);
}

const struct pg_statement webhook_endpoint_update_statement = {
    .name = "webhook_endpoint_update",
    .sql = "SELECT outcome, answer, object_id FROM webhook_endpoint_update("
           "$1, ROW($2, $3, $4, $5)::request_key, $6, $7, $8, $9, $10, $11, $12, $13, $14)",
};

const struct error *webhook_endpoint_update(struct call *call,
                                            const struct webhook_endpoint *endpoint,
                                            int64_t before_us, struct bytes answer, bool *changed,
                                            bool *replayed)
{
    struct pg_rows rows;

    TRY(pg_write(
        call, endpoint->id, &webhook_endpoint_update_statement,
        PG_PARAMS(pg_uuid(endpoint->id), REPLAY_PARAMS(call), pg_bytes(answer.data, answer.size),
                  pg_time(before_us), pg_text(endpoint->url), pg_text(endpoint->event_types),
                  pg_text(endpoint->description),
                  pg_text(endpoint->is_enabled ? "ENABLED" : "DISABLED"),
                  pg_text(endpoint->disable_reason), pg_time_or_null(endpoint->failing_since_us),
                  pg_time(endpoint->update_time_us)),
        &rows));
    return outcome_of(call, endpoint->id, &rows, changed, replayed);
}

const struct pg_statement webhook_endpoint_rotate_statement = {
    .name = "webhook_endpoint_rotate",
    .sql = "SELECT outcome, answer, object_id FROM webhook_endpoint_rotate("
           "$1, ROW($2, $3, $4, $5)::request_key, $6, $7, $8, $9, $10, $11, $12)",
};

const struct error *webhook_endpoint_rotate(struct call *call,
                                            const struct webhook_endpoint *endpoint,
                                            int64_t before_us, struct bytes answer, bool *changed,
                                            bool *replayed)
{
    /* Without an overlap the step forgets the old one. */
    int64_t expire_us =
        endpoint->previous_expire_us != 0 ? endpoint->previous_expire_us : endpoint->update_time_us;
    struct pg_rows rows;

    TRY(pg_write(call, endpoint->id, &webhook_endpoint_rotate_statement,
                 PG_PARAMS(pg_uuid(endpoint->id), REPLAY_PARAMS(call),
                           pg_bytes(answer.data, answer.size), pg_time(before_us),
                           pg_uuid(endpoint->key.id),
                           pg_bytes(endpoint->key.sealed.data, endpoint->key.sealed.size),
                           public_key_param(&endpoint->key), pg_time(expire_us),
                           pg_time(endpoint->update_time_us)),
                 &rows));
    return outcome_of(call, endpoint->id, &rows, changed, replayed);
}

const struct pg_statement webhook_endpoint_delete_statement = {
    .name = "webhook_endpoint_delete",
    .sql = "SELECT outcome, answer, object_id FROM webhook_endpoint_delete("
           "$1, ROW($2, $3, $4, $5)::request_key, $6, $7)",
};

const struct error *webhook_endpoint_delete(struct call *call, struct uuid id, bool *replayed)
{
    struct pg_rows rows;
    bool changed;

    /* An Empty has no bytes; they are recorded as such. */
    TRY(pg_write(
        call, id, &webhook_endpoint_delete_statement,
        PG_PARAMS(pg_uuid(id), REPLAY_PARAMS(call), pg_bytes("", 0), pg_time(call->now_us)),
        &rows));
    return outcome_of(call, id, &rows, &changed, replayed);
}
