/*
 * The methods of dues.sandbox.v1.SandboxService, and the room's statements.
 */
#include "sandbox/handlers.h"
#include "sandbox/list_gateway_calls.h"
#include "sandbox/sandbox.h"

#define TESTERS (CALLER_SERVICE | CALLER_OPERATOR)

/* A year of many customers takes a while; what is not done by then goes on without the call. */
#define ADVANCE_LIMIT_MS 120000

static const struct rpc_method methods[] = {
    {.name = "CreateTestClock",
     .handler = create_test_clock,
     .scope = "sandbox.write",
     .callers = TESTERS,
     .request_id = REQUEST_ID_OPTIONAL,
     .sandbox_only = true},
    {.name = "GetTestClock",
     .handler = get_test_clock,
     .scope = "sandbox.read",
     .callers = TESTERS,
     .sandbox_only = true},
    {.name = "AdvanceTestClock",
     .handler = advance_test_clock,
     .scope = "sandbox.write",
     .callers = TESTERS,
     .request_id = REQUEST_ID_OPTIONAL,
     .sandbox_only = true,
     .time_limit_ms = ADVANCE_LIMIT_MS},
    {.name = "DeleteTestClock",
     .handler = delete_test_clock,
     .scope = "sandbox.write",
     .callers = TESTERS,
     .request_id = REQUEST_ID_OPTIONAL,
     .sandbox_only = true},
    {.name = "ListGatewayCalls",
     .handler = list_gateway_calls,
     .scope = "sandbox.read",
     .callers = TESTERS,
     .sandbox_only = true},
};

const struct rpc_service sandbox_service = {
    .descriptor = &dues__sandbox__v1__sandbox_service__descriptor,
    .methods = methods,
    .method_count = ARRAY_LENGTH(methods),
};

pg_statement_list sandbox_statements = {
    &clock_load_statement,        &test_clock_create_statement, &test_clock_answer_statement,
    &test_clock_delete_statement, &gateway_calls_attempts,      NULL,
};
