/*
 * A private PostgreSQL for tests: unix socket only, fsync off, as user postgres when we are root.
 *
 * Programs of one build directory share one cluster.  The first program starts a supervisor
 * process, which owns the server and stops it, and itself, a few seconds after the last program has
 * let go (a file lock, so a crashed program lets go too).  A program may also have a cluster of its
 * own, to kill backends in.
 */
#pragma once

#include <stdbool.h>

struct db_cluster;

/* Starts or joins.  Exits the program with a message when PostgreSQL cannot be had. */
struct db_cluster *db_cluster_join(bool is_private);

/* Lets go; a private cluster is stopped before this returns. */
void db_cluster_leave(struct db_cluster *cluster);

/* Stops the shared cluster unless somebody uses it; for the end of a test run. */
void db_cluster_stop_shared(void);

/* The directory of the socket: `host` of a connection string. */
const char *db_cluster_socket(const struct db_cluster *cluster);

/* Name of a migrated template database; made by the first who asks. */
const char *db_cluster_template(struct db_cluster *cluster);
