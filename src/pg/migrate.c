/*
 * Forward-only migrations.  What was applied stands in table migration.applied with its checksum:
 * a migration that was edited afterwards is refused, a function file that was edited is applied
 * again.  A session-level advisory lock lets one migrator work at a time.
 */
#include "pg/migrate.h"

#include <stdbool.h>

#include "base/attributes.h"
#include "pg/libpq.h"
#include "pg/migration_set.h"

#define CREATE_BOOKKEEPING                                                                         \
    "CREATE SCHEMA IF NOT EXISTS migration;"                                                       \
    "CREATE TABLE IF NOT EXISTS migration.applied ("                                               \
    "    kind text NOT NULL CONSTRAINT applied_kind_known CHECK (kind IN ('migration', "           \
    "'function')),"                                                                                \
    "    name text NOT NULL,"                                                                      \
    "    checksum text NOT NULL,"                                                                  \
    "    apply_time timestamptz NOT NULL,"                                                         \
    "    PRIMARY KEY (kind, name));"                                                               \
    "GRANT USAGE ON SCHEMA migration TO dues_service;"                                             \
    "GRANT SELECT ON migration.applied TO dues_service"

#define LOCK "SELECT pg_advisory_lock(4847012319)"

#define FIND_APPLIED "SELECT checksum FROM migration.applied WHERE kind = $1 AND name = $2"

#define COUNT_APPLIED "SELECT count(*)::text FROM migration.applied WHERE kind = 'migration'"

#define HAS_BOOKKEEPING "SELECT 1 WHERE to_regclass('migration.applied') IS NOT NULL"

#define RECORD                                                                                     \
    "INSERT INTO migration.applied (kind, name, checksum, apply_time)"                             \
    " VALUES ($1, $2, $3, clock_timestamp())"                                                      \
    " ON CONFLICT (kind, name) DO UPDATE"                                                          \
    " SET checksum = excluded.checksum, apply_time = excluded.apply_time"

#define CHECKSUM_LENGTH 64

struct migrator {
    PGconn *pg;
    FILE *out;
    FILE *problems;
    int applied;
};

static bool problem(const struct migrator *migrator, const char *what, const char *why)
{
    /* libpq's messages have several lines; the first says it. */
    fprintf(migrator->problems, "%s: %.*s\n", what, (int)strcspn(why, "\n"), why);
    return false;
}

static bool is_ok(const PGresult *result)
{
    return PQresultStatus(result) == PGRES_COMMAND_OK || PQresultStatus(result) == PGRES_TUPLES_OK;
}

static bool run(const struct migrator *migrator, const char *what, const char *sql)
{
    AUTO(release_result) PGresult *result = PQexec(migrator->pg, sql);

    return is_ok(result) || problem(migrator, what, PQerrorMessage(migrator->pg));
}

/* The checksum as recorded; "" when it was never applied. */
static bool find_applied(const struct migrator *migrator, const char *kind, const char *name,
                         char checksum[CHECKSUM_LENGTH + 1])
{
    const char *values[] = {kind, name};
    AUTO(release_result)
    PGresult *result = PQexecParams(migrator->pg, FIND_APPLIED, 2, NULL, values, NULL, NULL, 0);

    if (!is_ok(result))
        return problem(migrator, name, PQerrorMessage(migrator->pg));
    snprintf(checksum, CHECKSUM_LENGTH + 1, "%s",
             PQntuples(result) == 1 ? PQgetvalue(result, 0, 0) : "");
    return true;
}

static bool record(const struct migrator *migrator, const char *kind,
                   const struct migration *migration)
{
    const char *values[] = {kind, migration->name, migration->checksum};
    AUTO(release_result)
    PGresult *result = PQexecParams(migrator->pg, RECORD, 3, NULL, values, NULL, NULL, 0);

    return is_ok(result) || problem(migrator, migration->name, PQerrorMessage(migrator->pg));
}

/* One file and its record in one transaction. */
static bool apply(struct migrator *migrator, const char *kind, const struct migration *migration)
{
    const char *name = migration->name;
    bool applied = run(migrator, name, "BEGIN") &&
                   run(migrator, name, "SET LOCAL search_path = dues") &&
                   run(migrator, name, migration->sql) && record(migrator, kind, migration) &&
                   run(migrator, name, "COMMIT");

    /* A migration may have set things for the session. */
    if (!run(migrator, name, applied ? "RESET ALL" : "ROLLBACK") || !applied)
        return false;
    fprintf(migrator->out, "applied %s %s\n", kind, name);
    migrator->applied++;
    return true;
}

