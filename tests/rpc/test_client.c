/*
 * libdues against a real server: the stubs of protobuf-c, retries, deadlines, threads, and what it
 * says when it cannot connect.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>

#include "support/rpc_bare.h"

#define NOBODY     "127.0.0.1:1"
#define THREADS    8
#define CALLS_EACH 40

struct fixture {
    struct rpc_bare *bare;
    struct dues_client *client;
    struct dues_answer *answer;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    f->bare = rpc_bare_new(NULL);
    f->client = rpc_bare_client(f->bare, f->bare->service);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    dues_answer_free(f->answer);
    dues_client_close(f->client);
    rpc_bare_free(f->bare);
    free(f);
    return 0;
}

static char *writable(const char *text)
{
    return (char *)(uintptr_t)text;
}

static struct dues_client_options options_of(const struct fixture *f, const char *target)
{
    return (struct dues_client_options){
        .target = target,
        .ca_pem = test_authority_pem(f->bare->authority),
        .certificate_pem = f->bare->service.certificate_pem,
        .key_pem = f->bare->service.key_pem,
    };
}

/* Replaces the fixture's client by one for another target. */
static void given_client(struct fixture *f, const struct dues_client_options *options)
{
    char problem[DUES_PROBLEM_SIZE];
    dues_client_close(f->client);
    f->client = dues_client_open(options, problem);
    assert_non_null(f->client);
}

static int call(struct fixture *f, const char *method, const ProtobufCMessage *request,
                const struct dues_call_options *options)
{
    dues_answer_free(f->answer);
    return dues_call(f->client, &dues__payment__v1__payment_service__descriptor, method, request,
                     options, &f->answer);
}

static int get_payment(struct fixture *f, const char *name, const struct dues_call_options *options)
{
    Dues__Payment__V1__GetPaymentRequest request = DUES__PAYMENT__V1__GET_PAYMENT_REQUEST__INIT;
    request.name = writable(name);
    return call(f, "GetPayment", &request.base, options);
}

static void remember_payment(const Dues__Payment__V1__Payment *payment, void *data)
{
    char *name = data;
    snprintf(name, 64, "%s", payment == NULL ? "nothing" : payment->name);
}

static void remember_method(const Dues__Payment__V1__PaymentMethod *method, void *data)
{
    bool *came = data;
    *came = method != NULL;
}

static void serves_the_stubs_that_protobuf_c_generates(void **state)
{
    struct fixture *f = *state;
    char name[64] = "";
    bool came = true;
    ProtobufCService *service =
        dues_client_service(f->client, &dues__payment__v1__payment_service__descriptor, NULL);
    Dues__Payment__V1__GetPaymentRequest request = DUES__PAYMENT__V1__GET_PAYMENT_REQUEST__INIT;
    request.name = writable("customers/a/payments/b");
    Dues__Payment__V1__GetPaymentMethodRequest broken =
        DUES__PAYMENT__V1__GET_PAYMENT_METHOD_REQUEST__INIT;
    broken.name = writable("customers/a/paymentMethods/b");

    dues__payment__v1__payment_service__get_payment(service, &request, remember_payment, name);
    int first = dues_service_answer(service)->status;
    dues__payment__v1__payment_service__get_payment_method(service, &broken, remember_method,
                                                           &came);
    int second = dues_service_answer(service)->status;
    protobuf_c_service_destroy(service);

    assert_string_equal(name, "customers/a/payments/b");
    assert_int_equal(first, DUES_OK);
    assert_false(came);
    assert_int_equal(second, DUES_INTERNAL);
}

struct worker {
    pthread_t thread;
    struct fixture *f;
    int number;
    int wrong;
};

static void *work(void *arg)
{
    struct worker *worker = arg;
    for (int i = 0; i < CALLS_EACH; i++) {
        char name[64];
        snprintf(name, sizeof(name), "customers/%d/payments/%d", worker->number, i);
        Dues__Payment__V1__GetPaymentRequest request = DUES__PAYMENT__V1__GET_PAYMENT_REQUEST__INIT;
        request.name = name;
        struct dues_answer *answer = NULL;
        int status = dues_call(worker->f->client, &dues__payment__v1__payment_service__descriptor,
                               "GetPayment", &request.base, NULL, &answer);
        const Dues__Payment__V1__Payment *payment =
            (const Dues__Payment__V1__Payment *)(const void *)answer->reply;
        worker->wrong += status != DUES_OK || strcmp(payment->name, name) != 0;
        dues_answer_free(answer);
    }
    return NULL;
}

