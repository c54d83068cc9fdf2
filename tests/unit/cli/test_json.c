/*
 * JSON and messages: what `dues call` accepts, what it prints, and how it says what is wrong.
 */
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "cli/json.h"
#include "cli/methods.h"

#include "dues/membership/v1/membership_service.pb-c.h"
#include "dues/payment/v1/payment_service.pb-c.h"
#include "google/rpc/error_details.pb-c.h"
#include "google/rpc/status.pb-c.h"
#include "grpc/reflection/v1/reflection.pb-c.h"

#define ARENA_SIZE_MAX (1u << 20)

struct fixture {
    struct arena *arena;
    json_t *json;
    char *text;
    const char *problem;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    f->arena = arena_new(ARENA_SIZE_MAX);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    json_decref(f->json);
    free(f->text);
    arena_free(f->arena);
    free(f);
    return 0;
}

static const void *read_text(struct fixture *f, const ProtobufCMessageDescriptor *descriptor,
                             const char *text)
{
    json_error_t error;
    json_decref(f->json);
    f->json = json_loads(text, 0, &error);
    assert_non_null(f->json);
    f->problem = "";
    return json_to_message(f->arena, f->json, descriptor, &f->problem);
}

static const char *write_text(struct fixture *f, const void *message)
{
    json_decref(f->json);
    f->json = message_to_json(f->arena, message);
    free(f->text);
    f->text = json_dumps(f->json, JSON_COMPACT);
    return f->text;
}

static void reads_camel_and_snake_case_names(void **state)
{
    struct fixture *f = *state;

    const Dues__Payment__V1__CreatePaymentRequest *request =
        read_text(f, &dues__payment__v1__create_payment_request__descriptor,
                  "{\"parent\":\"customers/me\",\"requestId\":\"r-1\",\"payment\":{"
                  "\"payment_method\":\"m\",\"amount\":{\"currencyCode\":\"USD\","
                  "\"minor_units\":\"999\"}}}");

    assert_non_null(request);
    assert_string_equal(request->parent, "customers/me");
    assert_string_equal(request->request_id, "r-1");
    assert_string_equal(request->payment->payment_method, "m");
    assert_string_equal(request->payment->amount->currency_code, "USD");
    assert_int_equal(request->payment->amount->minor_units, 999);
}

static void reads_whole_numbers_as_numbers_and_as_strings(void **state)
{
    struct fixture *f = *state;
    const ProtobufCMessageDescriptor *money = &dues__type__v1__money__descriptor;

    const Dues__Type__V1__Money *number = read_text(f, money, "{\"minorUnits\": 7}");
    assert_int_equal(number->minor_units, 7);
    const Dues__Type__V1__Money *least =
        read_text(f, money, "{\"minorUnits\": \"-9223372036854775808\"}");
    assert_true(least->minor_units == INT64_MIN);
}

static void refuses_numbers_that_are_none_or_do_not_fit(void **state)
{
    struct fixture *f = *state;
    static const char *const bad[] = {
        "{\"minorUnits\": \"9223372036854775808\"}",
        "{\"minorUnits\": \"1.5\"}",
        "{\"minorUnits\": 1.5}",
        "{\"minorUnits\": \" 1\"}",
        "{\"minorUnits\": \"\"}",
        "{\"minorUnits\": true}",
        "{\"minorUnits\": {}}",
    };

    for (size_t i = 0; i < ARRAY_LENGTH(bad); i++) {
        assert_null(read_text(f, &dues__type__v1__money__descriptor, bad[i]));
        assert_memory_equal(f->problem, "minorUnits: ", strlen("minorUnits: "));
    }
    assert_null(read_text(f, &dues__payment__v1__list_payments_request__descriptor,
                          "{\"pageSize\": 2147483648}"));
    assert_string_equal(f->problem, "pageSize: the number is out of range");
}

static void names_the_path_of_an_unknown_field(void **state)
{
    struct fixture *f = *state;

    assert_null(read_text(f, &dues__payment__v1__create_payment_request__descriptor,
                          "{\"payment\":{\"amount\":{\"cents\":1}}}"));

    assert_string_equal(f->problem, "payment.amount.cents: dues.type.v1.Money has no such field");
}

