/*
 * The only place that knows SQLSTATEs.  Class 08 and 57P0x mean that the connection is gone; the
 * lane then runs the op again on another one, so these become an error only when time is up.
 */
#include "pg/sqlstate.h"

/* Advice for a caller whose op lost a race, or came while the database is away. */
#define RETRY_AFTER_RACE_MS   50
#define RETRY_AFTER_OUTAGE_MS 1000

enum failure sqlstate_failure(const char *sqlstate)
{
    /* libpq's own errors ("server closed the connection unexpectedly") have none. */
    if (sqlstate == NULL || strncmp(sqlstate, "08", 2) == 0 || strncmp(sqlstate, "57P", 3) == 0)
        return FAILURE_LOST;
    /* "cannot execute … in a read-only transaction": it is no longer the primary. */
    if (strcmp(sqlstate, "25006") == 0)
        return FAILURE_LOST;
    if (strcmp(sqlstate, "40001") == 0 || strcmp(sqlstate, "40P01") == 0)
        return FAILURE_RACE;
    /* "cached plan must not change result type", "prepared statement does not exist" */
    if (strcmp(sqlstate, "0A000") == 0 || strcmp(sqlstate, "26000") == 0)
        return FAILURE_STALE;
    if (strcmp(sqlstate, "57014") == 0 || strcmp(sqlstate, "55P03") == 0)
        return FAILURE_TIMEOUT;
    return FAILURE_OTHER;
}

static struct error *by_failure(struct call *call, const char *sqlstate)
{
    switch (sqlstate_failure(sqlstate)) {
    case FAILURE_LOST:
        return error_retry(error_make(call->arena, STATUS_UNAVAILABLE, "DATABASE_UNAVAILABLE",
                                      "the database is away"),
                           RETRY_AFTER_OUTAGE_MS);
    case FAILURE_RACE:
        break;
    case FAILURE_TIMEOUT:
        if (sqlstate != NULL && strcmp(sqlstate, "57014") == 0)
            return error_make(call->arena, STATUS_DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED",
                              "the database took too long");
        break;
    case FAILURE_STALE:
    case FAILURE_OTHER:
        return error_make(call->arena, STATUS_INTERNAL, "INTERNAL", "internal error");
    }
    return error_retry(error_make(call->arena, STATUS_ABORTED, "CONCURRENT_CHANGE",
                                  "other calls changed the same things at the same time"),
                       RETRY_AFTER_RACE_MS);
}

const struct error *sqlstate_error(struct call *call, const struct pg_statement *statement,
                                   const char *sqlstate, const char *message)
{
    return error_cause(call->arena, by_failure(call, sqlstate), "%s: SQLSTATE %s: %s",
                       statement->name, sqlstate != NULL ? sqlstate : "none", message);
}

const struct error *database_unavailable(struct call *call, const char *cause)
{
    return error_cause(call->arena, by_failure(call, NULL), "%s", cause);
}
