/*
 * Gets a page of a listener of ours (`metrics_listen`), for the programs that people run beside the
 * server.  Blocking.  Not for gateways.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "http/listener.h"

/* A page may be this large; more is an error. */
#define HTTP_PAGE_SIZE_MAX (8 * 1024 * 1024)

/*
 * `listen` is what http_listener_options.listen takes, `path` begins with a slash.  The page, NUL
 * terminated, in the arena; NULL and one line in `problem` when nobody answers with 200 in time.
 */
char *http_fetch(struct arena *arena, const char *listen, const char *path, int64_t time_limit_ms,
                 char problem[HTTP_PROBLEM_SIZE]);
