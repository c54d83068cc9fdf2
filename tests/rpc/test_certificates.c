/*
 * Certificates that change under a running server.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <unistd.h>

#include "base/measure.h"
#include "support/rpc_bare.h"

/* Until the server has looked at its files, and gRPC at ours. */
#define TAKEN_UP_MS 60000

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

/* On a connection that was open before; keeps nothing of the answer but the reason. */
static int ask_on(struct dues_client *client, char reason[64])
{
    Dues__Payment__V1__ListPaymentsRequest request = DUES__PAYMENT__V1__LIST_PAYMENTS_REQUEST__INIT;
    struct dues_answer *answer = rpc_bare_ask(client, "ListPayments", &request.base, NULL, 5000);
    int status = answer->status;

    snprintf(reason, 64, "%s", answer->reason);
    dues_answer_free(answer);
    return status;
}

static void refuses_a_certificate_that_ends_while_its_connection_is_open(void **state)
{
    struct rpc_bare *bare = rpc_bare_new(NULL);
    struct test_pair pair =
        test_issue(bare->authority, &(struct test_wish){.common_name = "c",
                                                        .uris = {"spiffe://dues.local/service/a"},
                                                        .not_after = "20981231235959Z"});
    struct dues_client *client = rpc_bare_client(bare, pair);
    char reason[64];

    (void)state;
    fake_clock_set(&bare->clock, 4070908740LL * US_PER_SECOND); /* 2098-12-31T23:59Z */
    int before = ask_on(client, reason);
    fake_clock_advance(&bare->clock, US_PER_MINUTE);
    int after = ask_on(client, reason);
    dues_client_close(client);
    rpc_bare_free(bare);

    assert_int_equal(before, DUES_OK);
    assert_int_equal(after, DUES_UNAUTHENTICATED);
    assert_string_equal(reason, "CERTIFICATE_EXPIRED");
}

static void
refuses_on_open_connections_what_an_authority_issued_that_is_trusted_no_more(void **state)
{
    struct rpc_bare *bare = rpc_bare_new(NULL);
    struct test_authority *next = test_authority_new(bare->arena, "next");
    struct dues_client *client = rpc_bare_client(bare, bare->service);
    char problem[RPC_PROBLEM_SIZE];
    char reason[64];

    (void)state;
    int before = ask_on(client, reason);
    test_write_file(bare->directory, "ca.pem", test_authority_pem(next));
    bool reloaded = rpc_server_reload_certificates(bare->server, problem);
    int after = ask_on(client, reason);
    test_authority_free(next);
    dues_client_close(client);
    rpc_bare_free(bare);

    assert_int_equal(before, DUES_OK);
    assert_true(reloaded);
    assert_int_equal(after, DUES_UNAUTHENTICATED);
    assert_string_equal(reason, "CERTIFICATE_NOT_ACCEPTED");
}

static void tells_when_what_it_serves_and_trusts_ends(void **state)
{
    struct rpc_bare *bare = rpc_bare_new(NULL);
    struct test_authority *next = test_authority_new(bare->arena, "next");
    struct measures *measures = measures_new();
    char problem[RPC_PROBLEM_SIZE];
    size_t size;

    (void)state;
    test_write_file(bare->directory, "ca.pem",
                    arena_printf(bare->arena, "%s%s", test_authority_pem(bare->authority),
                                 test_authority_pem(next)));
    rpc_server_reload_certificates(bare->server, problem);
    rpc_server_measure_certificates(bare->server, measures);
    const char *text = arena_strdup(bare->arena, measures_text(measures, &size));
    size_t authorities = 0;
    for (const char *at = text; (at = strstr(at, "role=\"client_ca\"")) != NULL; at++)
        authorities++;
    const char *server = strstr(text, "role=\"server\"");
    bool ends_in_2100 = server != NULL && strstr(server, "} 4102444800") != NULL;
    bool tells_of_keys = strstr(text, "dues_revoked_keys 0") != NULL;
    measures_free(measures);
    test_authority_free(next);
    rpc_bare_free(bare);

    assert_int_equal(authorities, 2);
    assert_true(ends_in_2100);
    assert_true(tells_of_keys);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(serves_a_new_certificate_without_being_told),
        cmocka_unit_test(trusts_a_new_authority_and_no_more_the_old),
        cmocka_unit_test(keeps_the_old_ones_when_the_new_do_not_fit),
        cmocka_unit_test(refuses_a_certificate_that_ends_while_its_connection_is_open),
        cmocka_unit_test(
            refuses_on_open_connections_what_an_authority_issued_that_is_trusted_no_more),
        cmocka_unit_test(tells_when_what_it_serves_and_trusts_ends),
    };

    return cmocka_run_group_tests_name("certificates", tests, NULL, NULL);
}
