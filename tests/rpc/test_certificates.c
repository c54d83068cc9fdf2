/*
 * Certificates that change under a running server.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <unistd.h>

#include "support/rpc_bare.h"

/* Until the server has looked at its files, and gRPC at ours. */
#define TAKEN_UP_MS 15000

static int ask_once(struct rpc_bare *bare, const char *ca_pem, struct test_pair pair)
{
    Dues__Payment__V1__ListPaymentsRequest request = DUES__PAYMENT__V1__LIST_PAYMENTS_REQUEST__INIT;
    char problem[DUES_PROBLEM_SIZE];
    const struct dues_client_options options = {
        .target = bare->target,
        .ca_pem = ca_pem,
        .certificate_pem = pair.certificate_pem,
        .key_pem = pair.key_pem,
    };
    const struct dues_call_options once = {.attempts_max = 1, .deadline_ms = 5000};
    struct dues_client *client = dues_client_open(&options, problem);
    struct dues_answer *answer;

    int status = dues_call(client, &dues__payment__v1__payment_service__descriptor, "ListPayments",
                           &request.base, &once, &answer);
    dues_answer_free(answer);
    dues_client_close(client);
    return status;
}

/* True as soon as a new connection gets that status. */
static bool becomes(struct rpc_bare *bare, const char *ca_pem, struct test_pair pair, int wanted)
{
    for (int waited_ms = 0; waited_ms < TAKEN_UP_MS; waited_ms += 100) {
        if (ask_once(bare, ca_pem, pair) == wanted)
            return true;
        usleep(100 * 1000);
    }
    return false;
}

static void write_server(struct rpc_bare *bare, struct test_pair pair)
{
    test_write_file(bare->directory, "server.key", pair.key_pem);
    test_write_file(bare->directory, "server.pem", pair.certificate_pem);
}

static void serves_a_new_certificate_without_being_told(void **state)
{
    struct rpc_bare *bare = rpc_bare_new(NULL);
    struct test_authority *next = test_authority_new(bare->arena, "next");

    (void)state;
    int before = ask_once(bare, test_authority_pem(next), bare->service);
    write_server(bare, test_issue_server(next));
    bool taken_up = becomes(bare, test_authority_pem(next), bare->service, DUES_OK);
    test_authority_free(next);
    rpc_bare_free(bare);

    assert_int_not_equal(before, DUES_OK);
    assert_true(taken_up);
}

static void trusts_a_new_authority_and_no_more_the_old(void **state)
{
    struct rpc_bare *bare = rpc_bare_new(NULL);
    struct test_authority *next = test_authority_new(bare->arena, "next");
    const char *server_ca = test_authority_pem(bare->authority);
    struct test_pair newcomer = test_issue_client(next, "service/newcomer");
    char problem[RPC_PROBLEM_SIZE];

    (void)state;
    int before = ask_once(bare, server_ca, newcomer);
    test_write_file(bare->directory, "ca.pem", test_authority_pem(next));
    bool reloaded = rpc_server_reload_certificates(bare->server, problem);
    bool newcomer_in = becomes(bare, server_ca, newcomer, DUES_OK);
    int old = ask_once(bare, server_ca, bare->service);
    test_authority_free(next);
    rpc_bare_free(bare);

    assert_int_not_equal(before, DUES_OK);
    assert_true(reloaded);
    assert_true(newcomer_in);
    assert_int_not_equal(old, DUES_OK);
}

