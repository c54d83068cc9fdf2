/*
 * A connection for what reads much and hurries nobody: a walk through whole tables, page by page.
 * Blocking, for commands and not for the server; it can read only, until it is told otherwise.
 */
#pragma once

#include "pg/pg.h"

#define PG_SCAN_PROBLEM_SIZE 256

struct pg_scan;

/* NULL and one line in `problem` when the database is away. */
struct pg_scan *pg_scan_open(const char *connection, char problem[PG_SCAN_PROBLEM_SIZE]);
void pg_scan_close(struct pg_scan *scan);
void pg_scan_auto_close(struct pg_scan **scan);

/*
 * All reads between the two see one state of the database.  Keep it short: what it still sees
 * cannot be cleaned up.  False, here and below: one line in `problem`.
 */
bool pg_scan_begin(struct pg_scan *scan, char problem[PG_SCAN_PROBLEM_SIZE]);
bool pg_scan_end(struct pg_scan *scan, char problem[PG_SCAN_PROBLEM_SIZE]);

/* Rows, at most PG_ROWS_MAX, in the arena. */
bool pg_scan_read(struct pg_scan *scan, struct arena *arena, const struct pg_statement *statement,
                  struct pg_params params, struct pg_rows *rows,
                  char problem[PG_SCAN_PROBLEM_SIZE]);

/* The same for the one call of a stored function that writes; not between begin and end. */
bool pg_scan_write(struct pg_scan *scan, struct arena *arena, const struct pg_statement *statement,
                   struct pg_params params, struct pg_rows *rows,
                   char problem[PG_SCAN_PROBLEM_SIZE]);