static void names_the_index_of_a_bad_element(void **state)
{
    struct fixture *f = *state;

    assert_null(
        read_text(f, &dues__membership__v1__tier__descriptor, "{\"entitlements\":[\"a\", 5]}"));

    assert_string_equal(f->problem, "entitlements[1]: expected a string");
}

static void takes_null_as_unset(void **state)
{
    struct fixture *f = *state;

    const Dues__Payment__V1__CreatePaymentRequest *request =
        read_text(f, &dues__payment__v1__create_payment_request__descriptor,
                  "{\"payment\": null, \"parent\": null}");

    assert_non_null(request);
    assert_null(request->payment);
    assert_string_equal(request->parent, "");
}

static void reads_and_writes_enums_by_name(void **state)
{
    struct fixture *f = *state;
    const ProtobufCMessageDescriptor *refund = &dues__payment__v1__refund__descriptor;

    const Dues__Payment__V1__Refund *named =
        read_text(f, refund, "{\"reason\": \"REASON_DUPLICATE\"}");
    assert_int_equal(named->reason, DUES__PAYMENT__V1__REFUND__REASON__REASON_DUPLICATE);
    assert_string_equal(write_text(f, named), "{\"reason\":\"REASON_DUPLICATE\"}");

    const Dues__Payment__V1__Refund *unknown = read_text(f, refund, "{\"reason\": 77}");
    assert_string_equal(write_text(f, unknown), "{\"reason\":77}");

    assert_null(read_text(f, refund, "{\"reason\": \"BECAUSE\"}"));
    assert_string_equal(f->problem,
                        "reason: \"BECAUSE\" is not a value of dues.payment.v1.Refund.Reason");
}

static void writes_times_without_empty_fractions(void **state)
{
    struct fixture *f = *state;
    const ProtobufCMessageDescriptor *refund = &dues__payment__v1__refund__descriptor;

    const Dues__Payment__V1__Refund *whole =
        read_text(f, refund, "{\"createTime\": \"2026-02-28T13:00:00+01:00\"}");
    assert_string_equal(write_text(f, whole), "{\"createTime\":\"2026-02-28T12:00:00Z\"}");

    const Dues__Payment__V1__Refund *part =
        read_text(f, refund, "{\"createTime\": \"1969-12-31T23:59:59.5Z\"}");
    assert_int_equal(part->create_time->seconds, -1);
    assert_int_equal(part->create_time->nanos, 500000000);
    assert_string_equal(write_text(f, part), "{\"createTime\":\"1969-12-31T23:59:59.500000Z\"}");

    assert_null(read_text(f, refund, "{\"createTime\": \"yesterday\"}"));
}

static void reads_and_writes_durations(void **state)
{
    struct fixture *f = *state;
    const ProtobufCMessageDescriptor *retry = &google__rpc__retry_info__descriptor;

    const Google__Rpc__RetryInfo *info = read_text(f, retry, "{\"retryDelay\": \"-1.5s\"}");
    assert_int_equal(info->retry_delay->seconds, -1);
    assert_int_equal(info->retry_delay->nanos, -500000000);
    assert_string_equal(write_text(f, info), "{\"retryDelay\":\"-1.500000000s\"}");

    assert_null(read_text(f, retry, "{\"retryDelay\": \"5\"}"));
    assert_null(read_text(f, retry, "{\"retryDelay\": 5}"));
}

static void reads_and_writes_bytes_as_base64(void **state)
{
    struct fixture *f = *state;
    const ProtobufCMessageDescriptor *any = &google__protobuf__any__descriptor;

    const Google__Protobuf__Any *message = read_text(f, any, "{\"value\": \"-_8\"}");
    assert_int_equal(message->value.len, 2);
    assert_int_equal(message->value.data[0], 0xfb);
    assert_string_equal(write_text(f, message), "{\"value\":\"+/8=\"}");

    assert_non_null(read_text(f, any, "{\"value\": \"+/8=\"}"));
    assert_null(read_text(f, any, "{\"value\": \"!\"}"));
}

