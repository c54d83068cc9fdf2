/*
 * grpc.health.v1: Check and Watch, as balancers and kubelets use them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <unistd.h>

#include "base/call.h"
#include "grpc/health/v1/health.pb-c.h"
#include "support/rpc_bare.h"
#include "support/rpc_raw.h"

#define SERVING         1
#define NOT_SERVING     2
#define SERVICE_UNKNOWN 3
#define NOTHING         (-1)

#define WATCH "/grpc.health.v1.Health/Watch"
#define OURS  "dues.payment.v1.PaymentService"

struct fixture {
    struct rpc_bare *bare;
    struct dues_client *client;
    struct rpc_raw *raw;
    struct rpc_raw_stream *stream;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);

    f->bare = rpc_bare_new(NULL);
    /* Whoever probes has a certificate, of any kind. */
    f->client = rpc_bare_client(f->bare, f->bare->app);
    f->raw = rpc_raw_open(f->bare->target, test_authority_pem(f->bare->authority), f->bare->app);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    if (f->stream != NULL) {
        rpc_raw_cancel(f->stream);
        rpc_raw_finish(f->stream);
    }
    rpc_raw_close(f->raw);
    dues_client_close(f->client);
    rpc_bare_free(f->bare);
    free(f);
    return 0;
}

static int check(struct fixture *f, const char *service, int *status)
{
    Grpc__Health__V1__HealthCheckRequest request = GRPC__HEALTH__V1__HEALTH_CHECK_REQUEST__INIT;
    const struct dues_call_options options = {.attempts_max = 1, .wait_for_ready = true};
    struct dues_answer *answer;

    request.service = (char *)(uintptr_t)service;
    int code = dues_call(f->client, &grpc__health__v1__health__descriptor, "Check", &request.base,
                         &options, &answer);
    const Grpc__Health__V1__HealthCheckResponse *reply = (const void *)answer->reply;
    *status = code == DUES_OK ? (int)reply->status : NOTHING;
    dues_answer_free(answer);
    return code;
}

static void watch(struct fixture *f, const char *service)
{
    Grpc__Health__V1__HealthCheckRequest request = GRPC__HEALTH__V1__HEALTH_CHECK_REQUEST__INIT;
    uint8_t bytes[128];

    request.service = (char *)(uintptr_t)service;
    f->stream = rpc_raw_start(f->raw, WATCH);
    size_t size = grpc__health__v1__health_check_request__pack(&request, bytes);
    assert_true(rpc_raw_send(f->stream, bytes, size));
    assert_true(rpc_raw_half_close(f->stream));
}

static int next_status(struct fixture *f, int64_t wait_ms)
{
    size_t size = 0;
    uint8_t *bytes = rpc_raw_receive(f->stream, wait_ms, &size);

    if (bytes == NULL)
        return NOTHING;
    Grpc__Health__V1__HealthCheckResponse *reply =
        grpc__health__v1__health_check_response__unpack(NULL, size, bytes);
    int status = (int)reply->status;
    grpc__health__v1__health_check_response__free_unpacked(reply, NULL);
    free(bytes);
    return status;
}

static void says_of_the_server_and_of_each_service_that_it_serves(void **state)
{
    struct fixture *f = *state;
    int status;

    assert_int_equal(check(f, "", &status), DUES_OK);
    assert_int_equal(status, SERVING);
    assert_int_equal(check(f, OURS, &status), DUES_OK);
    assert_int_equal(status, SERVING);
}

static void does_not_know_other_names(void **state)
{
    struct fixture *f = *state;
    int status;

    assert_int_equal(check(f, "dues.payment.v1", &status), DUES_NOT_FOUND);
    assert_int_equal(check(f, "DUES.payment.v1.PaymentService", &status), DUES_NOT_FOUND);
}

static void serves_not_while_the_house_is_not_ready(void **state)
{
    struct fixture *f = *state;
    int status;

    atomic_store(&f->bare->ready, false);

    assert_int_equal(check(f, "", &status), DUES_OK);
    assert_int_equal(status, NOT_SERVING);
    assert_int_equal(check(f, OURS, &status), DUES_OK);
    assert_int_equal(status, NOT_SERVING);
}

static void tells_a_watcher_at_once_and_at_every_change(void **state)
{
    struct fixture *f = *state;

    watch(f, OURS);
    assert_int_equal(next_status(f, 5000), SERVING);
    assert_int_equal(next_status(f, 300), NOTHING);

    atomic_store(&f->bare->ready, false);
    assert_int_equal(next_status(f, 5000), NOT_SERVING);

    atomic_store(&f->bare->ready, true);
    assert_int_equal(next_status(f, 5000), SERVING);
}

static void keeps_the_watch_of_an_unknown_service_open(void **state)
{
    struct fixture *f = *state;

    watch(f, "no.such.Service");

    assert_int_equal(next_status(f, 5000), SERVICE_UNKNOWN);
    assert_int_equal(next_status(f, 300), NOTHING);
    rpc_raw_cancel(f->stream);
    int status = rpc_raw_finish(f->stream);
    f->stream = NULL;
    assert_int_equal(status, DUES_CANCELLED);
}

static void tells_a_watcher_when_the_server_drains_and_ends(void **state)
{
    struct fixture *f = *state;

    watch(f, "");
    assert_int_equal(next_status(f, 5000), SERVING);

    bool quiet = rpc_server_drain(f->bare->server, 5000);

    assert_true(quiet);
    assert_int_equal(next_status(f, 5000), NOT_SERVING);
    assert_int_equal(next_status(f, 5000), NOTHING);
    int status = rpc_raw_finish(f->stream);
    f->stream = NULL;
    assert_int_equal(status, DUES_OK);
}

static void bounds_the_number_of_watchers(void **state)
{
    struct fixture *f = *state;
    struct rpc_raw_stream *streams[200];
    size_t refused = 0;
    struct rpc_raw *raws[4];

    for (size_t i = 0; i < ARRAY_LENGTH(raws); i++)
        raws[i] =
            rpc_raw_open(f->bare->target, test_authority_pem(f->bare->authority), f->bare->app);
    for (size_t i = 0; i < ARRAY_LENGTH(streams); i++) {
        size_t size;
        streams[i] = rpc_raw_start(raws[i % ARRAY_LENGTH(raws)], WATCH);
        rpc_raw_send(streams[i], "", 0);
        uint8_t *first = rpc_raw_receive(streams[i], 5000, &size);
        refused += first == NULL ? 1 : 0;
        free(first);
    }
    for (size_t i = 0; i < ARRAY_LENGTH(streams); i++) {
        rpc_raw_cancel(streams[i]);
        rpc_raw_finish(streams[i]);
    }
    for (size_t i = 0; i < ARRAY_LENGTH(raws); i++)
        rpc_raw_close(raws[i]);

    assert_in_range(refused, 72, 199);
}

#define HEALTH_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        HEALTH_TEST(says_of_the_server_and_of_each_service_that_it_serves),
        HEALTH_TEST(does_not_know_other_names),
        HEALTH_TEST(serves_not_while_the_house_is_not_ready),
        HEALTH_TEST(tells_a_watcher_at_once_and_at_every_change),
        HEALTH_TEST(keeps_the_watch_of_an_unknown_service_open),
        HEALTH_TEST(tells_a_watcher_when_the_server_drains_and_ends),
        HEALTH_TEST(bounds_the_number_of_watchers),
    };

    return cmocka_run_group_tests_name("health", tests, NULL, NULL);
}
