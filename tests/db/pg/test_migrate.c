/*
 * Migrations: each applied once, in order, by one migrator at a time; what was applied is not
 * edited.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <pthread.h>

#include "pg/migrate.h"
#include "pg/migration_set.h"
#include "support/db_fixture.h"

#define CHECKSUM_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define CHECKSUM_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

static const struct migration first = {"0001_create_a",
                                       "CREATE SCHEMA dues; CREATE TABLE dues.a ()", CHECKSUM_A};
/* Fails when it is applied twice, and takes its time so that two migrators meet. */
static const struct migration second = {
    "0002_create_b", "SELECT pg_sleep(0.3); CREATE TABLE b (); SET work_mem = '3MB'", CHECKSUM_A};
static const struct migration broken = {"0003_create_c", "CREATE TABLE c (); SELECT 1 / 0",
                                        CHECKSUM_A};
static const struct migration function = {
    "f", "CREATE OR REPLACE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'", CHECKSUM_A};
static const struct migration function_changed = {
    "f", "CREATE OR REPLACE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 2'", CHECKSUM_B};

struct report {
    int code;
    char *out;
    char *problems;
    size_t out_size;
    size_t problems_size;
};

static struct report apply(struct db_fixture *f, const struct migration *migrations, size_t count,
                           const struct migration *functions, size_t function_count)
{
    const struct migration_set set = {.migrations = migrations,
                                      .migration_count = count,
                                      .functions = functions,
                                      .function_count = function_count};
    struct report report = {0};
    FILE *out = open_memstream(&report.out, &report.out_size);
    FILE *problems = open_memstream(&report.problems, &report.problems_size);

    report.code = migration_set_apply(&set, f->owner, out, problems);
    fclose(out);
    fclose(problems);
    return report;
}

static void check(struct report report, int code, const char *out, const char *problems)
{
    assert_string_equal(report.problems, problems);
    assert_string_equal(report.out, out);
    assert_int_equal(report.code, code);
    free(report.out);
    free(report.problems);
}

static void free_report(struct report report)
{
    assert_string_equal(report.problems, "");
    free(report.out);
    free(report.problems);
}

/* Each test begins with a database in which nothing was applied. */
static int start_empty(void **state)
{
    struct db_fixture *f = *state;

    db_execute(f, "DROP SCHEMA IF EXISTS dues CASCADE");
    db_execute(f, "DROP SCHEMA IF EXISTS migration CASCADE");
    return 0;
}

static void applies_each_migration_once(void **state)
{
    struct db_fixture *f = *state;
    const struct migration both[] = {first, second};

    check(apply(f, both, 1, &function, 1), 0,
          "applied migration 0001_create_a\napplied function f\n", "");
    check(apply(f, both, 2, &function, 1), 0, "applied migration 0002_create_b\n", "");
    check(apply(f, both, 2, &function, 1), 0, "nothing to do: the database is at this version\n",
          "");
    assert_int_equal(db_count(f, "pg_tables WHERE schemaname = 'dues'"), 2);
}

static void applies_a_function_again_when_it_changed(void **state)
{
    struct db_fixture *f = *state;

    check(apply(f, &first, 1, &function, 1), 0,
          "applied migration 0001_create_a\napplied function f\n", "");
    check(apply(f, &first, 1, &function_changed, 1), 0, "applied function f\n", "");
    assert_int_equal(db_number(f, "SELECT dues.f()"), 2);
}

static void refuses_a_migration_that_was_edited(void **state)
{
    struct db_fixture *f = *state;
    const struct migration edited = {first.name, first.sql, CHECKSUM_B};

    check(apply(f, &first, 1, NULL, 0), 0, "applied migration 0001_create_a\n", "");
    check(apply(f, &edited, 1, &function, 1), 1, "",
          "0001_create_a: was changed after it was applied to this database\n");
    assert_int_equal(db_count(f, "pg_proc WHERE pronamespace = 'dues'::regnamespace"), 0);
}

static void keeps_nothing_of_a_migration_that_fails(void **state)
{
    struct db_fixture *f = *state;
    const struct migration all[] = {first, second, broken};

    check(apply(f, all, 3, &function, 1), 1,
          "applied migration 0001_create_a\napplied migration 0002_create_b\n",
          "0003_create_c: ERROR:  division by zero\n");
    assert_int_equal(db_count(f, "pg_tables WHERE schemaname = 'dues'"), 2);
    assert_int_equal(db_count(f, "migration.applied"), 2);
}

static void refuses_a_database_that_is_ahead(void **state)
{
    struct db_fixture *f = *state;
    const struct migration both[] = {first, second};
    char problem[256];

    check(apply(f, both, 2, NULL, 0), 0,
          "applied migration 0001_create_a\napplied migration 0002_create_b\n", "");
    check(apply(f, both, 1, NULL, 0), 1, "",
          "database: has migrations that this binary does not know\n");
    const struct migration_set older = {.migrations = both, .migration_count = 1};
    assert_int_equal(migration_set_check(&older, f->service, problem), 1);
    assert_string_equal(problem, "database: has migrations that this binary does not know");
}

