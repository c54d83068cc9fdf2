/*
 * The configuration file: strict, and the example agrees with the code.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/text.h"
#include "config.h"

#define REQUIRED                                                                                   \
    "tls_certificate = c.pem\n"                                                                    \
    "tls_key = k.pem\n"                                                                            \
    "tls_client_ca = ca.pem\n"                                                                     \
    "database = dbname=dues\n"                                                                     \
    "master_key_file = m.key\n"

static char problem[CONFIG_PROBLEM_SIZE];

static void assert_refused(const char *text, const char *expected)
{
    struct config *config = config_parse("f.conf", text, problem);

    assert_null(config);
    assert_string_equal(problem, expected);
}

static void fills_in_the_defaults(void **state)
{
    (void)state;

    struct config *config = config_parse("f.conf", REQUIRED, problem);

    assert_non_null(config);
    const struct settings *settings = config_settings(config);
    assert_string_equal(settings->listen, "127.0.0.1:8443");
    assert_int_equal(settings->dunning_retry_count, 6);
    assert_int_equal(settings->dunning_retry_days[5], 14);
    assert_false(settings->sandbox);
    assert_int_equal(settings->scope_count, 0);
    config_free(config);
}

static void reads_blanks_comments_and_values_with_equals_signs(void **state)
{
    (void)state;

    struct config *config = config_parse(
        "f.conf",
        REQUIRED "  # a comment\n\n\tlisten =  [::1]:9000  \r\ntoken_issuer = https://a?b=c\n",
        problem);

    assert_non_null(config);
    assert_string_equal(config_settings(config)->listen, "[::1]:9000");
    assert_string_equal(config_settings(config)->token_issuer, "https://a?b=c");
    assert_string_equal(config_settings(config)->database, "dbname=dues");
    config_free(config);
}

static void names_file_and_line_of_what_is_wrong(void **state)
{
    (void)state;

    assert_refused("\nlisen = x\n", "f.conf:2: unknown key \"lisen\"");
    assert_refused("reflection = yes\n", "f.conf:1: reflection needs on or off");
    assert_refused("write_lanes = 4x\n", "f.conf:1: write_lanes needs a whole number from 1 to 64");
    assert_refused("write_lanes = 0\n", "f.conf:1: write_lanes needs a whole number from 1 to 64");
    assert_refused("write_lanes = 99999999999999999999\n",
                   "f.conf:1: write_lanes needs a whole number from 1 to 64");
    assert_refused("write_lanes = 2\nwrite_lanes = 2\n", "f.conf:2: write_lanes is given twice");
    assert_refused("write_lanes\n", "f.conf:1: expected `key = value`");
    assert_refused("dunning_retry_days = 3 1\n",
                   "f.conf:1: dunning_retry_days needs at most 15 rising days from 1 to 60");
    assert_refused("tls_key = k\n", "f.conf: tls_certificate is missing");
}

static void refuses_what_cannot_work_together(void **state)
{
    (void)state;

    assert_refused(REQUIRED "sandbox = on\n", "f.conf:6: sandbox = on needs sandbox_journal");
    assert_refused(REQUIRED "gateway = stripe\n", "f.conf:6: gateway = stripe needs stripe_url");
    assert_refused(REQUIRED "gateway = paypal\n", "f.conf:6: gateway needs sandbox or stripe");
    assert_refused(REQUIRED "stripe_url = http://stripe.example\n",
                   "f.conf:6: stripe_url needs https://HOST or https://HOST:PORT");
    assert_refused(REQUIRED "stripe_url = https://stripe.example/v1\n",
                   "f.conf:6: stripe_url needs https://HOST or https://HOST:PORT");
    assert_refused(REQUIRED "stripe_return_url = javascript:x\n",
                   "f.conf:6: stripe_return_url needs an https:// address");
    assert_refused(REQUIRED "gateway_timeout_ms = 60000\n",
                   "f.conf:6: job_lease_ms must be longer than gateway_timeout_ms");
    assert_refused(REQUIRED "dunning_cancel_days = 14\n",
                   "f.conf:6: dunning_cancel_days must come after the last of dunning_retry_days");
    assert_refused(REQUIRED "deadline_default_ms = 30001\n",
                   "f.conf:6: deadline_default_ms is above deadline_max_ms");
}

static void names_the_later_line_of_two_that_clash(void **state)
{
    (void)state;

    assert_refused("sandbox = on\n" REQUIRED "\n# more\n",
                   "f.conf:1: sandbox = on needs sandbox_journal");
    assert_refused("deadline_max_ms = 100\n" REQUIRED "deadline_default_ms = 101\n\n",
                   "f.conf:7: deadline_default_ms is above deadline_max_ms");
    assert_refused(REQUIRED "log_level = loud\n\n\n",
                   "f.conf:6: log_level needs debug, info, warning or error");
}

static void looks_at_what_a_value_means(void **state)
{
    static const char *const addresses[] = {
        "garbage",      "::1:0",       "127.0.0.1", "1.2.3:80",     "127.0.0.1:",   ":8443",
        "localhost:1x", "[::1]:65536", "[]:1",      "[1.2.3.4]:80", "unix:/tmp/so", "a b:1"};
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(addresses); i++) {
        char line[64];
        snprintf(line, sizeof(line), "listen = %s\n", addresses[i]);
        assert_refused(line, "f.conf:1: listen needs an address and a port, like 127.0.0.1:8443 or "
                             "[::1]:8443");
    }
    assert_refused("trust_domain = a b\n", "f.conf:1: trust_domain needs lower-case letters, "
                                           "digits, dots, dashes and underscores only");
    assert_refused("database = nonsense\n",
                   "f.conf:1: database cannot be used: missing \"=\" after \"nonsense\" in "
                   "connection info string");
    assert_refused("database = dbname=dues password=x\n",
                   "f.conf:1: database cannot be used: it holds a password; use a passfile or peer "
                   "authentication");
    assert_refused(
        "database_owner = postgres://dues:x@there/dues\n",
        "f.conf:1: database_owner cannot be used: it holds a password; use a passfile or "
        "peer authentication");
    assert_refused("scopes.service = payments.read payments.reed\n",
                   "f.conf:1: scopes.service has the scope \"payments.reed\", which no method asks "
                   "for");
    assert_refused("scopes.servicex = *\n", "f.conf:1: scopes are granted to service[/NAME] or "
                                            "operator[/NAME], not \"servicex\"");
}

static void takes_what_listeners_are_called(void **state)
{
    static const char *const addresses[] = {"0.0.0.0:0", "[::]:8443", "localhost:8443",
                                            "dues-1.example:65535"};
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(addresses); i++) {
        char text[512];
        snprintf(text, sizeof(text), REQUIRED "listen = %s\n", addresses[i]);
        struct config *config = config_parse("f.conf", text, problem);
        assert_non_null(config);
        config_free(config);
    }
}

static void grants_scopes_to_certificates(void **state)
{
    (void)state;

    struct config *config = config_parse(
        "f.conf",
        REQUIRED "scopes.service/billing = payments.read payments.write\nscopes.operator = *\n",
        problem);

    assert_non_null(config);
    assert_int_equal(config_settings(config)->scope_count, 2);
    assert_string_equal(config_settings(config)->scopes[0].identity, "service/billing");
    assert_string_equal(config_settings(config)->scopes[0].scopes, "payments.read payments.write");
    config_free(config);
    assert_refused("scopes.app/x = *\n", "f.conf:1: scopes are granted to service[/NAME] or "
                                         "operator[/NAME], not \"app/x\"");
}

/* Prints a config into memory; the caller frees. */
static char *printed(const struct config *config)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);

    config_print(config, out);
    fclose(out);
    return text;
}

