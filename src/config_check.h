/*
 * What single values of the configuration must be like.  Only config.c includes it.
 */
#pragma once

#include <stdbool.h>

#include "base/settings.h"

#define CONFIG_VALUE_PROBLEM_SIZE 384

/* False and what it needs in `problem`, to stand behind the name of the key. */
typedef bool config_value_check(const char *value, char problem[CONFIG_VALUE_PROBLEM_SIZE]);

/* "192.0.2.1:8443", "[::1]:8443" or "name:8443". */
config_value_check config_check_listen;

/* A trust domain name of SPIFFE. */
config_value_check config_check_trust_domain;

/* A libpq connection string without a password, or nothing. */
config_value_check config_check_database;

/* "sandbox" or "stripe". */
config_value_check config_check_gateway;

/* "https://host[:port]" or nothing. */
config_value_check config_check_stripe_url;

/* An https:// address or nothing. */
config_value_check config_check_return_url;

config_value_check config_check_log_level;

/* "json" or "text". */
config_value_check config_check_log_format;

/* "off", "unix:/a/path", or what config_check_listen takes. */
config_value_check config_check_metrics_listen;

/* Scopes that some method asks for, or "*". */
config_value_check config_check_scopes;

/* The key whose file cannot be used, and why in `problem`; NULL: all can be. */
const char *config_find_bad_file(const struct settings *settings,
                                 char problem[CONFIG_VALUE_PROBLEM_SIZE]);
