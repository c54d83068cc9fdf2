/*
 * How the commands find a server: the state directory of `dues dev`, or target and certificates
 * given one by one.
 */
#pragma once

#include <getopt.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "dues/client.h"

/* Files of a state directory, relative to it. */
#define STATE_READY        "ready"
#define STATE_CERTIFICATES "certs"

struct connection {
    const char *state_dir; /* NULL: the default one */
    const char *target;    /* NULL: what DIR/ready says */
    const char *ca;
    const char *certificate;
    const char *key;
    const char *server_name;
    const char *as; /* whose certificate of DIR/certs */
    const char *deadline_text;
    int64_t deadline_ms; /* what it says, after connection_check; 0: the client's own */
};

/* The options above for getopt_long; values are those of enum connection_option. */
enum connection_option {
    OPTION_STATE_DIR = 256,
    OPTION_TARGET,
    OPTION_CA,
    OPTION_CERTIFICATE,
    OPTION_KEY,
    OPTION_SERVER_NAME,
    OPTION_AS,
    OPTION_DEADLINE_MS,
    OPTION_OTHER, /* the first free value */
};

#define CONNECTION_OPTIONS                                                                         \
    {"state-dir", required_argument, NULL, OPTION_STATE_DIR},                                      \
        {"target", required_argument, NULL, OPTION_TARGET},                                        \
        {"ca", required_argument, NULL, OPTION_CA},                                                \
        {"cert", required_argument, NULL, OPTION_CERTIFICATE},                                     \
        {"key", required_argument, NULL, OPTION_KEY},                                              \
        {"server-name", required_argument, NULL, OPTION_SERVER_NAME},                              \
        {"as", required_argument, NULL, OPTION_AS},                                                \
    {                                                                                              \
        "deadline-ms", required_argument, NULL, OPTION_DEADLINE_MS                                 \
    }

/* True when the option was one of these. */
bool connection_option(struct connection *connection, int option, const char *value);

/* Takes the options for what they say.  NULL, or what is wrong with the command line. */
const char *connection_check(struct connection *connection);

/* Of the same kind: a directory that was given must have a name. */
const char *state_dir_check(const char *state_dir);

/* What to say when there is no default one. */
#define STATE_DIR_UNKNOWN "HOME is not set, so there is no default place: give --state-dir"

/*
 * /var/lib/dues-dev for root, else $XDG_STATE_HOME/dues or ~/.local/state/dues.  NULL when the
 * environment knows no home.
 */
const char *state_dir_default(struct arena *arena);

/*
 * Fills in what was not given, from the state directory.  NULL, or what is missing.  The texts live
 * in the arena.
 */
const char *connection_complete(struct connection *connection, struct arena *arena);

/* An access token: the first line of the file; NULL when there is none. */
const char *token_read(struct arena *arena, const char *path);

/* A client of the completed connection; NULL and one line in `problem` when it cannot be made. */
struct dues_client *connection_open(const struct connection *connection,
                                    char problem[DUES_PROBLEM_SIZE]);
