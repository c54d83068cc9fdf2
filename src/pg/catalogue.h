/*
 * Catalogues of tiers and plans, applied by the owner role.  Blocking; for `duesd migrate` and the
 * tests.
 */
#pragma once

#include <stdio.h>

/* deploy/catalogue/sandbox.sql, embedded: the sandbox's tiers and plans.  May be applied again. */
extern const char sandbox_catalogue_sql[];

/* Runs the text in one transaction.  0, or as pg_migrate with one line on `problems`. */
int pg_put_catalogue(const char *owner_connection, const char *sql, FILE *out, FILE *problems);
