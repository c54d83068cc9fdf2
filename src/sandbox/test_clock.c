/*
 * Test clocks as they are stored and as the contract shows them.
 */
#include "base/time.h"
#include "sandbox/handlers.h"

const struct pg_statement clock_load_statement = {
    .name = "sandbox_test_clock_load",
    .sql = "SELECT clock_time, target_time, create_time FROM test_clock"
           " WHERE test_clock_id = $1 AND delete_time IS NULL",
};

const struct error *clock_not_found(struct call *call, struct uuid id)
{
    return not_found(call, "TEST_CLOCK_NOT_FOUND", name_make(call->arena, "testClocks/{}", &id));
}

const struct error *clock_load(struct call *call, struct uuid id, struct test_clock *clock)
{
    struct pg_rows rows;

    TRY(pg_read(call, id, &clock_load_statement, PG_PARAMS(pg_uuid(id)), &rows));
    if (rows.count == 0)
        return clock_not_found(call, id);
    *clock = (struct test_clock){
        .id = id,
        .time_us = pg_get_time(&rows, 0, "clock_time"),
        .is_advancing = !pg_is_null(&rows, 0, "target_time"),
        .create_us = pg_get_time(&rows, 0, "create_time"),
    };
    return NULL;
}

void check_clock_time(struct field_errors *errors, const char *field,
                      const Google__Protobuf__Timestamp *time, int64_t *time_us)
{
    size_t count_before = errors->count;

    check_timestamp(errors, field, time != NULL, time != NULL ? time->seconds : 0,
                    time != NULL ? time->nanos : 0, time_us);
    if (errors->count > count_before)
        return;
    if (time == NULL)
        field_error_add(errors, field, "must be given");
    else if (*time_us < TEST_CLOCK_US_MIN || *time_us > TEST_CLOCK_US_MAX)
        field_error_add(errors, field, "must be between 2000-01-01 and 2100-01-01 UTC");
}

void test_clock_to_proto(struct arena *arena, const struct test_clock *clock, TestClock *proto)
{
    proto->name = arena_printf(arena, "testClocks/%s", uuid_text(arena, clock->id));
    proto->clock_time = time_to_proto(arena, clock->time_us);
    proto->state = clock->is_advancing ? DUES__SANDBOX__V1__TEST_CLOCK__STATE__STATE_ADVANCING
                                       : DUES__SANDBOX__V1__TEST_CLOCK__STATE__STATE_READY;
    proto->create_time = time_to_proto(arena, clock->create_us);
}
