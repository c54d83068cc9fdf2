/*
 * GetTestClock reads what a clock shows and whether it is being advanced.
 */
#include "sandbox/handlers.h"

const struct error *get_test_clock(struct call *call, const void *request, void *reply)
{
    const GetTestClockRequest *req = request;
    struct field_errors errors = {.call = call};
    struct test_clock clock;
    struct uuid id;

    check_name(&errors, "name", req->name, "testClocks/{}", &id, 1);
    TRY(field_errors_result(&errors));
    TRY(clock_load(call, id, &clock));
    test_clock_to_proto(call->arena, &clock, reply);
    return NULL;
}
