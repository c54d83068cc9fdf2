/*
 * What happens to a call before and after its handler: paths, callers, tokens, scopes,
 * answers.  The handlers are those of rpc_bare.h.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/call.h"
#include "base/text.h"
#include "support/rpc_bare.h"

struct fixture {
    struct rpc_bare *bare;
    struct dues_client *service;
    struct dues_client *reader;
    struct dues_client *app;
    struct dues_client *device;
    struct dues_client *operator_;
    struct dues_answer *answer;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);

    f->bare = rpc_bare_new(NULL);
    f->service = rpc_bare_client(f->bare, f->bare->service);
    f->reader = rpc_bare_client(f->bare, f->bare->reader);
    f->app = rpc_bare_client(f->bare, f->bare->app);
    f->device = rpc_bare_client(f->bare, f->bare->device);
    f->operator_ = rpc_bare_client(f->bare, f->bare->operator_);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    dues_client_close(f->service);
    dues_client_close(f->reader);
    dues_client_close(f->app);
    dues_client_close(f->device);
    dues_client_close(f->operator_);
    rpc_bare_free(f->bare);
    free(f);
    return 0;
}

static int forget_answer(void **state)
{
    struct fixture *f = *state;

    dues_answer_free(f->answer);
    f->answer = NULL;
    return 0;
}

static const struct dues_answer *ask(struct fixture *f, struct dues_client *client,
                                     const char *method, const ProtobufCMessage *request,
                                     const char *token, int64_t deadline_ms)
{
    dues_answer_free(f->answer);
    f->answer = rpc_bare_ask(client, method, request, token, deadline_ms);
    return f->answer;
}

static char *writable(const char *text)
{
    return (char *)(uintptr_t)text;
}

static const struct dues_answer *get_payment(struct fixture *f, struct dues_client *client,
                                             const char *token)
{
    Dues__Payment__V1__GetPaymentRequest request = DUES__PAYMENT__V1__GET_PAYMENT_REQUEST__INIT;

    request.name = writable("customers/me/payments/1");
    return ask(f, client, "GetPayment", &request.base, token, 0);
}

static const struct dues_answer *create_payment(struct fixture *f, const char *request_id,
                                                const char *description)
{
    Dues__Payment__V1__CreatePaymentRequest request =
        DUES__PAYMENT__V1__CREATE_PAYMENT_REQUEST__INIT;
    Dues__Payment__V1__Payment payment = DUES__PAYMENT__V1__PAYMENT__INIT;

    payment.description = writable(description);
    request.payment = &payment;
    request.request_id = writable(request_id);
    return ask(f, f->service, "CreatePayment", &request.base, NULL, 0);
}

static const char *description_of(const struct dues_answer *answer)
{
    return ((const Dues__Payment__V1__Payment *)(const void *)answer->reply)->description;
}

static void assert_refused(const struct dues_answer *answer, int status, const char *reason)
{
    assert_string_equal(dues_status_name(answer->status), dues_status_name(status));
    assert_string_equal(answer->reason, reason);
    assert_string_equal(answer->domain, "dues");
    assert_int_equal(strlen(answer->request_trace), 32);
}

static void assert_metadata(const struct dues_answer *answer, const char *key, const char *value)
{
    for (size_t i = 0; i < answer->metadata_count; i++) {
        if (strcmp(answer->metadata[i].key, key) == 0) {
            assert_string_equal(answer->metadata[i].value, value);
            return;
        }
    }
    fail_msg("no metadata '%s'", key);
}

static void answers_with_the_trace_in_the_headers(void **state)
{
    struct fixture *f = *state;

    const struct dues_answer *answer = get_payment(f, f->service, NULL);

    assert_int_equal(answer->status, DUES_OK);
    assert_string_equal(answer->request_trace, description_of(answer));
    assert_false(answer->replayed);
}

static void refuses_every_other_path_at_once(void **state)
{
    static const char *const paths[] = {
        "/dues.payment.v1.PaymentService/NoSuchMethod",
        "/dues.payment.v1.PaymentService/getpayment",
        "/dues.payment.v1.PaymentService/GetPayment/",
        "//dues.payment.v1.PaymentService/GetPayment",
        "/dues.payment.v1.PaymentService/GetPayment?x=1",
        "dues.payment.v1.PaymentService/GetPayment",
        "/payment.v1.PaymentService/GetPayment",
        "/",
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < ARRAY_LENGTH(paths); i++) {
        const struct dues_call_options options = {.deadline_ms = 30000, .attempts_max = 1};
        int64_t start_us = clock_monotonic_us(clock_system());

        dues_answer_free(f->answer);
        dues_call_bytes(f->service, paths[i], "", 0, &options, &f->answer);

        assert_refused(f->answer, DUES_UNIMPLEMENTED, "METHOD_UNKNOWN");
        assert_metadata(f->answer, "method", paths[i]);
        assert_true(clock_monotonic_us(clock_system()) - start_us < 20 * US_PER_SECOND);
    }
}

static void refuses_kinds_that_the_row_does_not_name(void **state)
{
    Dues__Payment__V1__GetRefundRequest request = DUES__PAYMENT__V1__GET_REFUND_REQUEST__INIT;
    struct fixture *f = *state;

    const struct dues_answer *answer = ask(f, f->app, "GetRefund", &request.base, BARE_TOKEN, 0);

    assert_refused(answer, DUES_PERMISSION_DENIED, "CALLER_NOT_ALLOWED");
    assert_metadata(answer, "caller", "app");
}

static void asks_for_a_token_where_one_would_help(void **state)
{
    struct fixture *f = *state;

    assert_refused(get_payment(f, f->app, NULL), DUES_UNAUTHENTICATED, "TOKEN_REQUIRED");
    assert_refused(get_payment(f, f->device, NULL), DUES_UNAUTHENTICATED, "TOKEN_REQUIRED");
}

static void refuses_a_token_that_is_not_good(void **state)
{
    struct fixture *f = *state;

    assert_refused(get_payment(f, f->app, "forged"), DUES_UNAUTHENTICATED, "TOKEN_INVALID");
}

static void refuses_two_authorizations(void **state)
{
    static const struct dues_metadata twice[] = {
        {"authorization", "Bearer " BARE_TOKEN},
        {"authorization", "Bearer " BARE_TOKEN},
    };
    const struct dues_call_options options = {
        .metadata = twice, .metadata_count = 2, .attempts_max = 1};
    struct fixture *f = *state;

    dues_call_bytes(f->app, "/dues.payment.v1.PaymentService/GetPayment", "", 0, &options,
                    &f->answer);

    assert_refused(f->answer, DUES_UNAUTHENTICATED, "TOKEN_INVALID");
}

static void refuses_another_authorization_scheme(void **state)
{
    static const struct dues_metadata basic[] = {{"authorization", "Basic Z29vZC10b2tlbg=="}};
    const struct dues_call_options options = {
        .metadata = basic, .metadata_count = 1, .attempts_max = 1};
    struct fixture *f = *state;

    dues_call_bytes(f->app, "/dues.payment.v1.PaymentService/GetPayment", "", 0, &options,
                    &f->answer);

    assert_refused(f->answer, DUES_UNAUTHENTICATED, "TOKEN_INVALID");
}

static void makes_an_app_with_a_token_a_user(void **state)
{
    struct fixture *f = *state;

    const struct dues_answer *answer = get_payment(f, f->app, BARE_TOKEN);

    assert_int_equal(answer->status, DUES_OK);
    assert_int_equal(
        strtol(((const Dues__Payment__V1__Payment *)(const void *)answer->reply)->invoice, NULL,
               10),
        CALLER_APP_USER);
}

static void looks_at_no_token_of_a_service(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(get_payment(f, f->service, "forged")->status, DUES_OK);
}

static void gives_users_only_what_their_token_grants(void **state)
{
    Dues__Payment__V1__CreatePaymentRequest request =
        DUES__PAYMENT__V1__CREATE_PAYMENT_REQUEST__INIT;
    struct fixture *f = *state;

    const struct dues_answer *answer =
        ask(f, f->app, "CreatePayment", &request.base, BARE_TOKEN, 0);

    assert_refused(answer, DUES_PERMISSION_DENIED, "SCOPE_MISSING");
    assert_metadata(answer, "scope", "payments.write");
}

static void gives_services_only_what_the_configuration_grants(void **state)
{
    Dues__Payment__V1__CreatePaymentRequest request =
        DUES__PAYMENT__V1__CREATE_PAYMENT_REQUEST__INIT;
    struct fixture *f = *state;

    assert_int_equal(get_payment(f, f->reader, NULL)->status, DUES_OK);
    assert_refused(ask(f, f->reader, "CreatePayment", &request.base, NULL, 0),
                   DUES_PERMISSION_DENIED, "SCOPE_MISSING");
    assert_refused(get_payment(f, f->operator_, NULL), DUES_PERMISSION_DENIED, "SCOPE_MISSING");
}

static void lets_a_device_without_a_user_in_where_the_row_names_it(void **state)
{
    Dues__Payment__V1__CreatePaymentMethodRequest request =
        DUES__PAYMENT__V1__CREATE_PAYMENT_METHOD_REQUEST__INIT;
    struct fixture *f = *state;

    assert_int_equal(ask(f, f->device, "CreatePaymentMethod", &request.base, NULL, 0)->status,
                     DUES_OK);
    assert_refused(ask(f, f->app, "CreatePaymentMethod", &request.base, NULL, 0),
                   DUES_UNAUTHENTICATED, "TOKEN_REQUIRED");
}

static void lets_everybody_call_what_is_public(void **state)
{
    Dues__Payment__V1__ListPaymentsRequest request = DUES__PAYMENT__V1__LIST_PAYMENTS_REQUEST__INIT;
    struct fixture *f = *state;

    assert_int_equal(ask(f, f->app, "ListPayments", &request.base, "forged", 0)->status, DUES_OK);
    assert_int_equal(ask(f, f->operator_, "ListPayments", &request.base, NULL, 0)->status, DUES_OK);
}

static void refuses_sandbox_methods_without_the_sandbox(void **state)
{
    Dues__Payment__V1__ListRefundsRequest request = DUES__PAYMENT__V1__LIST_REFUNDS_REQUEST__INIT;
    struct fixture *f = *state;

    assert_refused(ask(f, f->service, "ListRefunds", &request.base, NULL, 0), DUES_UNIMPLEMENTED,
                   "SANDBOX_OFF");
}

static void requires_a_request_id_where_money_moves(void **state)
{
    struct fixture *f = *state;

    const struct dues_answer *answer = create_payment(f, "", "a book");

    assert_refused(answer, DUES_INVALID_ARGUMENT, "REQUEST_ID_REQUIRED");
    assert_string_equal(answer->message, "method must not be done twice and needs a request_id");
    assert_int_equal(answer->field_count, 1);
    assert_string_equal(answer->fields[0].field, "request_id");
}

static void refuses_a_request_id_of_another_form(void **state)
{
    static const char *const ids[] = {
        "with blank",
        "slash/",
        "ümlaut",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" /* 65 */,
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < ARRAY_LENGTH(ids); i++) {
        const struct dues_answer *answer = create_payment(f, ids[i], "a book");
        assert_refused(answer, DUES_INVALID_ARGUMENT, "INVALID_FIELD");
        assert_string_equal(answer->fields[0].field, "request_id");
    }
}

