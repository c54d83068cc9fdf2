/*
 * The end of a server: what runs is finished, what hangs is cut off, nothing new begins.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <unistd.h>

#include "support/patience.h"
#include "support/rpc_bare.h"
#include "support/rpc_raw.h"

#define CALLS 8

struct sleeper {
    pthread_t thread;
    struct dues_client *client;
    const char *ms;
    int status;
};

static void *run_sleeper(void *argument)
{
    struct sleeper *sleeper = argument;
    Dues__Payment__V1__GetRefundRequest request = DUES__PAYMENT__V1__GET_REFUND_REQUEST__INIT;

    request.name = (char *)(uintptr_t)sleeper->ms;
    struct dues_answer *answer =
        rpc_bare_ask(sleeper->client, "GetRefund", &request.base, NULL, 10000);
    sleeper->status = answer->status;
    dues_answer_free(answer);
    return NULL;
}

/* Until all are in their sleep. */
static void start_sleepers(struct rpc_bare *bare, struct sleeper sleepers[CALLS],
                           struct dues_client *client, const char *ms)
{
    struct sleeper first = {.client = client, .ms = "0"};

    run_sleeper(&first); /* there is a connection from here on */
    for (int i = 0; i < CALLS; i++) {
        sleepers[i] = (struct sleeper){.client = client, .ms = ms};
        pthread_create(&sleepers[i].thread, NULL, run_sleeper, &sleepers[i]);
    }
    AWAIT(rpc_bare_calls(bare, NULL, RPC_CALL_RUNS) == CALLS);
}

static void join_sleepers(struct sleeper sleepers[CALLS])
{
    for (int i = 0; i < CALLS; i++)
        pthread_join(sleepers[i].thread, NULL);
}

static void finishes_running_calls(void **state)
{
    struct rpc_bare *bare = rpc_bare_new(NULL);
    struct dues_client *client = rpc_bare_client(bare, bare->service);
    struct sleeper sleepers[CALLS];

    (void)state;
    start_sleepers(bare, sleepers, client, "900");
    bool quiet = rpc_server_drain(bare->server, 5000);
    join_sleepers(sleepers);
    dues_client_close(client);
    rpc_bare_free(bare);

    assert_true(quiet);
    for (int i = 0; i < CALLS; i++)
        assert_int_equal(sleepers[i].status, DUES_OK);
}

static void cuts_off_after_the_grace_but_lets_handlers_end(void **state)
{
    struct rpc_bare *bare = rpc_bare_new(NULL);
    struct dues_client *client = rpc_bare_client(bare, bare->service);
    struct sleeper sleepers[CALLS];

    (void)state;
    start_sleepers(bare, sleepers, client, "700");
    int done = rpc_bare_sleeps_done();
    bool quiet = rpc_server_drain(bare->server, 200);
    int done_after = rpc_bare_sleeps_done();
    join_sleepers(sleepers);
    dues_client_close(client);
    rpc_bare_free(bare);

    assert_true(quiet);
    assert_int_equal(done_after, done + CALLS);
    for (int i = 0; i < CALLS; i++)
        assert_int_not_equal(sleepers[i].status, DUES_OK);
}

static void gives_up_a_second_after_the_grace(void **state)
{
    struct rpc_bare *bare = rpc_bare_new(NULL);
    struct dues_client *client = rpc_bare_client(bare, bare->service);
    struct sleeper sleepers[CALLS];

    (void)state;
    start_sleepers(bare, sleepers, client, "4000");
    const int64_t start_us = clock_monotonic_us(clock_system());
    bool quiet = rpc_server_drain(bare->server, 500);
    int64_t took_us = clock_monotonic_us(clock_system()) - start_us;
    size_t running = rpc_server_running(bare->server);
    bool quiet_later = rpc_server_drain(bare->server, 20000);
    join_sleepers(sleepers);
    dues_client_close(client);
    rpc_bare_free(bare);

    assert_false(quiet);
    assert_true(took_us >= 1400 * US_PER_MS);
    assert_int_equal(running, CALLS);
    assert_true(quiet_later);
}