static bool apply_migrations(struct migrator *migrator, const struct migration_set *set)
{
    char checksum[CHECKSUM_LENGTH + 1];

    for (size_t i = 0; i < set->migration_count; i++) {
        const struct migration *migration = &set->migrations[i];

        if (!find_applied(migrator, "migration", migration->name, checksum))
            return false;
        if (checksum[0] != '\0' && strcmp(checksum, migration->checksum) != 0)
            return problem(migrator, migration->name,
                           "was changed after it was applied to this database");
        if (checksum[0] == '\0' && !apply(migrator, "migration", migration))
            return false;
    }
    return true;
}

static bool apply_functions(struct migrator *migrator, const struct migration_set *set)
{
    char checksum[CHECKSUM_LENGTH + 1];

    for (size_t i = 0; i < set->function_count; i++) {
        const struct migration *function = &set->functions[i];

        if (!find_applied(migrator, "function", function->name, checksum))
            return false;
        if (strcmp(checksum, function->checksum) != 0 && !apply(migrator, "function", function))
            return false;
    }
    return true;
}

/* Before anything is applied: this binary must know all that the database has. */
static bool check_not_newer(const struct migrator *migrator, const struct migration_set *set)
{
    AUTO(release_result) PGresult *result = PQexec(migrator->pg, COUNT_APPLIED);

    if (!is_ok(result))
        return problem(migrator, "migration.applied", PQerrorMessage(migrator->pg));
    if (strtoull(PQgetvalue(result, 0, 0), NULL, 10) > set->migration_count)
        return problem(migrator, "database", "has migrations that this binary does not know");
    return true;
}

static void ignore_notice(void *arg, const PGresult *result)
{
    (void)arg;
    (void)result;
}

int migration_set_apply(const struct migration_set *set, const char *owner_connection, FILE *out,
                        FILE *problems)
{
    AUTO(release_connection) PGconn *pg = PQconnectdb(owner_connection);
    struct migrator migrator = {.pg = pg, .out = out, .problems = problems};

    PQsetNoticeReceiver(pg, ignore_notice, NULL);
    if (PQstatus(pg) != CONNECTION_OK) {
        problem(&migrator, "database", PQerrorMessage(pg));
        return PG_MIGRATE_AWAY;
    }
    /* The lock goes with the connection. */
    bool done = run(&migrator, "lock", LOCK) &&
                run(&migrator, "migration.applied", CREATE_BOOKKEEPING) &&
                check_not_newer(&migrator, set) && apply_migrations(&migrator, set) &&
                apply_functions(&migrator, set);
    if (done && migrator.applied == 0)
        fprintf(out, "nothing to do: the database is at this version\n");
    return done ? 0 : PG_MIGRATE_FAILED;
}

static bool check_list(const struct migrator *migrator, const char *kind,
                       const struct migration *list, size_t count)
{
    char checksum[CHECKSUM_LENGTH + 1];

    for (size_t i = 0; i < count; i++) {
        if (!find_applied(migrator, kind, list[i].name, checksum))
            return false;
        if (checksum[0] == '\0')
            return problem(migrator, list[i].name, "is not applied: run `duesd migrate`");
        if (strcmp(checksum, list[i].checksum) != 0)
            return problem(migrator, list[i].name,
                           "differs from this binary's: run `duesd migrate`");
    }
    return true;
}

static bool check(const struct migrator *migrator, const struct migration_set *set)
{
    if (PQstatus(migrator->pg) != CONNECTION_OK)
        return problem(migrator, "database", PQerrorMessage(migrator->pg));
    AUTO(release_result) PGresult *result = PQexec(migrator->pg, HAS_BOOKKEEPING);
    if (!is_ok(result))
        return problem(migrator, "database", PQerrorMessage(migrator->pg));
    if (PQntuples(result) == 0)
        return problem(migrator, "database", "is empty: run `duesd migrate`");
    return check_not_newer(migrator, set) &&
           check_list(migrator, "migration", set->migrations, set->migration_count) &&
           check_list(migrator, "function", set->functions, set->function_count);
}

int migration_set_check(const struct migration_set *set, const char *connection,
                        char problem_text[256])
{
    AUTO(release_connection) PGconn *pg = PQconnectdb(connection);
    FILE *problems = fmemopen(problem_text, 256, "w");
    struct migrator migrator = {.pg = pg, .problems = problems};

    problem_text[0] = '\0';
    if (problems == NULL)
        return 1;
    bool matches = check(&migrator, set);
    fclose(problems);
    problem_text[255] = '\0';
    problem_text[strcspn(problem_text, "\n")] = '\0';
    return matches ? 0 : 1;
}

int pg_migrate(const char *owner_connection, FILE *out, FILE *problems)
{
    return migration_set_apply(&migration_set_embedded, owner_connection, out, problems);
}

int pg_check_version(const char *connection, char problem_text[256])
{
    return migration_set_check(&migration_set_embedded, connection, problem_text);
}