static void hashes_equal_requests_equally_and_others_not(void **state)
{
    struct fixture *f = *state;
    char first[65];

    snprintf(first, sizeof first, "%s", description_of(create_payment(f, "id-1", "a book")));

    assert_string_equal(description_of(create_payment(f, "id-1", "a book")), first);
    assert_string_not_equal(description_of(create_payment(f, "id-1", "a boot")), first);
}

static void hashes_the_message_and_not_the_order_of_its_bytes(void **state)
{
    /* request_id "a" (3) and payment {} (2), in both orders */
    static const uint8_t in_order[] = {0x12, 0x00, 0x1a, 0x01, 'a'};
    static const uint8_t reversed[] = {0x1a, 0x01, 'a', 0x12, 0x00};
    struct fixture *f = *state;

    struct dues_answer *a = rpc_bare_bytes(f->service, "CreatePayment", in_order, sizeof in_order);
    struct dues_answer *b = rpc_bare_bytes(f->service, "CreatePayment", reversed, sizeof reversed);
    bool equal = a->reply_size == b->reply_size && a->reply_size > 0 &&
                 memcmp(a->reply_bytes, b->reply_bytes, a->reply_size) == 0;
    int status = a->status;
    dues_answer_free(a);
    dues_answer_free(b);

    assert_int_equal(status, DUES_OK);
    assert_true(equal);
}