static void takes_no_call_once_it_drains(void **state)
{
    struct rpc_bare *bare = rpc_bare_new(NULL);
    struct dues_client *client = rpc_bare_client(bare, bare->service);
    Dues__Payment__V1__GetPaymentRequest request = DUES__PAYMENT__V1__GET_PAYMENT_REQUEST__INIT;

    (void)state;
    struct dues_answer *before = rpc_bare_ask(client, "GetPayment", &request.base, NULL, 2000);
    rpc_server_drain(bare->server, 1000);
    struct dues_answer *after = rpc_bare_ask(client, "GetPayment", &request.base, NULL, 500);
    int before_status = before->status;
    int after_status = after->status;
    dues_answer_free(before);
    dues_answer_free(after);
    dues_client_close(client);
    rpc_bare_free(bare);

    assert_int_equal(before_status, DUES_OK);
    assert_int_not_equal(after_status, DUES_OK);
}

static void does_not_wait_for_idle_streams(void **state)
{
    struct rpc_bare *bare = rpc_bare_new(NULL);
    struct rpc_raw *raw =
        rpc_raw_open(bare->target, test_authority_pem(bare->authority), bare->app);
    struct rpc_raw_stream *reflection =
        rpc_raw_start(raw, "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo");
    const int64_t start_us = clock_monotonic_us(clock_system());
    static const uint8_t list[] = {0x3a, 0x01, '*'};
    size_t size;

    (void)state;
    rpc_raw_send(reflection, list, sizeof list);
    free(rpc_raw_receive(reflection, 5000, &size));
    bool quiet = rpc_server_drain(bare->server, 20000);
    int64_t took_us = clock_monotonic_us(clock_system()) - start_us;
    int status = rpc_raw_finish(reflection);
    rpc_raw_close(raw);
    rpc_bare_free(bare);

    assert_true(quiet);
    assert_true(took_us < 15 * US_PER_SECOND);
    assert_int_not_equal(status, -1);
}

static void says_when_the_port_is_taken(void **state)
{
    struct rpc_bare *bare = rpc_bare_new(NULL);
    struct rpc_bare second = *bare;
    const struct rpc_service *const services[] = {rpc_bare_service()};
    char problem[RPC_PROBLEM_SIZE] = "";
    const struct rpc_server_options options = {
        .house = &second.house, .services = services, .service_count = 1};

    (void)state;
    second.settings.listen = bare->target;
    second.house.settings = &second.settings;
    off_t logged_before = lseek(bare->log_file, 0, SEEK_END);
    struct rpc_server *server = rpc_server_open(&options, problem);
    bool names_it = strstr(problem, bare->target) != NULL;
    bool says_why = strstr(problem, "the port is taken") != NULL;
    off_t logged = lseek(bare->log_file, 0, SEEK_END);
    rpc_bare_free(bare);

    assert_null(server);
    assert_true(names_it);
    assert_true(says_why);
    assert_int_equal(logged, logged_before); /* gRPC says nothing besides */
    assert_null(strchr(problem, '\n'));
}

static void says_when_the_address_is_not_ours(void **state)
{
    struct rpc_bare *bare = rpc_bare_new(NULL);
    struct rpc_bare second = *bare;
    const struct rpc_service *const services[] = {rpc_bare_service()};
    char problem[RPC_PROBLEM_SIZE] = "";
    const struct rpc_server_options options = {
        .house = &second.house, .services = services, .service_count = 1};

    (void)state;
    second.settings.listen = "192.0.2.1:8443"; /* RFC 5737: nobody's */
    second.house.settings = &second.settings;
    struct rpc_server *server = rpc_server_open(&options, problem);
    rpc_bare_free(bare);

    assert_null(server);
    assert_string_equal(problem, "could not listen on 192.0.2.1:8443: the address is not one of "
                                 "this machine");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finishes_running_calls),
        cmocka_unit_test(cuts_off_after_the_grace_but_lets_handlers_end),
        cmocka_unit_test(gives_up_a_second_after_the_grace),
        cmocka_unit_test(takes_no_call_once_it_drains),
        cmocka_unit_test(does_not_wait_for_idle_streams),
        cmocka_unit_test(says_when_the_port_is_taken),
        cmocka_unit_test(says_when_the_address_is_not_ours),
    };

    return cmocka_run_group_tests_name("shutdown", tests, NULL, NULL);
}
