/*
 * The files that a configuration names, looked at without serving: `duesd check-config`.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <unistd.h>

#include "config.h"
#include "support/rpc_certificates.h"

static const char *const names[] = {"server.pem", "server.key", "ca.pem", "master.key", "f.conf"};

struct fixture {
    struct arena *arena;
    struct test_authority *authority;
    char directory[32];
    char problem[CONFIG_PROBLEM_SIZE];
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);

    f->arena = arena_new(1 << 20);
    f->authority = test_authority_new(f->arena, "test authority");
    snprintf(f->directory, sizeof f->directory, "/tmp/dues-config-XXXXXX");
    if (mkdtemp(f->directory) == NULL)
        return -1;
    struct test_pair pair = test_issue_server(f->authority);
    test_write_file(f->directory, "server.pem", pair.certificate_pem);
    test_write_file(f->directory, "server.key", pair.key_pem);
    test_write_file(f->directory, "ca.pem", test_authority_pem(f->authority));
    test_write_file(f->directory, "master.key",
                    "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n");
    test_write_file(f->directory, "f.conf",
                    arena_printf(f->arena,
                                 "# line 1\n"
                                 "tls_certificate = %s/server.pem\n"
                                 "tls_key = %s/server.key\n"
                                 "tls_client_ca = %s/ca.pem\n"
                                 "master_key_file = %s/master.key\n"
                                 "database = dbname=dues\n",
                                 f->directory, f->directory, f->directory, f->directory));
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    for (size_t i = 0; i < ARRAY_LENGTH(names); i++)
        unlink(arena_printf(f->arena, "%s/%s", f->directory, names[i]));
    rmdir(f->directory);
    test_authority_free(f->authority);
    arena_free(f->arena);
    free(f);
    return 0;
}

static bool is_good(struct fixture *f)
{
    const char *path = arena_printf(f->arena, "%s/f.conf", f->directory);
    struct config *config = config_load(path, f->problem);
    bool good = config != NULL && config_check_files(config, f->problem);

    config_free(config);
    return good;
}

/* `beginning` is what follows the name of the configuration file. */
static void assert_bad(struct fixture *f, const char *beginning)
{
    bool good = is_good(f);
    const char *problem = f->problem + strlen(f->directory) + strlen("/f.conf");

    assert_false(good);
    if (strncmp(problem, beginning, strlen(beginning)) != 0)
        fail_msg("'%s' does not begin with '%s'", problem, beginning);
}

static void takes_files_that_fit(void **state)
{
    assert_true(is_good(*state));
}

static void says_which_certificate_or_key_does_not_fit(void **state)
{
    struct fixture *f = *state;

    test_write_file(f->directory, "server.key", test_issue_server(f->authority).key_pem);
    assert_bad(f, ":3: tls_key: server key is not the key of the server certificate");
    test_write_file(f->directory, "server.key", "root:x:0:0\n");
    assert_bad(f, ":3: tls_key: server key is not an unencrypted private key in PEM");
    test_write_file(f->directory, "server.pem", "nothing");
    assert_bad(f, ":2: tls_certificate: server certificate is not PEM");
}

static void says_which_file_is_not_there(void **state)
{
    struct fixture *f = *state;

    unlink(arena_printf(f->arena, "%s/ca.pem", f->directory));
    assert_bad(f, ":4: tls_client_ca: could not read ");
}

static void wants_anchors_and_a_master_key(void **state)
{
    struct fixture *f = *state;

    test_write_file(f->directory, "master.key", "my-machine\n");
    assert_bad(f, ":5: master_key_file: master key file ");
    test_write_file(f->directory, "ca.pem", "nothing");
    assert_bad(f, ":4: tls_client_ca: client CA is not PEM");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(takes_files_that_fit),
        TEST(says_which_certificate_or_key_does_not_fit),
        TEST(says_which_file_is_not_there),
        TEST(wants_anchors_and_a_master_key),
    };

    return cmocka_run_group_tests_name("configuration files", tests, NULL, NULL);
}
