/*
 * Looks at what the values of duesd.conf stand for: addresses, names, connection strings, scopes
 * and files.  What can only be known by listening or connecting is not tried here.
 */

#include "config_check.h"

#include <arpa/inet.h>
#include <stdio.h>

#include "base/text.h"
#include "crypto/secrets.h"
#include "house_open.h"
#include "pg/lanes.h"
#include "rpc/server.h"

#define PORT_MAX        65535
#define HOST_SIZE       256
#define DIGITS          "0123456789"
#define NAME_CHARACTERS "abcdefghijklmnopqrstuvwxyz" DIGITS ".-_"
#define HOST_CHARACTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZ" NAME_CHARACTERS

static bool needs(char problem[CONFIG_VALUE_PROBLEM_SIZE], const char *what)
{
    snprintf(problem, CONFIG_VALUE_PROBLEM_SIZE, "needs %s", what);
    return false;
}

static bool is_port(const char *text)
{
    size_t length = strspn(text, DIGITS);

    return length >= 1 && length <= 5 && text[length] == '\0' && strtol(text, NULL, 10) <= PORT_MAX;
}

static bool is_host(const char *host)
{
    unsigned char address[sizeof(struct in6_addr)];
    size_t length = strlen(host);

    if (host[0] == '[' && host[length - 1] == ']') {
        char inner[HOST_SIZE];
        snprintf(inner, sizeof inner, "%.*s", (int)length - 2, host + 1);
        return inet_pton(AF_INET6, inner, address) == 1;
    }
    if (host[strspn(host, DIGITS ".")] == '\0')
        return inet_pton(AF_INET, host, address) == 1;
    return host[strspn(host, HOST_CHARACTERS)] == '\0';
}

bool config_check_listen(const char *value, char problem[CONFIG_VALUE_PROBLEM_SIZE])
{
    const char *colon = strrchr(value, ':');
    char host[HOST_SIZE] = "";

    if (colon != NULL)
        snprintf(host, sizeof host, "%.*s", (int)(colon - value), value);
    if (host[0] == '\0' || !is_port(colon + 1) || !is_host(host))
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
    if (text_equal(value, "off") || (text_starts_with(value, "unix:/") && value[6] != '\0'))
        return true;
    return config_check_listen(value, problem) || needs(problem, "ADDRESS:PORT, unix:/PATH or off");
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
    struct secrets *secrets = secrets_open(settings->master_key_file, problem);
    if (secrets == NULL)
        return "master_key_file";
    secrets_close(secrets);
    return NULL;
}
