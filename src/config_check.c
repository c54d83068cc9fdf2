/*
 * Looks at what the values of duesd.conf stand for: addresses, names, connection strings, scopes
 * and files.  What can only be known by listening or connecting is not tried here.
 */

#include "config_check.h"

#include <stdio.h>

#include "base/address.h"
#include "base/text.h"
#include "crypto/secrets.h"
#include "gateway/stripe/stripe.h"
#include "house_open.h"
#include "pg/lanes.h"
#include "rpc/server.h"

#define NAME_CHARACTERS "abcdefghijklmnopqrstuvwxyz0123456789.-_"

static bool needs(char problem[CONFIG_VALUE_PROBLEM_SIZE], const char *what)
{
    snprintf(problem, CONFIG_VALUE_PROBLEM_SIZE, "needs %s", what);
    return false;
}

bool config_check_listen(const char *value, char problem[CONFIG_VALUE_PROBLEM_SIZE])
{
    struct address address;

    if (!address_parse(value, &address) || address.path != NULL)
        return needs(problem, "an address and a port, like 127.0.0.1:8443 or [::1]:8443");
    return true;
}

bool config_check_trust_domain(const char *value, char problem[CONFIG_VALUE_PROBLEM_SIZE])
{
    if (value[strspn(value, NAME_CHARACTERS)] != '\0')
        return needs(problem, "lower-case letters, digits, dots, dashes and underscores only");
    return true;
}

bool config_check_database(const char *value, char problem[CONFIG_VALUE_PROBLEM_SIZE])
{
    char why[PG_PROBLEM_SIZE];

    if (value[0] == '\0' || pg_connection_check(value, why))
        return true;
    snprintf(problem, CONFIG_VALUE_PROBLEM_SIZE, "cannot be used: %s", why);
    return false;
}

bool config_check_gateway(const char *value, char problem[CONFIG_VALUE_PROBLEM_SIZE])
{
    if (text_equal(value, "sandbox") || text_equal(value, "stripe"))
        return true;
    return needs(problem, "sandbox or stripe");
}

bool config_check_stripe_url(const char *value, char problem[CONFIG_VALUE_PROBLEM_SIZE])
{
    if (value[0] == '\0' || stripe_url_is_right(value))
        return true;
    return needs(problem, "https://HOST or https://HOST:PORT");
}

bool config_check_return_url(const char *value, char problem[CONFIG_VALUE_PROBLEM_SIZE])
{
    if (value[0] == '\0' || (text_starts_with(value, "https://") &&
                             text_is_plain(value, strlen(value)) && strchr(value, ' ') == NULL))
        return true;
    return needs(problem, "an https:// address");
}

bool config_check_log_level(const char *value, char problem[CONFIG_VALUE_PROBLEM_SIZE])
{
    static const char *const levels[] = {"debug", "info", "warning", "error"};

    for (size_t i = 0; i < ARRAY_LENGTH(levels); i++) {
        if (text_equal(levels[i], value))
            return true;
    }
    return needs(problem, "debug, info, warning or error");
}

bool config_check_log_format(const char *value, char problem[CONFIG_VALUE_PROBLEM_SIZE])
{
    if (text_equal(value, "json") || text_equal(value, "text"))
        return true;
    return needs(problem, "json or text");
}

bool config_check_metrics_listen(const char *value, char problem[CONFIG_VALUE_PROBLEM_SIZE])
{
    struct address address;

    if (text_equal(value, "off") || address_parse(value, &address))
        return true;
    return needs(problem, "ADDRESS:PORT, unix:/PATH or off");
}

bool config_check_scopes(const char *value, char problem[CONFIG_VALUE_PROBLEM_SIZE])
{
    char scope[64];

    for (const char *at = value + strspn(value, " "); *at != '\0'; at += strspn(at, " ")) {
        size_t length = strcspn(at, " ");
        snprintf(scope, sizeof scope, "%.*s", (int)length, at);
        if (!text_equal(scope, "*") && !house_knows_scope(scope)) {
            snprintf(problem, CONFIG_VALUE_PROBLEM_SIZE,
                     "has the scope \"%s\", which no method asks for", scope);
            return false;
        }
        at += length;
    }
    return true;
}

const char *config_find_bad_file(const struct settings *settings,
                                 char problem[CONFIG_VALUE_PROBLEM_SIZE])
{
    const char *key = rpc_find_bad_file(settings, problem);

    if (key != NULL)
        return key;
    struct secrets *secrets = secrets_open_from(house_key_source(settings), problem);
    if (secrets == NULL)
        return "master_key_file";
    secrets_close(secrets);
    return NULL;
}
