/*
 * CreateTestClock over the wire: a clock that stands still.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/time.h"
#include "support/rpc_membership.h"

typedef Dues__Sandbox__V1__TestClock TestClock;

static const struct dues_answer *ask(struct rpc_fixture *f, struct rpc_as as, int64_t seconds,
                                     const char *request_id)
{
    Dues__Sandbox__V1__CreateTestClockRequest request =
        DUES__SANDBOX__V1__CREATE_TEST_CLOCK_REQUEST__INIT;
    Google__Protobuf__Timestamp time = GOOGLE__PROTOBUF__TIMESTAMP__INIT;
    TestClock clock = DUES__SANDBOX__V1__TEST_CLOCK__INIT;

    time.seconds = seconds;
    time.nanos = 123456789;
    clock.clock_time = seconds == 0 ? NULL : &time;
    request.test_clock = &clock;
    request.request_id = member_text(f, request_id);
    return rpc_ask(f, as, &dues__sandbox__v1__sandbox_service__descriptor, "CreateTestClock",
                   &request.base);
}

static void makes_a_clock_that_stands(void **state)
{
    struct rpc_fixture *f = *state;

    const struct dues_answer *answer = ask(f, AS(OPERATOR_DEMO), 1767225600, "");

    assert_int_equal(answer->status, DUES_OK);
    const TestClock *clock = (const TestClock *)answer->reply;
    assert_int_equal(clock->state, DUES__SANDBOX__V1__TEST_CLOCK__STATE__STATE_READY);
    assert_true(time_in(clock->clock_time) == 1767225600123456);
    assert_true(time_in(clock->create_time) == clock_wall_us(&f->clock->clock));
    const struct dues_answer *read =
        ask_by_name(f, AS(SERVICE_BILLING), "GetTestClock", clock->name);
    assert_int_equal(read->reply_size, answer->reply_size);
    assert_memory_equal(read->reply_bytes, answer->reply_bytes, read->reply_size);
}

static void answers_a_repeated_request_byte_for_byte(void **state)
{
    struct rpc_fixture *f = *state;
    const char *request_id = new_request_id(f);
    const struct dues_answer *first = ask(f, AS(SERVICE_BILLING), 1767225600, request_id);

    const struct dues_answer *second = ask(f, AS(SERVICE_BILLING), 1767225600, request_id);
    const struct dues_answer *other = ask(f, AS(SERVICE_BILLING), 1767225601, request_id);

    assert_true(second->replayed);
    assert_int_equal(second->reply_size, first->reply_size);
    assert_memory_equal(second->reply_bytes, first->reply_bytes, first->reply_size);
    assert_string_equal(other->reason, "REQUEST_ID_REUSED");
}

static void refuses_times_outside_the_bounds(void **state)
{
    struct rpc_fixture *f = *state;
    static const int64_t seconds[] = {0, 946684799, 4102444800, -1};

    for (size_t i = 0; i < ARRAY_LENGTH(seconds); i++) {
        const struct dues_answer *answer = ask(f, AS(SERVICE_BILLING), seconds[i], "");
        assert_int_equal(answer->status, DUES_INVALID_ARGUMENT);
        assert_true(answer_names(answer, "test_clock.clock_time"));
    }
}

static void is_not_for_apps(void **state)
{
    struct rpc_fixture *f = *state;

    assert_string_equal(ask(f, AS(APP_DEMO), 1767225600, "")->reason, "CALLER_NOT_ALLOWED");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(makes_a_clock_that_stands),
        cmocka_unit_test(answers_a_repeated_request_byte_for_byte),
        cmocka_unit_test(refuses_times_outside_the_bounds),
        cmocka_unit_test(is_not_for_apps),
    };
    return cmocka_run_group_tests_name("CreateTestClock", tests, members_setup, rpc_teardown);
}
