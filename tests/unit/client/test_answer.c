/*
 * What libdues makes of the bytes a server sends with an error, and when it sends a request again.
 */
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "../../../clients/c/internal.h"

#include "dues/auth/v1/auth_service.pb-c.h"
#include "dues/payment/v1/payment_service.pb-c.h"
#include "google/protobuf/any.pb-c.h"
#include "google/rpc/error_details.pb-c.h"
#include "google/rpc/status.pb-c.h"

struct fixture {
    struct answer *answer;
    uint8_t status[2048];
    size_t status_size;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    f->answer = answer_new();
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    dues_answer_free(&f->answer->public);
    free(f);
    return 0;
}

/* A google.rpc.Status with one detail of each message given. */
static void given_status(struct fixture *f, const ProtobufCMessage *const *details, size_t count)
{
    static const char *const prefix = "type.googleapis.com/";
    uint8_t bytes[4][512];
    char urls[4][64];
    Google__Protobuf__Any any[4];
    Google__Protobuf__Any *list[4];
    for (size_t i = 0; i < count; i++) {
        google__protobuf__any__init(&any[i]);
        snprintf(urls[i], sizeof(urls[i]), "%s%s", prefix, details[i]->descriptor->name);
        any[i].type_url = urls[i];
        any[i].value.len = protobuf_c_message_pack(details[i], bytes[i]);
        any[i].value.data = bytes[i];
        list[i] = &any[i];
    }
    Google__Rpc__Status status = GOOGLE__RPC__STATUS__INIT;
    status.code = DUES_INVALID_ARGUMENT;
    status.details = list;
    status.n_details = count;
    f->status_size = google__rpc__status__pack(&status, f->status);
}

static void reads_reason_domain_and_metadata(void **state)
{
    struct fixture *f = *state;
    char key[] = "refundable_minor_units", value[] = "999";
    char reason[] = "REFUND_EXCEEDS_CAPTURE", domain[] = "dues";
    Google__Rpc__ErrorInfo__MetadataEntry entry = GOOGLE__RPC__ERROR_INFO__METADATA_ENTRY__INIT;
    entry.key = key;
    entry.value = value;
    Google__Rpc__ErrorInfo__MetadataEntry *entries[] = {&entry};
    Google__Rpc__ErrorInfo info = GOOGLE__RPC__ERROR_INFO__INIT;
    info.reason = reason;
    info.domain = domain;
    info.metadata = entries;
    info.n_metadata = 1;
    given_status(f, (const ProtobufCMessage *[]){&info.base}, 1);

    answer_read_details(f->answer, f->status, f->status_size);

    assert_string_equal(f->answer->public.reason, "REFUND_EXCEEDS_CAPTURE");
    assert_string_equal(f->answer->public.domain, "dues");
    assert_int_equal(f->answer->public.metadata_count, 1);
    assert_string_equal(f->answer->public.metadata[0].key, "refundable_minor_units");
    assert_string_equal(f->answer->public.metadata[0].value, "999");
}

static void reads_every_bad_field(void **state)
{
    struct fixture *f = *state;
    char amount[] = "payment.amount.minor_units", parent[] = "parent", why[] = "is required";
    Google__Rpc__BadRequest__FieldViolation first = GOOGLE__RPC__BAD_REQUEST__FIELD_VIOLATION__INIT;
    Google__Rpc__BadRequest__FieldViolation second =
        GOOGLE__RPC__BAD_REQUEST__FIELD_VIOLATION__INIT;
    first.field = amount;
    second.field = parent;
    second.description = why;
    Google__Rpc__BadRequest__FieldViolation *list[] = {&first, &second};
    Google__Rpc__BadRequest bad = GOOGLE__RPC__BAD_REQUEST__INIT;
    bad.field_violations = list;
    bad.n_field_violations = 2;
    given_status(f, (const ProtobufCMessage *[]){&bad.base}, 1);

    answer_read_details(f->answer, f->status, f->status_size);

    assert_int_equal(f->answer->public.field_count, 2);
    assert_string_equal(f->answer->public.fields[0].field, "payment.amount.minor_units");
    assert_string_equal(f->answer->public.fields[0].description, "");
    assert_string_equal(f->answer->public.fields[1].field, "parent");
    assert_string_equal(f->answer->public.fields[1].description, "is required");
}

static void rounds_the_wish_to_retry_up_to_milliseconds(void **state)
{
    struct fixture *f = *state;
    Google__Protobuf__Duration delay = GOOGLE__PROTOBUF__DURATION__INIT;
    delay.seconds = 2;
    delay.nanos = 500000001;
    Google__Rpc__RetryInfo retry = GOOGLE__RPC__RETRY_INFO__INIT;
    retry.retry_delay = &delay;
    char trace[] = "0198c0de";
    Google__Rpc__RequestInfo request = GOOGLE__RPC__REQUEST_INFO__INIT;
    request.request_id = trace;
    given_status(f, (const ProtobufCMessage *[]){&retry.base, &request.base}, 2);

    answer_read_details(f->answer, f->status, f->status_size);

    assert_true(f->answer->retry_wished);
    assert_int_equal(f->answer->public.retry_after_ms, 2501);
    assert_string_equal(f->answer->public.request_trace, "0198c0de");
}

