/*
 * Forward-only migrations, embedded in the binary.  Blocking; for `duesd migrate` and the tests.
 */
#pragma once

#include <stdio.h>

/*
 * Applies what is missing under an advisory lock, each migration in its own transaction, verifies
 * the checksums of those applied before, then re-applies stored functions whose checksum changed.
 * 0 on success; otherwise one of the below and what is wrong on `problems`.  Reports each step on
 * `out`.
 */
enum { PG_MIGRATE_FAILED = 1, PG_MIGRATE_AWAY = 2 };
int pg_migrate(const char *owner_connection, FILE *out, FILE *problems);

/* 0 when the database is exactly at this binary's version (service role suffices). */
int pg_check_version(const char *connection, char problem[256]);
