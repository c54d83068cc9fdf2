/*
 * Server reflection as tools use it: raw requests of both versions, and grpcurl where it is there.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/call.h"
#include "grpc/reflection/v1/reflection.pb-c.h"
#include "support/rpc_bare.h"
#include "support/rpc_raw.h"

#define V1      "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"
#define V1ALPHA "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"

typedef Grpc__Reflection__V1__ServerReflectionRequest Request;
typedef Grpc__Reflection__V1__ServerReflectionResponse Response;

#define ASK(kind)    GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_##kind
#define ANSWER(kind) GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_##kind

struct fixture {
    struct rpc_bare *bare;
    struct rpc_raw *raw;
    struct rpc_raw_stream *stream;
    Response *response;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);

    f->bare = rpc_bare_new(NULL);
    f->raw = rpc_raw_open(f->bare->target, test_authority_pem(f->bare->authority), f->bare->app);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    rpc_raw_close(f->raw);
    rpc_bare_free(f->bare);
    free(f);
    return 0;
}

static int start_v1(void **state)
{
    struct fixture *f = *state;

    f->stream = rpc_raw_start(f->raw, V1);
    return 0;
}

static int start_v1alpha(void **state)
{
    struct fixture *f = *state;

    f->stream = rpc_raw_start(f->raw, V1ALPHA);
    return 0;
}

static void forget_response(struct fixture *f)
{
    if (f->response != NULL)
        grpc__reflection__v1__server_reflection_response__free_unpacked(f->response, NULL);
    f->response = NULL;
}

static int stop(void **state)
{
    struct fixture *f = *state;

    forget_response(f);
    if (f->stream != NULL) {
        rpc_raw_cancel(f->stream);
        rpc_raw_finish(f->stream);
    }
    f->stream = NULL;
    return 0;
}

static const Response *ask(struct fixture *f, const Request *request)
{
    uint8_t bytes[1024];
    size_t size = grpc__reflection__v1__server_reflection_request__pack(request, bytes);

    forget_response(f);
    if (!rpc_raw_send(f->stream, bytes, size))
        return NULL;
    uint8_t *answer = rpc_raw_receive(f->stream, 5000, &size);
    if (answer != NULL)
        f->response = grpc__reflection__v1__server_reflection_response__unpack(NULL, size, answer);
    free(answer);
    return f->response;
}

static char *writable(const char *text)
{
    return (char *)(uintptr_t)text;
}

static const Response *ask_symbol(struct fixture *f, const char *symbol)
{
    Request request = GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__INIT;

    request.message_request_case = ASK(FILE_CONTAINING_SYMBOL);
    request.file_containing_symbol = writable(symbol);
    return ask(f, &request);
}

/* The first file's name is the first field of a FileDescriptorProto. */
static bool first_file_is(const Response *response, const char *name)
{
    if (response == NULL || response->message_response_case != ANSWER(FILE_DESCRIPTOR_RESPONSE) ||
        response->file_descriptor_response->n_file_descriptor_proto == 0)
        return false;
    ProtobufCBinaryData file = response->file_descriptor_response->file_descriptor_proto[0];
    return file.len > 2 + strlen(name) && file.data[0] == 0x0a && file.data[1] == strlen(name) &&
           memcmp(file.data + 2, name, strlen(name)) == 0;
}

static bool has_file(const Response *response, const char *name)
{
    size_t count = response->file_descriptor_response->n_file_descriptor_proto;

    for (size_t i = 0; i < count; i++) {
        ProtobufCBinaryData file = response->file_descriptor_response->file_descriptor_proto[i];
        if (memcmp(file.data + 2, name, strlen(name)) == 0)
            return true;
    }
    return false;
}

static void assert_not_found(const Response *response)
{
    assert_non_null(response);
    assert_int_equal(response->message_response_case, ANSWER(ERROR_RESPONSE));
    assert_int_equal(response->error_response->error_code, 5);
}

static bool lists(const Response *response, const char *service)
{
    for (size_t i = 0; i < response->list_services_response->n_service; i++) {
        if (strcmp(response->list_services_response->service[i]->name, service) == 0)
            return true;
    }
    return false;
}

