/*
 * The process that owns the server of a test cluster.
 */
#pragma once

#include <stdbool.h>

/*
 * Makes and starts the server in `directory`, writes "ready" (or a problem) to `ready_fd`, and
 * stays until nobody uses the cluster.  For a forked child.
 */
_Noreturn void db_supervise(const char *directory, int ready_fd, bool is_private);
