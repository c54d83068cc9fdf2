/*
 * The handlers of test clocks, one file each, and what they share.
 */
#pragma once

#include "base/check.h"
#include "base/method.h"
#include "contract/message.h"
#include "dues/sandbox/v1/sandbox_service.pb-c.h"
#include "pg/pg.h"

typedef Dues__Sandbox__V1__CreateTestClockRequest CreateTestClockRequest;
typedef Dues__Sandbox__V1__GetTestClockRequest GetTestClockRequest;
typedef Dues__Sandbox__V1__AdvanceTestClockRequest AdvanceTestClockRequest;
typedef Dues__Sandbox__V1__DeleteTestClockRequest DeleteTestClockRequest;
typedef Dues__Sandbox__V1__TestClock TestClock;

rpc_handler create_test_clock;
rpc_handler get_test_clock;
rpc_handler advance_test_clock;
rpc_handler delete_test_clock;

/* Where clocks may stand: 2000-01-01 to 2100-01-01 UTC. */
#define TEST_CLOCK_US_MIN (946684800LL * US_PER_SECOND)
#define TEST_CLOCK_US_MAX (4102444800LL * US_PER_SECOND)

struct test_clock {
    struct uuid id;
    int64_t time_us;
    bool is_advancing;
    int64_t create_us;
};

/* Deleted ones are not found: NOT_FOUND / TEST_CLOCK_NOT_FOUND. */
const struct error *clock_load(struct call *call, struct uuid id, struct test_clock *clock)
    MUST_CHECK;
const struct error *clock_not_found(struct call *call, struct uuid id);

/* A required time within the bounds of clocks. */
void check_clock_time(struct field_errors *errors, const char *field,
                      const Google__Protobuf__Timestamp *time, int64_t *time_us);

void test_clock_to_proto(struct arena *arena, const struct test_clock *clock, TestClock *proto);

extern const struct pg_statement clock_load_statement;
extern const struct pg_statement test_clock_create_statement;
extern const struct pg_statement test_clock_answer_statement;
extern const struct pg_statement test_clock_delete_statement;