static void lists_what_is_served_and_nothing_else(void **state)
{
    Request request = GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__INIT;
    struct fixture *f = *state;

    request.message_request_case = ASK(LIST_SERVICES);
    request.list_services = writable("*");
    const Response *response = ask(f, &request);

    assert_non_null(response);
    assert_int_equal(response->message_response_case, ANSWER(LIST_SERVICES_RESPONSE));
    assert_int_equal(response->list_services_response->n_service, 4);
    assert_true(lists(response, "dues.payment.v1.PaymentService"));
    assert_true(lists(response, "grpc.health.v1.Health"));
    assert_true(lists(response, "grpc.reflection.v1.ServerReflection"));
    assert_true(lists(response, "grpc.reflection.v1alpha.ServerReflection"));
}

static void finds_every_kind_of_symbol(void **state)
{
    static const struct {
        const char *symbol;
        const char *file;
    } symbols[] = {
        {"dues.payment.v1.PaymentService", "dues/payment/v1/payment_service.proto"},
        {"dues.payment.v1.PaymentService.GetPayment", "dues/payment/v1/payment_service.proto"},
        {".dues.payment.v1.PaymentService", "dues/payment/v1/payment_service.proto"},
        {"dues.payment.v1.Payment", "dues/payment/v1/payment.proto"},
        {"dues.payment.v1.Payment.amount", "dues/payment/v1/payment.proto"},
        {"dues.payment.v1.Payment.State", "dues/payment/v1/payment.proto"},
        {"dues.payment.v1.Payment.STATE_FAILED", "dues/payment/v1/payment.proto"},
        {"dues.type.v1.Reason", "dues/type/v1/reason.proto"},
        {"dues.type.v1.REASON_INTERNAL", "dues/type/v1/reason.proto"},
        {"google.rpc.BadRequest.FieldViolation", "google/rpc/error_details.proto"},
        {"google.rpc.ErrorInfo", "google/rpc/error_details.proto"},
        {"grpc.health.v1.HealthCheckResponse.ServingStatus", "grpc/health/v1/health.proto"},
        {"google.protobuf.Timestamp", "google/protobuf/timestamp.proto"},
        {"grpc.reflection.v1.ServerReflectionRequest.message_request",
         "grpc/reflection/v1/reflection.proto"},
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < ARRAY_LENGTH(symbols); i++) {
        if (!first_file_is(ask_symbol(f, symbols[i].symbol), symbols[i].file))
            fail_msg("%s is not found in %s", symbols[i].symbol, symbols[i].file);
    }
}

static void sends_a_file_with_all_it_depends_on(void **state)
{
    struct fixture *f = *state;

    const Response *response = ask_symbol(f, "dues.payment.v1.PaymentService");

    assert_true(has_file(response, "dues/payment/v1/payment.proto"));
    assert_true(has_file(response, "dues/type/v1/money.proto"));
    assert_true(has_file(response, "google/protobuf/timestamp.proto"));
}

static void finds_files_by_name(void **state)
{
    Request request = GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__INIT;
    struct fixture *f = *state;

    request.message_request_case = ASK(FILE_BY_FILENAME);
    request.file_by_filename = writable("google/rpc/error_details.proto");
    assert_true(first_file_is(ask(f, &request), "google/rpc/error_details.proto"));
    request.file_by_filename = writable("no/such.proto");
    assert_not_found(ask(f, &request));
}

static void answers_unknown_symbols_and_goes_on(void **state)
{
    static const char *const symbols[] = {
        "no.such.Symbol", "", "dues", "dues.payment.v1", "dues.payment.v1.Payment.",
        "PaymentService"};
    struct fixture *f = *state;

    for (size_t i = 0; i < ARRAY_LENGTH(symbols); i++)
        assert_not_found(ask_symbol(f, symbols[i]));
    assert_true(first_file_is(ask_symbol(f, "dues.type.v1.Money"), "dues/type/v1/money.proto"));
}