static void agrees_with_the_example_file(void **state)
{
    (void)state;
    struct config *example = config_load(SOURCE_DIR "/duesd.conf.example", problem);
    assert_non_null(example);
    struct config *defaults = config_parse(
        "f.conf",
        "tls_certificate = /etc/dues/server.pem\ntls_key = /etc/dues/server.key\n"
        "tls_client_ca = /etc/dues/client-ca.pem\nmaster_key_file = /etc/dues/master.key\n"
        "database = host=/run/postgresql dbname=dues user=dues_service\n",
        problem);
    assert_non_null(defaults);

    char *of_example = printed(example);
    char *of_defaults = printed(defaults);

    assert_string_equal(of_example, of_defaults);
    free(of_example);
    free(of_defaults);
    config_free(example);
    config_free(defaults);
}

static void shows_every_key_in_the_example_file(void **state)
{
    (void)state;
    static char text[CONFIG_FILE_SIZE_MAX + 1];
    FILE *file = fopen(SOURCE_DIR "/duesd.conf.example", "re");
    assert_non_null(file);
    text[fread(text, 1, CONFIG_FILE_SIZE_MAX, file)] = '\0';
    fclose(file);
    struct config *config = config_parse("f.conf", REQUIRED, problem);
    char *lines = printed(config);

    char *rest = lines;
    while (rest != NULL && *rest != '\0') {
        char *line = strsep(&rest, "\n");
        char wanted[64];
        snprintf(wanted, sizeof(wanted), "\n%.*s =", (int)strcspn(line, " "), line);
        if (strstr(text, wanted) == NULL)
            fail_msg("duesd.conf.example lacks%s", wanted);
    }

    free(lines);
    config_free(config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fills_in_the_defaults),
        cmocka_unit_test(reads_blanks_comments_and_values_with_equals_signs),
        cmocka_unit_test(names_file_and_line_of_what_is_wrong),
        cmocka_unit_test(refuses_what_cannot_work_together),
        cmocka_unit_test(names_the_later_line_of_two_that_clash),
        cmocka_unit_test(looks_at_what_a_value_means),
        cmocka_unit_test(takes_what_listeners_are_called),
        cmocka_unit_test(grants_scopes_to_certificates),
        cmocka_unit_test(agrees_with_the_example_file),
        cmocka_unit_test(shows_every_key_in_the_example_file),
    };
    return cmocka_run_group_tests_name("config", tests, NULL, NULL);
}
