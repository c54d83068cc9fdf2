/*
 * A set of migrations: the one embedded in the binary, or a small one of a test.
 */
#pragma once

#include <stddef.h>
#include <stdio.h>

struct migration {
    const char *name; /* "0001_create_foundation", or a function file's noun */
    const char *sql;
    const char *checksum; /* SHA-256, lower-case hex */
};

struct migration_set {
    const struct migration *migrations; /* in order */
    size_t migration_count;
    const struct migration *functions;
    size_t function_count;
};

/* Generated in the build from migrations/. */
extern const struct migration_set migration_set_embedded;

/* pg_migrate and pg_check_version (pg/migrate.h) for any set. */
int migration_set_apply(const struct migration_set *set, const char *owner_connection, FILE *out,
                        FILE *problems);
int migration_set_check(const struct migration_set *set, const char *connection, char problem[256]);
