/*
 * A server whose guards libgrpc does not find, as with a libgrpc that was linked statically: this
 * program is linked so that accept4, close and SSL_read are not exported (tests/rpc/unguarded.map).
 * It must refuse to serve.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <unistd.h>

#include "base/log.h"
#include "config.h"
#include "house_open.h"
#include "rpc/server.h"
#include "support/db_fixture.h"
#include "support/rpc_certificates.h"

static const char *const names[] = {"server.pem", "server.key", "ca.pem", "master.key"};

static void write_files(const char *directory, struct test_authority *authority)
{
    struct test_pair server = test_issue_server(authority);

    test_write_file(directory, names[0], server.certificate_pem);
    test_write_file(directory, names[1], server.key_pem);
    test_write_file(directory, names[2], test_authority_pem(authority));
    test_write_file(directory, names[3],
                    "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n");
}

static void refuses_to_serve(void **state)
{
    const struct db_fixture *db = *state;
    struct arena *arena = arena_new(1 << 20);
    struct test_authority *authority = test_authority_new(arena, "test authority");
    struct log *log = log_open(STDERR_FILENO, LOG_ERROR, clock_system());
    char directory[] = "/tmp/dues-unguarded-XXXXXX";
    char problem[CONFIG_PROBLEM_SIZE] = "";
    assert_non_null(mkdtemp(directory));
    write_files(directory, authority);
    struct config *config =
        config_parse("test.conf",
                     arena_printf(arena,
                                  "listen = 127.0.0.1:0\nmetrics_listen = off\n"
                                  "tls_certificate = %s/server.pem\ntls_key = %s/server.key\n"
                                  "tls_client_ca = %s/ca.pem\nmaster_key_file = %s/master.key\n"
                                  "database = %s\n",
                                  directory, directory, directory, directory, db->service),
                     problem);
    assert_non_null(config);

    struct opened_house *opened =
        house_open(config_settings(config), clock_system(), random_system(), log, problem);

    assert_null(opened);
    assert_string_equal(problem, "self-test of the edge: connections are not guarded: libgrpc does "
                                 "not call our accept4");
    config_free(config);
    log_close(log);
    for (size_t i = 0; i < ARRAY_LENGTH(names); i++)
        unlink(arena_printf(arena, "%s/%s", directory, names[i]));
    rmdir(directory);
    test_authority_free(authority);
    arena_free(arena);
}

static int setup(void **state)
{
    rpc_environment_clear();
    *state = db_fixture_new(&(struct db_options){.without_house = true});
    return 0;
}

static int teardown(void **state)
{
    db_fixture_free(*state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_to_serve),
    };
    return cmocka_run_group_tests_name("a server without guards", tests, setup, teardown);
}
