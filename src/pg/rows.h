/*
 * Answers, from libpq into the arena of the call.
 */
#pragma once

#include "pg/libpq.h"

#include "pg/pg.h"

/* Fails with INTERNAL when there are too many rows, or more than the arena holds. */
const struct error *rows_copy(struct call *call, const struct pg_statement *statement,
                              const PGresult *result, struct pg_rows *rows) MUST_CHECK;