static void *migrate_in_thread(void *arg)
{
    const struct migration both[] = {first, second};
    struct report *report = malloc(sizeof(*report));

    *report = apply(arg, both, 2, &function, 1);
    return report;
}

static void lets_one_migrator_work_at_a_time(void **state)
{
    struct db_fixture *f = *state;
    pthread_t threads[4];
    struct report *reports[4];
    size_t idle = 0;

    for (size_t i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, migrate_in_thread, f), 0);
    for (size_t i = 0; i < 4; i++)
        pthread_join(threads[i], (void **)&reports[i]);

    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(reports[i]->code, 0);
        idle += strncmp(reports[i]->out, "nothing to do", 13) == 0;
        free(reports[i]->out);
        free(reports[i]->problems);
        free(reports[i]);
    }
    assert_int_equal(idle, 3);
    assert_int_equal(db_count(f, "migration.applied"), 3);
}

static void says_what_the_database_lacks(void **state)
{
    struct db_fixture *f = *state;
    const struct migration both[] = {first, second};
    const struct migration_set set = {
        .migrations = both, .migration_count = 2, .functions = &function, .function_count = 1};
    const struct migration_set changed = {.migrations = both,
                                          .migration_count = 2,
                                          .functions = &function_changed,
                                          .function_count = 1};
    char problem[256];

    assert_int_equal(migration_set_check(&set, f->service, problem), 1);
    assert_string_equal(problem, "database: is empty: run `duesd migrate`");

    check(apply(f, both, 1, NULL, 0), 0, "applied migration 0001_create_a\n", "");
    assert_int_equal(migration_set_check(&set, f->service, problem), 1);
    assert_string_equal(problem, "0002_create_b: is not applied: run `duesd migrate`");

    check(apply(f, both, 2, &function, 1), 0,
          "applied migration 0002_create_b\napplied function f\n", "");
    assert_int_equal(migration_set_check(&set, f->service, problem), 0);
    assert_string_equal(problem, "");
    assert_int_equal(migration_set_check(&changed, f->service, problem), 1);
    assert_string_equal(problem, "f: differs from this binary's: run `duesd migrate`");
}

static void says_when_the_database_is_not_there(void **state)
{
    char problem[256];

    (void)state;
    assert_int_equal(pg_migrate("host=/nonexistent dbname=dues", stdout, stderr), PG_MIGRATE_AWAY);
    assert_int_equal(pg_check_version("host=/nonexistent dbname=dues", problem), 1);
    assert_non_null(strstr(problem, "/nonexistent"));
}

static void applies_what_the_binary_carries(void **state)
{
    struct db_fixture *f = *state;
    char problem[256];

    assert_int_equal(pg_migrate(f->owner, stdout, stderr), 0);
    assert_int_equal(pg_check_version(f->service, problem), 0);
}

static int setup(void **state)
{
    *state = db_fixture_new(&(struct db_options){.without_house = true});
    return 0;
}

#define MIGRATE_TEST(test) cmocka_unit_test_setup(test, start_empty)

static int64_t count_of_migrations_before(const char *name)
{
    int64_t count = 0;

    while (strcmp(migration_set_embedded.migrations[count].name, name) != 0)
        count++;
    return count;
}

/* Rows of old stay where they are, and nobody waits for a look at all of them. */
static void brings_payments_along_without_writing_them_anew(void **state)
{
    struct db_fixture *f = *state;
    const struct migration_set *all = &migration_set_embedded;
    const char *file = "SELECT pg_relation_filenode('dues.payment')::bigint";
    const char *valid = "SELECT count(*) FROM pg_constraint WHERE conname = 'payment_adds_up'"
                        " AND convalidated";
    size_t before = (size_t)count_of_migrations_before("0016_create_dispute");
    size_t looked_at = (size_t)count_of_migrations_before("0025_validate_payment");

    free_report(apply(f, all->migrations, before, NULL, 0));
    int64_t file_before = db_number(f, file);
    free_report(apply(f, all->migrations, looked_at, NULL, 0));
    int64_t valid_before = db_number(f, valid);
    free_report(
        apply(f, all->migrations, all->migration_count, all->functions, all->function_count));

    assert_int_equal(db_number(f, file), file_before);
    assert_int_equal(valid_before, 0);
    assert_int_equal(db_number(f, valid), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        MIGRATE_TEST(applies_each_migration_once),
        MIGRATE_TEST(applies_a_function_again_when_it_changed),
        MIGRATE_TEST(refuses_a_migration_that_was_edited),
        MIGRATE_TEST(keeps_nothing_of_a_migration_that_fails),
        MIGRATE_TEST(refuses_a_database_that_is_ahead),
        MIGRATE_TEST(lets_one_migrator_work_at_a_time),
        MIGRATE_TEST(says_what_the_database_lacks),
        MIGRATE_TEST(says_when_the_database_is_not_there),
        MIGRATE_TEST(applies_what_the_binary_carries),
        MIGRATE_TEST(brings_payments_along_without_writing_them_anew),
    };
    return cmocka_run_group_tests_name("migrate", tests, setup, db_teardown);
}