static void gives_each_of_many_threads_its_own_answer(void **state)
{
    struct fixture *f = *state;
    struct worker workers[THREADS] = {0};
    struct dues_client_options options = options_of(f, f->bare->target);
    options.connections = 2;
    given_client(f, &options);

    for (int i = 0; i < THREADS; i++) {
        workers[i] = (struct worker){.f = f, .number = i};
        assert_int_equal(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
    }
    int wrong = 0;
    for (int i = 0; i < THREADS; i++) {
        pthread_join(workers[i].thread, NULL);
        wrong += workers[i].wrong;
    }

    assert_int_equal(wrong, 0);
}

static void ends_a_call_at_its_deadline_and_sends_it_once(void **state)
{
    struct fixture *f = *state;
    Dues__Payment__V1__GetRefundRequest request = DUES__PAYMENT__V1__GET_REFUND_REQUEST__INIT;
    request.name = writable("3000");
    struct dues_call_options options = {.deadline_ms = 100};

    int status = call(f, "GetRefund", &request.base, &options);

    assert_int_equal(status, DUES_DEADLINE_EXCEEDED);
    assert_int_equal(f->answer->attempts, 1);
}

/* The server asks for 1.5 s, which the deadline has no room for. */
static void does_not_wait_for_a_retry_past_the_deadline(void **state)
{
    struct fixture *f = *state;
    dues_client_close(f->client);
    f->client = rpc_bare_client(f->bare, f->bare->operator_);
    Dues__Payment__V1__CreateRefundRequest request = DUES__PAYMENT__V1__CREATE_REFUND_REQUEST__INIT;
    request.parent = writable("customers/a/payments/b");
    request.request_id = writable("r-1");
    struct dues_call_options options = {.deadline_ms = 1000};

    int status = call(f, "CreateRefund", &request.base, &options);

    assert_int_equal(status, DUES_ABORTED);
    assert_int_equal(f->answer->attempts, 1);
    assert_int_equal(f->answer->retry_after_ms, 1500);
    assert_true(f->answer->field_count > 0);
}

static void repeats_a_request_in_progress_as_the_server_wishes(void **state)
{
    struct fixture *f = *state;
    dues_client_close(f->client);
    f->client = rpc_bare_client(f->bare, f->bare->operator_);
    Dues__Payment__V1__CreateRefundRequest request = DUES__PAYMENT__V1__CREATE_REFUND_REQUEST__INIT;
    request.parent = writable("customers/a/payments/b");
    request.request_id = writable("r-1");
    struct dues_call_options options = {.deadline_ms = 10000, .attempts_max = 2};

    int status = call(f, "CreateRefund", &request.base, &options);

    assert_int_equal(status, DUES_ABORTED);
    assert_int_equal(f->answer->attempts, 2);
}

static void tries_a_read_again_when_nobody_answers(void **state)
{
    struct fixture *f = *state;
    struct dues_client_options options = options_of(f, NOBODY);
    given_client(f, &options);

    int status = get_payment(f, "x", NULL);

    assert_int_equal(status, DUES_UNAVAILABLE);
    assert_int_equal(f->answer->attempts, DUES_ATTEMPTS_DEFAULT);
}

static void sends_what_is_not_repeatable_once(void **state)
{
    struct fixture *f = *state;
    struct dues_client_options options = options_of(f, NOBODY);
    given_client(f, &options);
    Dues__Payment__V1__CreatePaymentMethodRequest request =
        DUES__PAYMENT__V1__CREATE_PAYMENT_METHOD_REQUEST__INIT;

    int status = call(f, "CreatePaymentMethod", &request.base, NULL);

    assert_int_equal(status, DUES_UNAVAILABLE);
    assert_int_equal(f->answer->attempts, 1);
}

static void waits_for_a_connection_until_the_deadline_when_told_to(void **state)
{
    struct fixture *f = *state;
    struct dues_client_options options = options_of(f, NOBODY);
    given_client(f, &options);
    struct dues_call_options wait = {.deadline_ms = 200, .wait_for_ready = true};

    int status = get_payment(f, "x", &wait);

    assert_int_equal(status, DUES_DEADLINE_EXCEEDED);
}

static void does_not_speak_to_a_server_of_another_authority(void **state)
{
    struct fixture *f = *state;
    struct test_authority *stranger = test_authority_new(f->bare->arena, "stranger");
    struct dues_client_options options = options_of(f, f->bare->target);
    options.ca_pem = test_authority_pem(stranger);
    given_client(f, &options);
    test_authority_free(stranger);

    int status = get_payment(f, "x", &(struct dues_call_options){.attempts_max = 1});

    assert_int_equal(status, DUES_UNAVAILABLE);
}

static void hands_back_bytes_for_a_path(void **state)
{
    struct fixture *f = *state;
    static const uint8_t request[] = {0x0a, 0x01, 'x'};

    int status = dues_call_bytes(f->client, "/dues.payment.v1.PaymentService/GetPayment", request,
                                 sizeof(request), NULL, &f->answer);

    assert_int_equal(status, DUES_OK);
    assert_null(f->answer->reply);
    assert_true(f->answer->reply_size >= sizeof(request));
    assert_memory_equal(f->answer->reply_bytes, request, sizeof(request));
}

static void refuses_mistakes_of_its_caller_without_a_call(void **state)
{
    struct fixture *f = *state;
    Dues__Payment__V1__GetPaymentRequest request = DUES__PAYMENT__V1__GET_PAYMENT_REQUEST__INIT;
    static const struct dues_metadata bad[] = {{"x-name", "line\nbreak"}};
    struct dues_call_options options = {.metadata = bad, .metadata_count = 1};

    assert_int_equal(call(f, "GetNothing", &request.base, NULL), DUES_UNIMPLEMENTED);
    assert_int_equal(call(f, "GetRefund", &request.base, NULL), DUES_INVALID_ARGUMENT);
    assert_int_equal(call(f, "GetPayment", &request.base, &options), DUES_INTERNAL);
    assert_non_null(strstr(f->answer->message, "printable ASCII"));
}

static void says_why_it_cannot_be_opened(void **state)
{
    struct fixture *f = *state;
    char problem[DUES_PROBLEM_SIZE];
    struct dues_client_options options = options_of(f, "");

    assert_null(dues_client_open(&options, problem));
    assert_non_null(strstr(problem, "target"));

    options = options_of(f, NOBODY);
    options.ca_pem = NULL;
    options.ca_file = "/nowhere/ca.pem";
    assert_null(dues_client_open(&options, problem));
    assert_non_null(strstr(problem, "/nowhere/ca.pem"));

    options = options_of(f, NOBODY);
    options.key_pem = NULL;
    assert_null(dues_client_open(&options, problem));
    assert_string_equal(problem, "the key is missing");

    options.key_file = SOURCE_DIR "/CMakeLists.txt";
    assert_null(dues_client_open(&options, problem));
    assert_non_null(strstr(problem, "is not a PEM file"));
}

#define CLIENT_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CLIENT_TEST(serves_the_stubs_that_protobuf_c_generates),
        CLIENT_TEST(gives_each_of_many_threads_its_own_answer),
        CLIENT_TEST(ends_a_call_at_its_deadline_and_sends_it_once),
        CLIENT_TEST(does_not_wait_for_a_retry_past_the_deadline),
        CLIENT_TEST(repeats_a_request_in_progress_as_the_server_wishes),
        CLIENT_TEST(tries_a_read_again_when_nobody_answers),
        CLIENT_TEST(sends_what_is_not_repeatable_once),
        CLIENT_TEST(waits_for_a_connection_until_the_deadline_when_told_to),
        CLIENT_TEST(does_not_speak_to_a_server_of_another_authority),
        CLIENT_TEST(hands_back_bytes_for_a_path),
        CLIENT_TEST(refuses_mistakes_of_its_caller_without_a_call),
        CLIENT_TEST(says_why_it_cannot_be_opened),
    };
    return cmocka_run_group_tests_name("libdues", tests, NULL, NULL);
}