static void sends_a_recorded_answer_as_it_was_and_says_so(void **state)
{
    Dues__Payment__V1__ListPaymentMethodsRequest request =
        DUES__PAYMENT__V1__LIST_PAYMENT_METHODS_REQUEST__INIT;
    struct fixture *f = *state;

    const struct dues_answer *answer =
        ask(f, f->service, "ListPaymentMethods", &request.base, NULL, 0);

    assert_int_equal(answer->status, DUES_OK);
    assert_true(answer->replayed);
    assert_int_equal(answer->reply_size, 5);
    assert_memory_equal(answer->reply_bytes, "\x12\x03old", 5);
}

static void carries_reason_metadata_fields_and_retry_within_the_limit(void **state)
{
    Dues__Payment__V1__CreateRefundRequest request = DUES__PAYMENT__V1__CREATE_REFUND_REQUEST__INIT;
    struct fixture *f = *state;

    request.request_id = writable("id-1");
    const struct dues_answer *answer = ask(f, f->operator_, "CreateRefund", &request.base, NULL, 0);

    assert_refused(answer, DUES_ABORTED, "REQUEST_IN_PROGRESS");
    assert_string_equal(answer->message, "the first one is still running");
    assert_metadata(answer, "attempt", "7");
    assert_int_equal(answer->retry_after_ms, 1500);
    /* Sixteen of a thousand bytes each would pass what clients take. */
    assert_in_range(answer->field_count, 1, 4);
    assert_string_equal(answer->fields[0].field, "refund.field_0");
}

