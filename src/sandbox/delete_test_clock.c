/*
 * DeleteTestClock takes a clock away.  Its customers stay; their time stands still.
 */
#include "base/text.h"
#include "pg/replay.h"
#include "sandbox/handlers.h"

const struct pg_statement test_clock_delete_statement = {
    .name = "test_clock_delete",
    .sql = "SELECT * FROM test_clock_delete($1, ROW($2,$3,$4,$5)::request_key, $6, $7)",
};

const struct error *delete_test_clock(struct call *call, const void *request, void *reply)
{
    const DeleteTestClockRequest *req = request;
    struct field_errors errors = {.call = call};
    struct pg_rows rows;
    struct uuid object;
    struct uuid id;
    bool replayed;

    (void)reply; /* google.protobuf.Empty */
    check_name(&errors, "name", req->name, "testClocks/{}", &id, 1);
    TRY(field_errors_result(&errors));
    TRY(replay_find(call, id, &replayed, &object));
    if (replayed)
        return NULL;
    /* An Empty has no bytes; they are recorded as such. */
    TRY(pg_write(
        call, id, &test_clock_delete_statement,
        PG_PARAMS(pg_uuid(id), REPLAY_PARAMS(call), pg_bytes("", 0), pg_time(call->now_us)),
        &rows));
    const char *outcome = pg_get_text(&rows, 0, "outcome");
    if (text_equal(outcome, "absent"))
        return clock_not_found(call, id);
    if (text_equal(outcome, "busy"))
        return error_retry(refuse(call, STATUS_ABORTED, "TEST_CLOCK_BUSY",
                                  "the clock is being advanced by another call"),
                           1000);
    return replay_outcome(call, &rows, &replayed);
}
