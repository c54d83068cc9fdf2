/*
 * Commands that the server's own binary answers, because it knows what it needs: they become duesd
 * on the configuration of a state directory or on a given file.
 */
#pragma once

#include <stddef.h>

#include "cli/command.h"

/* What such a command is asked; the state directory is the connection's. */
struct server_wish {
    struct wish wish;
    const char *config; /* NULL: the state directory's */
};

/* Options of all of them, for their tables. */
#define SERVER_OPTIONS                                                                             \
    {"state-dir", VALUE_TEXT, .offset = offsetof(struct server_wish, wish.connection.state_dir)},  \
    {                                                                                              \
        "config", VALUE_TEXT, .offset = offsetof(struct server_wish, config)                       \
    }

/* Becomes `duesd VERB --config FILE rest… [-o json]`; returns only when that failed. */
#define SERVER_REST_MAX 8
int server_command_become(const struct server_wish *wish, const char *verb,
                          const char *const *rest);
