/*
 * A way to PostgreSQL that breaks on order: it passes on what both sides say, whole message by
 * whole message (PostgreSQL's documentation, chapter "Frontend/Backend Protocol"), and cuts the
 * connection instead of passing on the one that it was told to.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define CUTTER_DIRECTORY_SIZE 64

/* The message that was not passed on. */
struct cut {
    bool happened;
    bool from_server;
    uint8_t type;         /* 'Q', 'P', 'C', …; 0: the first message of a connection */
    bool is_about_commit; /* says COMMIT: asks for it, or answers it */
};

struct db_cutter;

/* `socket` is the directory of PostgreSQL's socket, of port 5432. */
struct db_cutter *db_cutter_open(const char *socket);
void db_cutter_close(struct db_cutter *cutter);

/* Where to connect to: the directory of a socket of its own. */
const char *db_cutter_directory(const struct db_cutter *cutter);

/* Cuts at the n-th message from now on, 1 is the next, of whatever connection.  Once. */
void db_cutter_arm(struct db_cutter *cutter, int64_t nth);

/* Likewise, but only messages about COMMIT of one side count: what asks for it, or its answer. */
void db_cutter_arm_commit(struct db_cutter *cutter, int64_t nth, bool from_server);

/* Cuts no more; what it has cut since it was armed. */
struct cut db_cutter_disarm(struct db_cutter *cutter);
