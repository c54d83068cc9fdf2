/*
 * Recorded answers.  The look before the rules is a plain read; what two racing calls may both miss
 * there, the step function's unique key decides.
 */
#include "pg/replay.h"

#define RETRY_WHILE_RUNNING_MS 200

static const struct error *request_id_reused(struct call *call)
{
    struct error *error =
        refuse(call, STATUS_INVALID_ARGUMENT, "REQUEST_ID_REUSED",
               "request_id \"%s\" was used for another request", call->request_id);

    return error_with(call->arena, error, "request_id", "%s", call->request_id);
}

/* What SQL customer_erase leaves of an answer: no message begins with this byte. */
static bool is_erased(const uint8_t *bytes, size_t size)
{
    return size == 1 && bytes[0] == 0;
}

static const struct error *answer_again(struct call *call, const struct pg_rows *rows)
{
    size_t size = 0;
    const uint8_t *bytes = pg_get_bytes(rows, 0, "answer", &size);

    if (is_erased(bytes, size))
        return refuse(call, STATUS_NOT_FOUND, "CUSTOMER_NOT_FOUND", "the customer was erased");
    /* An answer of no fields packs to no bytes; it is an answer all the same. */
    call->recorded = (struct recorded_answer){.bytes = bytes, .size = size};
    call->replayed = true;
    return NULL;
}

const struct error *replay_from_row(struct call *call, const struct pg_rows *rows, bool *found,
                                    struct uuid *object)
{
    *found = false;
    if (object != NULL)
        *object = UUID_NIL;
    if (pg_is_null(rows, 0, "same"))
        return NULL;
    if (!pg_get_bool(rows, 0, "same"))
        return request_id_reused(call);
    if (object != NULL)
        *object = pg_get_uuid(rows, 0, "object_id");
    if (pg_is_null(rows, 0, "answer"))
        return NULL;
    TRY(answer_again(call, rows));
    *found = true;
    return NULL;
}

static const struct pg_statement find_request = {
    .name = "replay_find",
    .sql = "SELECT " REPLAY_COLUMNS(
        "$5") " FROM recorded_request r"
              " WHERE customer_id = $1 AND caller = $2 AND method = $3 AND request_id = $4",
    .is_lookup = true,
};

const struct error *replay_find(struct call *call, struct uuid customer, bool *found,
                                struct uuid *object)
{
    struct pg_rows rows;

    *found = false;
    if (object != NULL)
        *object = UUID_NIL;
    if (call->request_id[0] == '\0')
        return NULL;
    TRY(pg_read(call, customer, &find_request, PG_PARAMS(pg_uuid(customer), REPLAY_PARAMS(call)),
                &rows));
    return rows.count == 0 ? NULL : replay_from_row(call, &rows, found, object);
}

const struct error *replay_outcome(struct call *call, const struct pg_rows *rows, bool *found)
{
    const char *outcome = pg_get_text(rows, 0, "outcome");

    *found = false;
    if (strcmp(outcome, "reused") == 0)
        return request_id_reused(call);
    if (strcmp(outcome, "running") == 0)
        return error_retry(refuse(call, STATUS_ABORTED, "REQUEST_IN_PROGRESS",
                                  "the first request with this request_id is still running"),
                           RETRY_WHILE_RUNNING_MS);
    if (strcmp(outcome, "replay") == 0) {
        TRY(answer_again(call, rows));
        *found = true;
    }
    return NULL;
}

pg_statement_list replay_statements = {&find_request, NULL};
