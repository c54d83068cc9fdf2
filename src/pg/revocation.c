/*
 * One statement as the owner role, made again when another change took the version that it wanted.
 */
#include "pg/revocation.h"

#include "base/attributes.h"
#include "base/text.h"
#include "base/time.h"
#include "pg/libpq.h"
#include "pg/migrate.h"

#define REVOKE                                                                                     \
    "SELECT outcome FROM dues.revoked_key_add(decode($1, 'hex'), $2, $3::bigint, $4::timestamptz)"
#define WITHDRAW "SELECT outcome FROM dues.revoked_key_withdraw(decode($1, 'hex'), $2::timestamptz)"

#define TRIES_MAX 20

static PGresult *run_once(PGconn *pg, const struct revocation *revocation)
{
    char time[TIME_TEXT_SIZE];
    char limit[16];

    time_format(revocation->now_us, time);
    snprintf(limit, sizeof limit, "%d", REVOKED_KEYS_MAX);
    const char *const add[] = {revocation->spki_hex, revocation->reason, limit, time};
    const char *const withdraw[] = {revocation->spki_hex, time};
    return revocation->withdrawn ? PQexecParams(pg, WITHDRAW, 2, NULL, withdraw, NULL, NULL, 0)
                                 : PQexecParams(pg, REVOKE, 4, NULL, add, NULL, NULL, 0);
}

static PGresult *run(PGconn *pg, const struct revocation *revocation)
{
    static const char unique_violation[] = "23505";

    for (int tries = 1;; tries++) {
        PGresult *result = run_once(pg, revocation);
        const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
        if (tries == TRIES_MAX || state == NULL || !text_equal(state, unique_violation))
            return result;
        PQclear(result);
    }
}

int pg_revoke(const char *owner_connection, const struct revocation *revocation, FILE *out,
              FILE *problems)
{
    static const struct {
        const char *outcome;
        const char *text;
    } said[] = {
        {"revoked", "revoked: servers refuse it within 5 seconds"},
        {"present", "nothing to do: it is revoked already"},
        {"withdrawn", "withdrawn: servers believe it again within 5 seconds"},
        {"absent", "nothing to do: it is not revoked"},
    };
    AUTO(release_connection) PGconn *pg = PQconnectdb(owner_connection);

    if (PQstatus(pg) != CONNECTION_OK) {
        fprintf(problems, "could not connect as the owner: %s", PQerrorMessage(pg));
        return PG_MIGRATE_AWAY;
    }
    AUTO(release_result) PGresult *result = run(pg, revocation);
    if (PQresultStatus(result) != PGRES_TUPLES_OK || PQntuples(result) != 1) {
        fprintf(problems, "could not change the list of revoked keys: %s",
                PQresultErrorMessage(result));
        return PG_MIGRATE_FAILED;
    }
    for (size_t i = 0; i < ARRAY_LENGTH(said); i++) {
        if (text_equal(PQgetvalue(result, 0, 0), said[i].outcome)) {
            fprintf(out, "%s %s\n", revocation->spki_hex, said[i].text);
            return 0;
        }
    }
    fprintf(problems,
            "the list of revoked keys is full: it holds %d; replace the authority instead\n",
            REVOKED_KEYS_MAX);
    return PG_MIGRATE_FAILED;
}
