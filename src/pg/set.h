/*
 * Sets: look-ups of the same statement that wait together are asked as one, over arrays of their
 * parameters.
 *
 *   SELECT … FROM payment WHERE customer_id = $1 AND payment_id = $2
 *
 * becomes
 *
 *   SELECT asked.n, found.*
 *     FROM unnest($1::uuid[], $2::uuid[]) WITH ORDINALITY AS asked (p1, p2, n)
 *     CROSS JOIN LATERAL (SELECT … FROM payment
 *                          WHERE customer_id = asked.p1 AND payment_id = asked.p2) AS found
 *
 * and column n says whose row it is.  PostgreSQL then starts one statement instead of many and
 * describes its columns once.
 */
#pragma once

#include "pg/op.h"
#include "pg/params.h"

/* The set form's first column; the statement's own follow. */
#define SET_COLUMN_OWNER 0
#define SET_COLUMN_FIRST 1

/* What a lane keeps for its sets: their statements, and room for the arrays of one batch. */
struct sets;

struct sets *sets_open(void);
void sets_close(struct sets *sets);

/* The text of the set form. */
const char *set_sql(struct arena *arena, const char *sql, const struct pg_params *params);

/* The set form of a look-up with parameters like these; NULL when there are too many already. */
const struct pg_statement *set_statement(struct sets *sets, const struct pg_statement *of,
                                         const struct pg_params *params);

/*
 * The parameters of `count` ops from `first` on as arrays, good until sets_reset.  False: they are
 * too large, or not of the same kinds.
 */
bool set_encode(struct sets *sets, const struct op *first, size_t count,
                struct pg_encoded *encoded);

void sets_reset(struct sets *sets);

/* Gives each op of the set its row; the result stays the caller's. */
void set_deal(struct op *first, size_t count, PGresult *result);