static void ignores_a_wish_that_is_negative_or_longer_than_a_day(void **state)
{
    struct fixture *f = *state;
    static const int64_t seconds[] = {-1, 86401, INT64_MAX, INT64_MIN};
    for (size_t i = 0; i < 4; i++) {
        Google__Protobuf__Duration delay = GOOGLE__PROTOBUF__DURATION__INIT;
        delay.seconds = seconds[i];
        Google__Rpc__RetryInfo retry = GOOGLE__RPC__RETRY_INFO__INIT;
        retry.retry_delay = &delay;
        given_status(f, (const ProtobufCMessage *[]){&retry.base}, 1);

        answer_read_details(f->answer, f->status, f->status_size);

        assert_int_equal(f->answer->public.retry_after_ms, 0);
    }
}

static void keeps_an_answer_whose_details_are_garbage(void **state)
{
    struct fixture *f = *state;
    static const uint8_t garbage[] = {0x1a, 0xff, 0x01, 0x00};

    answer_read_details(f->answer, garbage, sizeof(garbage));

    assert_string_equal(f->answer->public.reason, "");
    assert_int_equal(f->answer->public.field_count, 0);
}

static void skips_a_detail_of_a_type_it_does_not_know(void **state)
{
    struct fixture *f = *state;
    char locale[] = "en";
    Google__Rpc__LocalizedMessage text = GOOGLE__RPC__LOCALIZED_MESSAGE__INIT;
    text.locale = locale;
    char reason[] = "INTERNAL";
    Google__Rpc__ErrorInfo info = GOOGLE__RPC__ERROR_INFO__INIT;
    info.reason = reason;
    given_status(f, (const ProtobufCMessage *[]){&text.base, &info.base}, 2);

    answer_read_details(f->answer, f->status, f->status_size);

    assert_string_equal(f->answer->public.reason, "INTERNAL");
}

static grpc_metadata pair(const char *key, const char *value)
{
    return (grpc_metadata){.key = grpc_slice_from_static_string(key),
                           .value = grpc_slice_from_static_string(value)};
}

static void tells_a_replayed_answer_by_its_trailer(void **state)
{
    struct fixture *f = *state;
    const grpc_metadata trailers[] = {pair("idempotent-replayed", "true"), pair("some-bin", "xx"),
                                      pair("x-request-id", "7")};

    answer_read_trailers(f->answer, trailers, 3);

    assert_true(f->answer->public.replayed);
    assert_int_equal(f->answer->public.trailer_count, 2);
    assert_string_equal(f->answer->public.trailers[1].value, "7");
}

static void reports_a_reply_of_another_shape(void **state)
{
    struct fixture *f = *state;
    static const uint8_t bytes[] = {0x0a, 0x7f, 'x'};
    f->answer->public.reply_bytes = bytes;
    f->answer->public.reply_size = sizeof(bytes);

    answer_read_reply(f->answer, &dues__payment__v1__payment__descriptor);

    assert_null(f->answer->public.reply);
    assert_int_equal(f->answer->public.status, DUES_INTERNAL);
}

static void repeats_reads_and_requests_that_carry_an_id_only(void **state)
{
    (void)state;
    Dues__Payment__V1__GetPaymentRequest get = DUES__PAYMENT__V1__GET_PAYMENT_REQUEST__INIT;
    Dues__Payment__V1__CreatePaymentRequest create =
        DUES__PAYMENT__V1__CREATE_PAYMENT_REQUEST__INIT;
    char id[] = "r-1";

    assert_true(request_is_repeatable("GetPayment", &get.base));
    assert_true(request_is_repeatable("ListPayments", &get.base));
    assert_true(request_is_repeatable("CheckEntitlement", &get.base));
    assert_false(request_is_repeatable("CreatePayment", &create.base));
    create.request_id = id;
    assert_true(request_is_repeatable("CreatePayment", &create.base));
    assert_false(request_is_repeatable("AnythingElse", &get.base));
}

static void pauses_longer_each_time_and_never_less_than_wished(void **state)
{
    (void)state;
    assert_int_equal(retry_pause_ms(1, 0, 0), 0);
    assert_int_equal(retry_pause_ms(1, 0, 50), 50);
    assert_int_equal(retry_pause_ms(1, 0, 51), 0);
    assert_int_equal(retry_pause_ms(2, 0, 100), 100);
    assert_int_equal(retry_pause_ms(30, 0, 2000), 2000);
    assert_int_equal(retry_pause_ms(30, 0, 2001), 0);
    assert_int_equal(retry_pause_ms(3, 700, 10), 710);
}

static void names_every_status(void **state)
{
    (void)state;
    assert_string_equal(dues_status_name(DUES_OK), "OK");
    assert_string_equal(dues_status_name(DUES_UNAUTHENTICATED), "UNAUTHENTICATED");
    assert_string_equal(dues_status_name(17), "UNKNOWN");
    assert_string_equal(dues_status_name(-1), "UNKNOWN");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(reads_reason_domain_and_metadata, setup, teardown),
        cmocka_unit_test_setup_teardown(reads_every_bad_field, setup, teardown),
        cmocka_unit_test_setup_teardown(rounds_the_wish_to_retry_up_to_milliseconds, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(ignores_a_wish_that_is_negative_or_longer_than_a_day, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(keeps_an_answer_whose_details_are_garbage, setup, teardown),
        cmocka_unit_test_setup_teardown(skips_a_detail_of_a_type_it_does_not_know, setup, teardown),
        cmocka_unit_test_setup_teardown(tells_a_replayed_answer_by_its_trailer, setup, teardown),
        cmocka_unit_test_setup_teardown(reports_a_reply_of_another_shape, setup, teardown),
        cmocka_unit_test(repeats_reads_and_requests_that_carry_an_id_only),
        cmocka_unit_test(pauses_longer_each_time_and_never_less_than_wished),
        cmocka_unit_test(names_every_status),
    };
    return cmocka_run_group_tests_name("answers of libdues", tests, NULL, NULL);
}