static void keeps_the_old_ones_when_the_new_do_not_fit(void **state)
{
    struct rpc_bare *bare = rpc_bare_new(NULL);
    const char *server_ca = test_authority_pem(bare->authority);
    struct test_pair one = test_issue_server(bare->authority);
    struct test_pair other = test_issue_server(bare->authority);
    char mismatch[RPC_PROBLEM_SIZE] = "";
    char garbage[RPC_PROBLEM_SIZE] = "";
    char missing[RPC_PROBLEM_SIZE] = "";

    (void)state;
    write_server(bare, (struct test_pair){one.certificate_pem, other.key_pem});
    bool took_mismatch = rpc_server_reload_certificates(bare->server, mismatch);
    write_server(bare, one);
    test_write_file(bare->directory, "ca.pem", "-----BEGIN CERTIFICATE-----\nAAAA");
    bool took_garbage = rpc_server_reload_certificates(bare->server, garbage);
    unlink(bare->paths[2]);
    bool took_nothing = rpc_server_reload_certificates(bare->server, missing);
    bool logged = false;
    for (int waited_ms = 0; !logged && waited_ms < TAKEN_UP_MS; waited_ms += 100) {
        usleep(100 * 1000);
        logged = rpc_bare_log_has(bare, "do not fit"); /* the watcher has seen them too */
    }
    int after = ask_once(bare, server_ca, bare->service);
    rpc_bare_free(bare);

    assert_false(took_mismatch);
    assert_string_equal(mismatch, "server key is not the key of the server certificate");
    assert_false(took_garbage);
    assert_false(took_nothing);
    assert_non_null(strstr(missing, "ca.pem"));
    assert_int_equal(after, DUES_OK);
    assert_true(logged);
}

struct load {
    struct rpc_bare *bare;
    pthread_t thread;
    atomic_bool *stop;
    struct dues_client *client; /* NULL: a new connection for each call */
    int calls;
    int failures;
};

static void *run_load(void *argument)
{
    struct load *load = argument;
    Dues__Payment__V1__ListPaymentsRequest request = DUES__PAYMENT__V1__LIST_PAYMENTS_REQUEST__INIT;

    while (!atomic_load(load->stop)) {
        int status;
        if (load->client == NULL) {
            status = ask_once(load->bare, test_authority_pem(load->bare->authority),
                              load->bare->service);
        } else {
            struct dues_answer *answer =
                rpc_bare_ask(load->client, "ListPayments", &request.base, NULL, 5000);
            status = answer->status;
            dues_answer_free(answer);
        }
        load->calls++;
        load->failures += status == DUES_OK ? 0 : 1;
    }
    return NULL;
}

static void rotates_under_load_without_a_failed_call(void **state)
{
    struct rpc_bare *bare = rpc_bare_new(NULL);
    struct dues_client *client = rpc_bare_client(bare, bare->service);
    atomic_bool stop = false;
    struct load loads[3];
    int calls = 0;
    int failures = 0;

    (void)state;
    for (int i = 0; i < 3; i++) {
        loads[i] = (struct load){.bare = bare, .stop = &stop, .client = i == 0 ? client : NULL};
        pthread_create(&loads[i].thread, NULL, run_load, &loads[i]);
    }
    for (int i = 0; i < 4; i++) {
        /* Not in one step: between the two writes key and certificate do not belong together. */
        struct test_pair pair = test_issue_server(bare->authority);
        test_write_file(bare->directory, "server.key", pair.key_pem);
        usleep(300 * 1000);
        test_write_file(bare->directory, "server.pem", pair.certificate_pem);
        usleep(1300 * 1000);
    }
    atomic_store(&stop, true);
    for (int i = 0; i < 3; i++) {
        pthread_join(loads[i].thread, NULL);
        calls += loads[i].calls;
        failures += loads[i].failures;
    }
    dues_client_close(client);
    rpc_bare_free(bare);

    assert_int_equal(failures, 0);
    assert_true(calls > 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(serves_a_new_certificate_without_being_told),
        cmocka_unit_test(trusts_a_new_authority_and_no_more_the_old),
        cmocka_unit_test(keeps_the_old_ones_when_the_new_do_not_fit),
        cmocka_unit_test(rotates_under_load_without_a_failed_call),
    };

    return cmocka_run_group_tests_name("certificates", tests, NULL, NULL);
}