static void answers_questions_for_extensions(void **state)
{
    Request request = GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__INIT;
    Grpc__Reflection__V1__ExtensionRequest extension =
        GRPC__REFLECTION__V1__EXTENSION_REQUEST__INIT;
    struct fixture *f = *state;

    request.message_request_case = ASK(ALL_EXTENSION_NUMBERS_OF_TYPE);
    request.all_extension_numbers_of_type = writable("dues.type.v1.Money");
    const Response *response = ask(f, &request);
    assert_int_equal(response->message_response_case, ANSWER(ALL_EXTENSION_NUMBERS_RESPONSE));
    assert_int_equal(response->all_extension_numbers_response->n_extension_number, 0);
    request.all_extension_numbers_of_type = writable("no.such.Type");
    assert_not_found(ask(f, &request));

    request.message_request_case = ASK(FILE_CONTAINING_EXTENSION);
    extension.containing_type = writable("dues.type.v1.Money");
    extension.extension_number = 7;
    request.file_containing_extension = &extension;
    assert_not_found(ask(f, &request));
}

static void says_what_was_asked(void **state)
{
    Request request = GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__INIT;
    struct fixture *f = *state;

    request.host = writable("somewhere");
    request.message_request_case = ASK(FILE_CONTAINING_SYMBOL);
    request.file_containing_symbol = writable("no.such.Symbol");
    const Response *response = ask(f, &request);

    assert_string_equal(response->valid_host, "somewhere");
    assert_string_equal(response->original_request->file_containing_symbol, "no.such.Symbol");
}

static void answers_a_request_that_asks_nothing(void **state)
{
    Request request = GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__INIT;
    struct fixture *f = *state;

    const Response *response = ask(f, &request);

    assert_int_equal(response->message_response_case, ANSWER(ERROR_RESPONSE));
    assert_int_equal(response->error_response->error_code, 3);
}

static void ends_well_when_the_client_has_no_more(void **state)
{
    struct fixture *f = *state;

    ask_symbol(f, "dues.type.v1.Money");
    assert_true(rpc_raw_half_close(f->stream));
    int status = rpc_raw_finish(f->stream);
    f->stream = NULL;

    assert_int_equal(status, DUES_OK);
}

static void ends_on_bytes_that_are_no_request(void **state)
{
    struct fixture *f = *state;

    assert_true(rpc_raw_send(f->stream, "\xff\xff\xff", 3));
    int status = rpc_raw_finish(f->stream);
    f->stream = NULL;

    assert_int_equal(status, DUES_INVALID_ARGUMENT);
}

static void switch_off(struct settings *settings)
{
    settings->reflection = false;
}

static void is_not_there_when_it_is_off(void **state)
{
    struct rpc_bare *bare = rpc_bare_new(switch_off);
    struct rpc_raw *raw =
        rpc_raw_open(bare->target, test_authority_pem(bare->authority), bare->app);

    (void)state;
    struct rpc_raw_stream *stream = rpc_raw_start(raw, V1);
    int status = rpc_raw_finish(stream);
    rpc_raw_close(raw);
    rpc_bare_free(bare);

    assert_int_equal(status, DUES_UNIMPLEMENTED);
}

#define V1_TEST(test) cmocka_unit_test_setup_teardown(test, start_v1, stop)
#define V1ALPHA_TEST(test)                                                                         \
    {                                                                                              \
#test " (v1alpha)", test, start_v1alpha, stop, NULL                                        \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        V1_TEST(lists_what_is_served_and_nothing_else),
        V1_TEST(finds_every_kind_of_symbol),
        V1_TEST(sends_a_file_with_all_it_depends_on),
        V1_TEST(finds_files_by_name),
        V1_TEST(answers_unknown_symbols_and_goes_on),
        V1_TEST(answers_questions_for_extensions),
        V1_TEST(says_what_was_asked),
        V1_TEST(answers_a_request_that_asks_nothing),
        V1_TEST(ends_well_when_the_client_has_no_more),
        V1_TEST(ends_on_bytes_that_are_no_request),
        V1ALPHA_TEST(lists_what_is_served_and_nothing_else),
        V1ALPHA_TEST(finds_every_kind_of_symbol),
        V1ALPHA_TEST(answers_unknown_symbols_and_goes_on),
        V1ALPHA_TEST(ends_well_when_the_client_has_no_more),
        cmocka_unit_test(is_not_there_when_it_is_off),
    };

    return cmocka_run_group_tests_name("reflection", tests, setup, teardown);
}
