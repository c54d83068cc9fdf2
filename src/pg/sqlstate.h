/*
 * What PostgreSQL says went wrong, and what that means for an op.
 */
#pragma once

#include "pg/libpq.h"

#include "pg/pg.h"

enum failure {
    FAILURE_LOST,    /* the connection is gone, or about to be */
    FAILURE_RACE,    /* lost against a concurrent transaction: try again */
    FAILURE_STALE,   /* the prepared statement no longer fits the schema: prepare anew */
    FAILURE_TIMEOUT, /* it had its time: trying again would only take as long again */
    FAILURE_OTHER,
};

enum failure sqlstate_failure(const char *sqlstate);

/* The error of the op whose answer `result` is. */
const struct error *sqlstate_error(struct call *call, const struct pg_statement *statement,
                                   const char *sqlstate, const char *message);

/* UNAVAILABLE / DATABASE_UNAVAILABLE; `cause` says in the log what happened. */
const struct error *database_unavailable(struct call *call, const char *cause);