static void keeps_what_an_internal_error_knows_to_the_log(void **state)
{
    Dues__Payment__V1__GetPaymentMethodRequest request =
        DUES__PAYMENT__V1__GET_PAYMENT_METHOD_REQUEST__INIT;
    struct fixture *f = *state;

    const struct dues_answer *answer =
        ask(f, f->service, "GetPaymentMethod", &request.base, NULL, 0);

    assert_refused(answer, DUES_INTERNAL, "INTERNAL");
    assert_string_equal(answer->message, "internal error");
    assert_true(rpc_bare_log_has(f->bare, "the private cause"));
    assert_true(rpc_bare_log_has(f->bare, answer->request_trace));
}

static void refuses_to_send_a_reply_that_is_too_large(void **state)
{
    Dues__Payment__V1__ListPaymentsRequest request = DUES__PAYMENT__V1__LIST_PAYMENTS_REQUEST__INIT;
    struct fixture *f = *state;

    request.page_size = 400;
    assert_int_equal(ask(f, f->service, "ListPayments", &request.base, NULL, 0)->status, DUES_OK);
    request.page_size = 600;
    assert_refused(ask(f, f->service, "ListPayments", &request.base, NULL, 0), DUES_INTERNAL,
                   "INTERNAL");
    assert_true(rpc_bare_log_has(f->bare, "over the limit"));
}

static void writes_one_line_for_a_call(void **state)
{
    struct fixture *f = *state;

    const struct dues_answer *answer = get_payment(f, f->service, NULL);

    assert_true(rpc_bare_log_has(f->bare, answer->request_trace));
    assert_true(rpc_bare_log_has(f->bare, "/dues.payment.v1.PaymentService/GetPayment"));
    assert_true(rpc_bare_log_has(f->bare, "spiffe://dues.local/service/service-billing"));
    assert_true(rpc_bare_log_has(f->bare, "127.0.0.1"));
}

#define DISPATCH_TEST(test) cmocka_unit_test_teardown(test, forget_answer)

int main(void)
{
    const struct CMUnitTest tests[] = {
        DISPATCH_TEST(answers_with_the_trace_in_the_headers),
        DISPATCH_TEST(refuses_every_other_path_at_once),
        DISPATCH_TEST(refuses_kinds_that_the_row_does_not_name),
        DISPATCH_TEST(asks_for_a_token_where_one_would_help),
        DISPATCH_TEST(refuses_a_token_that_is_not_good),
        DISPATCH_TEST(refuses_two_authorizations),
        DISPATCH_TEST(refuses_another_authorization_scheme),
        DISPATCH_TEST(makes_an_app_with_a_token_a_user),
        DISPATCH_TEST(looks_at_no_token_of_a_service),
        DISPATCH_TEST(gives_users_only_what_their_token_grants),
        DISPATCH_TEST(gives_services_only_what_the_configuration_grants),
        DISPATCH_TEST(lets_a_device_without_a_user_in_where_the_row_names_it),
        DISPATCH_TEST(lets_everybody_call_what_is_public),
        DISPATCH_TEST(refuses_sandbox_methods_without_the_sandbox),
        DISPATCH_TEST(requires_a_request_id_where_money_moves),
        DISPATCH_TEST(refuses_a_request_id_of_another_form),
        DISPATCH_TEST(hashes_equal_requests_equally_and_others_not),
        DISPATCH_TEST(hashes_the_message_and_not_the_order_of_its_bytes),
        DISPATCH_TEST(sends_a_recorded_answer_as_it_was_and_says_so),
        DISPATCH_TEST(carries_reason_metadata_fields_and_retry_within_the_limit),
        DISPATCH_TEST(keeps_what_an_internal_error_knows_to_the_log),
        DISPATCH_TEST(refuses_to_send_a_reply_that_is_too_large),
        DISPATCH_TEST(writes_one_line_for_a_call),
    };

    return cmocka_run_group_tests_name("dispatch", tests, setup, teardown);
}