static void writes_wide_numbers_as_strings_and_false_aloud(void **state)
{
    struct fixture *f = *state;
    Dues__Type__V1__Money money = DUES__TYPE__V1__MONEY__INIT;
    char currency[] = "USD";
    money.currency_code = currency;
    money.minor_units = 999;
    assert_string_equal(write_text(f, &money), "{\"currencyCode\":\"USD\",\"minorUnits\":\"999\"}");

    Dues__Membership__V1__CheckEntitlementResponse denied =
        DUES__MEMBERSHIP__V1__CHECK_ENTITLEMENT_RESPONSE__INIT;
    assert_string_equal(write_text(f, &denied), "{\"allowed\":false}");
}

static void reads_and_writes_one_member_of_a_oneof(void **state)
{
    struct fixture *f = *state;

    const Grpc__Reflection__V1__ServerReflectionRequest *request =
        read_text(f, &grpc__reflection__v1__server_reflection_request__descriptor,
                  "{\"fileContainingSymbol\": \"dues.type.v1.Money\"}");

    assert_string_equal(write_text(f, request),
                        "{\"fileContainingSymbol\":\"dues.type.v1.Money\"}");
}

static void survives_packing(void **state)
{
    struct fixture *f = *state;
    uint8_t bytes[512];
    static const char text[] = "{\"name\":\"tiers/premium\",\"displayName\":\"Premium\",\"rank\":2,"
                               "\"entitlements\":[\"library.read\",\"video.hd\"]}";

    const Dues__Membership__V1__Tier *tier =
        read_text(f, &dues__membership__v1__tier__descriptor, text);
    size_t size = dues__membership__v1__tier__pack(tier, bytes);
    Dues__Membership__V1__Tier *again = dues__membership__v1__tier__unpack(NULL, size, bytes);

    assert_non_null(again);
    assert_string_equal(write_text(f, again), text);
    dues__membership__v1__tier__free_unpacked(again, NULL);
}

static void finds_a_method_by_each_of_its_names(void **state)
{
    (void)state;
    static const char *const names[] = {
        "dues.payment.v1.PaymentService/GetPayment",
        "/dues.payment.v1.PaymentService/GetPayment",
        "PaymentService/GetPayment",
        "Payment/GetPayment",
    };
    struct method method;

    for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
        assert_true(method_find(names[i], &method));
        assert_string_equal(method.method->name, "GetPayment");
        assert_string_equal(method.service->name, "dues.payment.v1.PaymentService");
    }
    assert_true(method_find("grpc.health.v1.Health/Check", &method));
    assert_false(method_find("Payment/Get", &method));
    assert_false(method_find("Pay/GetPayment", &method));
    assert_false(method_find("GetPayment", &method));
    assert_false(method_find("/", &method));
    assert_false(method_find("", &method));
}

#define JSON_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        JSON_TEST(reads_camel_and_snake_case_names),
        JSON_TEST(reads_whole_numbers_as_numbers_and_as_strings),
        JSON_TEST(refuses_numbers_that_are_none_or_do_not_fit),
        JSON_TEST(names_the_path_of_an_unknown_field),
        JSON_TEST(names_the_index_of_a_bad_element),
        JSON_TEST(takes_null_as_unset),
        JSON_TEST(reads_and_writes_enums_by_name),
        JSON_TEST(writes_times_without_empty_fractions),
        JSON_TEST(reads_and_writes_durations),
        JSON_TEST(reads_and_writes_bytes_as_base64),
        JSON_TEST(writes_wide_numbers_as_strings_and_false_aloud),
        JSON_TEST(reads_and_writes_one_member_of_a_oneof),
        JSON_TEST(survives_packing),
        cmocka_unit_test(finds_a_method_by_each_of_its_names),
    };
    return cmocka_run_group_tests_name("JSON of the command line", tests, NULL, NULL);
}
