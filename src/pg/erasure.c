/*
 * One statement as the owner role.
 */
#include "pg/erasure.h"

#include "base/attributes.h"
#include "base/text.h"
#include "base/time.h"
#include "pg/libpq.h"
#include "pg/migrate.h"

#define ERASE "SELECT outcome, detail FROM dues.customer_erase($1::uuid, $2::timestamptz)"

int pg_erase_customer(const char *owner_connection, struct uuid customer, int64_t now_us, FILE *out,
                      FILE *problems)
{
    AUTO(release_connection) PGconn *pg = PQconnectdb(owner_connection);
    char id[UUID_TEXT_LENGTH + 1];
    char time[TIME_TEXT_SIZE];

    if (PQstatus(pg) != CONNECTION_OK) {
        fprintf(problems, "could not connect as the owner: %s", PQerrorMessage(pg));
        return PG_MIGRATE_AWAY;
    }
    uuid_format(customer, id);
    time_format(now_us, time);
    const char *const params[] = {id, time};
    AUTO(release_result) PGresult *result = PQexecParams(pg, ERASE, 2, NULL, params, NULL, NULL, 0);
    if (PQresultStatus(result) != PGRES_TUPLES_OK || PQntuples(result) != 1) {
        fprintf(problems, "could not erase customers/%s: %s", id, PQresultErrorMessage(result));
        return PG_MIGRATE_FAILED;
    }
    const char *outcome = PQgetvalue(result, 0, 0);
    if (text_equal(outcome, "absent")) {
        fprintf(problems, "there is no customers/%s\n", id);
        return PG_MIGRATE_FAILED;
    }
    if (text_equal(outcome, "busy")) {
        fprintf(problems, "customers/%s still has to come: %s; nothing was erased\n", id,
                PQgetvalue(result, 0, 1));
        return PG_MIGRATE_FAILED;
    }
    fprintf(out, "customers/%s %s\n", id,
            text_equal(outcome, "erased") ? "erased: its data key is destroyed"
                                          : "was erased before");
    return 0;
}
