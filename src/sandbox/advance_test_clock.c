/*
 * AdvanceTestClock moves a clock forward and answers when all that fell due on the way has been
 * done. The work is jobs_advance; repeating the call after a crash or a deadline goes on with it.
 */
#include "base/time.h"
#include "jobs/jobs.h"
#include "pg/replay.h"
#include "sandbox/handlers.h"

/* Two years with a leap day: what one call may take. */
#define ADVANCE_US_MAX (731 * US_PER_DAY)

static const struct error *check_target(struct call *call, const struct test_clock *clock,
                                        int64_t target_us)
{
    if (target_us < clock->time_us)
        return refuse(call, STATUS_FAILED_PRECONDITION, "TEST_CLOCK_BACKWARDS",
                      "clocks go forward only");
    if (target_us - clock->time_us > ADVANCE_US_MAX)
        return refuse(call, STATUS_OUT_OF_RANGE, "TEST_CLOCK_TOO_FAR",
                      "target is more than 731 days after what the clock shows");
    return NULL;
}

const struct pg_statement test_clock_answer_statement = {
    .name = "test_clock_answer",
    .sql = "SELECT * FROM test_clock_answer($1, ROW($2,$3,$4,$5)::request_key, $6, $7)",
};

static const struct error *record(struct call *call, struct uuid clock, const TestClock *reply)
{
    struct bytes answer = message_pack(call->arena, &reply->base);
    struct pg_rows rows;
    bool replayed;

    if (call->request_id[0] == '\0')
        return NULL;
    TRY(pg_write(call, clock, &test_clock_answer_statement,
                 PG_PARAMS(pg_uuid(clock), REPLAY_PARAMS(call), pg_bytes(answer.data, answer.size),
                           pg_time(call->now_us)),
                 &rows));
    return replay_outcome(call, &rows, &replayed);
}

const struct error *advance_test_clock(struct call *call, const void *request, void *reply)
{
    const AdvanceTestClockRequest *req = request;
    struct field_errors errors = {.call = call};
    struct test_clock clock;
    struct uuid object;
    struct uuid id;
    int64_t target_us = 0;
    bool replayed;

    check_name(&errors, "name", req->name, "testClocks/{}", &id, 1);
    check_clock_time(&errors, "target_time", req->target_time, &target_us);
    TRY(field_errors_result(&errors));
    TRY(replay_find(call, id, &replayed, &object));
    if (replayed)
        return NULL;
    TRY(clock_load(call, id, &clock));
    TRY(check_target(call, &clock, target_us));
    TRY(jobs_advance(call, id, target_us));
    TRY(clock_load(call, id, &clock));
    test_clock_to_proto(call->arena, &clock, reply);
    return record(call, id, reply);
}
