/*
 * CreateTestClock makes a clock that stands still until it is advanced.
 */
#include "base/time.h"
#include "crypto/request_id.h"
#include "pg/replay.h"
#include "sandbox/handlers.h"

static const struct error *validate(struct call *call, const CreateTestClockRequest *req,
                                    int64_t *time_us)
{
    struct field_errors errors = {.call = call};

    if (req->test_clock == NULL)
        field_error_add(&errors, "test_clock", "must be given");
    else
        check_clock_time(&errors, "test_clock.clock_time", req->test_clock->clock_time, time_us);
    return field_errors_result(&errors);
}

const struct pg_statement test_clock_create_statement = {
    .name = "test_clock_create",
    .sql = "SELECT * FROM test_clock_create($1, ROW($2,$3,$4,$5)::request_key, $6, $7, $8)",
};

const struct error *create_test_clock(struct call *call, const void *request, void *reply)
{
    const CreateTestClockRequest *req = request;
    struct test_clock clock = {.create_us = call->now_us};
    bool replayed = false;
    struct pg_rows rows;

    TRY(validate(call, req, &clock.time_us));
    if (call->request_id[0] != '\0') {
        struct uuid object;
        clock.id = uuid_of_request(call);
        TRY(replay_find(call, clock.id, &replayed, &object));
        if (replayed)
            return NULL;
    } else {
        clock.id = uuid_make(call->house->random, call->now_us);
    }
    test_clock_to_proto(call->arena, &clock, reply);
    struct bytes answer = message_pack(call->arena, reply);
    TRY(pg_write(call, clock.id, &test_clock_create_statement,
                 PG_PARAMS(pg_uuid(clock.id), REPLAY_PARAMS(call), pg_time(clock.time_us),
                           pg_bytes(answer.data, answer.size), pg_time(call->now_us)),
                 &rows));
    return replay_outcome(call, &rows, &replayed);
}
