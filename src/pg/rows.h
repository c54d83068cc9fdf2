/*
 * Answers, from libpq into the arena of the call.
 */
#pragma once

#include "pg/libpq.h"

#include "pg/pg.h"

/* A part of a result: `row_count` rows from `first_row` on, the columns from `first_column` on. */
struct rows_part {
    const PGresult *result;
    int first_row;
    int row_count;
    int first_column;
};

/* Fails with INTERNAL when there are too many rows, or more than the arena holds. */
const struct error *rows_copy(struct call *call, const struct pg_statement *statement,
                              struct rows_part part, struct pg_rows *rows) MUST_CHECK;
