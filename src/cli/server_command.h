/*
 * Commands that the server's own binary answers, because it knows what it needs: they become duesd
 * on the configuration of a state directory or on a given file.
 */
#pragma once

#include <getopt.h>
#include <stdbool.h>

#include "base/arena.h"
#include "cli/connection.h"

struct server_command {
    const char *name; /* what `dues` calls it */
    const char *state_dir;
    const char *config; /* NULL: the state directory's */
    bool json;
    bool help;
};

/* The options of all of them for getopt_long; -o and -h are letters. */
enum { OPTION_CONFIG = OPTION_OTHER, OPTION_SERVER_OTHER /* the first free value */ };

#define SERVER_COMMAND_OPTIONS                                                                     \
    {"state-dir", required_argument, NULL, OPTION_STATE_DIR},                                      \
        {"config", required_argument, NULL, OPTION_CONFIG},                                        \
    {                                                                                              \
        "help", no_argument, NULL, OPTION_HELP                                                     \
    }

/* EXIT_SUCCESS, or what it complained of: takes an option that is one of these. */
int server_command_option(struct server_command *command, int option, const char *value);

/* Becomes `duesd VERB --config FILE rest… [-o json]`; returns only when that failed. */
#define SERVER_REST_MAX 8
int server_command_become(const struct server_command *command, struct arena *arena,
                          const char *verb, const char *const *rest);
