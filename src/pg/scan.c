/*
 * One blocking connection.  A walk may take longer than the service role is allowed for one
 * statement, but each of its pages is small: the role's own limits stay.
 */
#include "pg/scan.h"

#include <stdlib.h>

#include "base/bug.h"
#include "pg/libpq.h"
#include "pg/params.h"
#include "pg/rows.h"

/* Pages are read along an index also where the planner knows nothing of the table yet. */
#define PREPARE_SESSION                                                                            \
    "SET search_path = dues; SET default_transaction_read_only = on; SET enable_seqscan = off;"    \
    " SET enable_bitmapscan = off; SET jit = off"
#define BEGIN_LOOK "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"

struct pg_scan {
    PGconn *pg;
    struct pg_encoded encoded;
};

static bool tell(char problem[PG_SCAN_PROBLEM_SIZE], const char *why)
{
    /* libpq's messages have several lines; the first says it. */
    snprintf(problem, PG_SCAN_PROBLEM_SIZE, "%.*s", (int)strcspn(why, "\n"), why);
    return false;
}

static bool run(struct pg_scan *scan, const char *sql, char problem[PG_SCAN_PROBLEM_SIZE])
{
    AUTO(release_result) PGresult *result = PQexec(scan->pg, sql);

    return PQresultStatus(result) == PGRES_COMMAND_OK || tell(problem, PQerrorMessage(scan->pg));
}

struct pg_scan *pg_scan_open(const char *connection, char problem[PG_SCAN_PROBLEM_SIZE])
{
    struct pg_scan *scan = calloc(1, sizeof *scan);

    if (scan == NULL)
        bug("no memory for a connection");
    scan->pg = PQconnectdb(connection);
    bool ready = PQstatus(scan->pg) == CONNECTION_OK ? run(scan, PREPARE_SESSION, problem)
                                                     : tell(problem, PQerrorMessage(scan->pg));
    if (ready)
        return scan;
    pg_scan_close(scan);
    return NULL;
}

void pg_scan_close(struct pg_scan *scan)
{
    if (scan == NULL)
        return;
    PQfinish(scan->pg);
    free(scan);
}

void pg_scan_auto_close(struct pg_scan **scan)
{
    pg_scan_close(*scan);
}

bool pg_scan_begin(struct pg_scan *scan, char problem[PG_SCAN_PROBLEM_SIZE])
{
    return run(scan, BEGIN_LOOK, problem);
}

bool pg_scan_end(struct pg_scan *scan, char problem[PG_SCAN_PROBLEM_SIZE])
{
    return run(scan, "COMMIT", problem);
}

bool pg_scan_read(struct pg_scan *scan, struct arena *arena, const struct pg_statement *statement,
                  struct pg_params params, struct pg_rows *rows, char problem[PG_SCAN_PROBLEM_SIZE])
{
    struct pg_encoded *encoded = &scan->encoded;
    struct call call = {.arena = arena};

    pg_encode(&params, encoded);
    AUTO(release_result)
    PGresult *result = PQexecParams(scan->pg, statement->sql, (int)params.count, encoded->types,
                                    encoded->values, encoded->lengths, encoded->formats, 1);
    if (PQresultStatus(result) != PGRES_TUPLES_OK)
        return tell(problem, PQerrorMessage(scan->pg));
    const struct rows_part whole = {.result = result, .row_count = PQntuples(result)};
    const struct error *error = rows_copy(&call, statement, whole, rows);
    return error == NULL || tell(problem, error->cause);
}

bool pg_scan_write(struct pg_scan *scan, struct arena *arena, const struct pg_statement *statement,
                   struct pg_params params, struct pg_rows *rows,
                   char problem[PG_SCAN_PROBLEM_SIZE])
{
    return run(scan, "BEGIN READ WRITE", problem) &&
           pg_scan_read(scan, arena, statement, params, rows, problem) &&
           run(scan, "COMMIT", problem);
}
