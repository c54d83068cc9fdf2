/*
 * Commands that the server's own binary answers, because it knows what it needs.
 */
#pragma once

#include "base/arena.h"

/* Becomes `duesd COMMAND --config FILE rest…`; returns only when that failed. */
#define SERVER_REST_MAX 8
int become_server(struct arena *arena, const char *command, const char *config,
                  const char *const *rest);
