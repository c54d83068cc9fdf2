/*
 * A table that disagrees with the contract, or forgets a scope, does not start.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dues/payment/v1/payment_service.pb-c.h"
#include "rpc/internal.h"

#define SERVICE dues__payment__v1__payment_service__descriptor
/* As many as the contract has. */
#define ROWS     ((size_t)SERVICE.n_methods)
#define ROWS_MAX 128

static const struct error *handle(struct call *call, const void *request, void *reply)
{
    (void)call;
    (void)request;
    (void)reply;
    return NULL;
}

static const struct error *handle_stream(struct call *call, const void *request,
                                         struct stream *stream)
{
    (void)call;
    (void)request;
    (void)stream;
    return NULL;
}

static bool is_stream(const char *name)
{
    return strncmp(name, "Watch", strlen("Watch")) == 0;
}

/* Rows as they should be. */
static void make_rows(struct rpc_method rows[ROWS_MAX])
{
    assert_true(ROWS < ROWS_MAX);
    for (unsigned i = 0; i < ROWS; i++) {
        const ProtobufCMessageDescriptor *input = SERVICE.methods[i].input;
        rows[i] = (struct rpc_method){
            .name = SERVICE.methods[i].name,
            .handler = is_stream(SERVICE.methods[i].name) ? NULL : handle,
            .stream = is_stream(SERVICE.methods[i].name) ? handle_stream : NULL,
            .scope = "payments.read",
            .callers = CALLER_SERVICE,
            .request_id =
                protobuf_c_message_descriptor_get_field_by_name(input, "request_id") == NULL
                    ? REQUEST_ID_NONE
                    : REQUEST_ID_REQUIRED,
        };
    }
}

static struct rpc_method *row_of(struct rpc_method rows[ROWS_MAX], const char *name)
{
    for (size_t i = 0; i < ROWS; i++) {
        if (strcmp(rows[i].name, name) == 0)
            return &rows[i];
    }
    fail_msg("no row %s", name);
    return NULL;
}

static bool accepts(const struct rpc_method *rows, size_t count, char problem[RPC_PROBLEM_SIZE])
{
    struct rpc_server *server = calloc(1, sizeof *server);
    const struct rpc_service service = {
        .descriptor = &SERVICE, .methods = rows, .method_count = count};

    problem[0] = '\0';
    bool worked = rpc_routes_add_service(server, &service, problem);
    rpc_routes_free(server);
    free(server);
    return worked;
}

static void assert_refused(const struct rpc_method *rows, size_t count, const char *why)
{
    char problem[RPC_PROBLEM_SIZE];

    assert_false(accepts(rows, count, problem));
    assert_non_null(strstr(problem, why));
    assert_non_null(strstr(problem, "dues.payment.v1.PaymentService/"));
}

static void takes_a_table_that_agrees(void **state)
{
    struct rpc_method rows[ROWS_MAX];
    char problem[RPC_PROBLEM_SIZE];

    (void)state;
    make_rows(rows);

    assert_true(accepts(rows, ROWS, problem));
}

static void refuses_a_method_without_a_row(void **state)
{
    struct rpc_method rows[ROWS_MAX];

    (void)state;
    make_rows(rows);

    assert_refused(rows, ROWS - 1, "must have exactly one row");
}

static void refuses_two_rows_of_one_method(void **state)
{
    struct rpc_method rows[ROWS_MAX];

    (void)state;
    make_rows(rows);
    rows[ROWS] = rows[0];

    assert_refused(rows, ROWS + 1, "must have exactly one row");
}

static void refuses_a_row_that_the_contract_does_not_have(void **state)
{
    struct rpc_method rows[ROWS_MAX];

    (void)state;
    make_rows(rows);
    rows[ROWS] = rows[0];
    rows[ROWS].name = "GiveMoneyAway";

    assert_refused(rows, ROWS + 1, "is not in the contract");
}

static void refuses_a_row_without_a_scope(void **state)
{
    struct rpc_method rows[ROWS_MAX];

    (void)state;
    make_rows(rows);
    rows[3].scope = NULL;
    assert_refused(rows, ROWS, "has no scope");
    rows[3].scope = "";
    assert_refused(rows, ROWS, "has no scope");
}

static void refuses_a_row_that_admits_nobody_unless_it_is_public(void **state)
{
    struct rpc_method rows[ROWS_MAX];
    char problem[RPC_PROBLEM_SIZE];

    (void)state;
    make_rows(rows);
    rows[3].callers = 0;
    assert_refused(rows, ROWS, "admits no kind of caller");
    rows[3].callers = CALLER_SYSTEM;
    assert_refused(rows, ROWS, "admits no kind of caller");

    rows[3].callers = 0;
    rows[3].scope = RPC_PUBLIC;
    assert_true(accepts(rows, ROWS, problem));
}

static void refuses_a_row_with_a_handler_and_a_stream(void **state)
{
    struct rpc_method rows[ROWS_MAX];

    (void)state;
    make_rows(rows);
    row_of(rows, "WatchEvents")->handler = handle;
    assert_refused(rows, ROWS, "has a handler and a stream");
}

static void refuses_a_stream_with_a_request_id(void **state)
{
    struct rpc_method rows[ROWS_MAX];

    (void)state;
    make_rows(rows);
    row_of(rows, "CreatePayment")->handler = NULL;
    row_of(rows, "CreatePayment")->stream = handle_stream;
    assert_refused(rows, ROWS, "is a stream and has a request_id");
}

static void refuses_a_row_without_a_handler(void **state)
{
    struct rpc_method rows[ROWS_MAX];

    (void)state;
    make_rows(rows);
    rows[0].handler = NULL;

    assert_refused(rows, ROWS, "has no handler");
}

static void refuses_a_request_id_rule_that_the_message_does_not_follow(void **state)
{
    struct rpc_method rows[ROWS_MAX];

    (void)state;
    make_rows(rows);
    row_of(rows, "CreatePayment")->request_id = REQUEST_ID_NONE;
    assert_refused(rows, ROWS, "has a request_id that its row does not say");

    make_rows(rows);
    row_of(rows, "GetPayment")->request_id = REQUEST_ID_OPTIONAL;
    assert_refused(rows, ROWS, "has no request_id");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_a_table_that_agrees),
        cmocka_unit_test(refuses_a_method_without_a_row),
        cmocka_unit_test(refuses_two_rows_of_one_method),
        cmocka_unit_test(refuses_a_row_that_the_contract_does_not_have),
        cmocka_unit_test(refuses_a_row_without_a_scope),
        cmocka_unit_test(refuses_a_row_that_admits_nobody_unless_it_is_public),
        cmocka_unit_test(refuses_a_row_without_a_handler),
        cmocka_unit_test(refuses_a_row_with_a_handler_and_a_stream),
        cmocka_unit_test(refuses_a_stream_with_a_request_id),
        cmocka_unit_test(refuses_a_request_id_rule_that_the_message_does_not_follow),
    };

    return cmocka_run_group_tests_name("tables", tests, NULL, NULL);
}
