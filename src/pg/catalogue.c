/*
 * Applies a catalogue: plain statements in one transaction, as the owner role.
 */
#include "pg/catalogue.h"

#include <string.h>

#include "base/attributes.h"
#include "pg/libpq.h"
#include "pg/migrate.h"

int pg_put_catalogue(const char *owner_connection, const char *sql, FILE *out, FILE *problems)
{
    AUTO(release_connection) PGconn *pg = PQconnectdb(owner_connection);

    if (PQstatus(pg) != CONNECTION_OK) {
        fprintf(problems, "could not connect as the owner: %s", PQerrorMessage(pg));
        return PG_MIGRATE_AWAY;
    }
    /* Several statements in one simple query are one transaction. */
    AUTO(release_result) PGresult *result = PQexec(pg, sql);
    if (PQresultStatus(result) != PGRES_COMMAND_OK && PQresultStatus(result) != PGRES_TUPLES_OK) {
        fprintf(problems, "could not apply the catalogue: %s", PQresultErrorMessage(result));
        return PG_MIGRATE_FAILED;
    }
    fprintf(out, "applied the sandbox catalogue\n");
    return 0;
}
