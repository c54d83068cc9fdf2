/*
 * The configuration file: `key = value` lines, `#` comments.  An unknown key, a key given twice or
 * a value out of bounds stops the start with file:line.  Secrets are never in it: it names their
 * files.
 */
#pragma once

#include <stdio.h>

#include "base/settings.h"

#define CONFIG_FILE_SIZE_MAX 65536
#define CONFIG_PROBLEM_SIZE  512

struct config;

/* NULL and one line in `problem` ("FILE:LINE: …") when the file cannot be used. */
struct config *config_load(const char *path, char problem[CONFIG_PROBLEM_SIZE]);

/* The same from memory; `name` stands for the file in problems. */
struct config *config_parse(const char *name, const char *text, char problem[CONFIG_PROBLEM_SIZE]);

/*
 * Reads the files that it names, without serving: certificate, key and CAs fit together, the master
 * key is one.  False and one line in `problem` otherwise.
 */
bool config_check_files(const struct config *config, char problem[CONFIG_PROBLEM_SIZE]);

void config_free(struct config *config);

/* Lives as long as the config. */
const struct settings *config_settings(const struct config *config);

/* Every key with its effective value, one a line, in the order of duesd.conf.example. */
void config_print(const struct config *config, FILE *out);
