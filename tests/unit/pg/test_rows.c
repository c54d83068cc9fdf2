/*
 * Rows are read by name; a name or a type that is not there is a mistake of ours.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pg/rows.h"

static const struct pg_statement statement = {.name = "find_colour", .sql = "SELECT colour"};

/* One row: colour text = 'green'. */
static struct pg_rows given_a_row(struct call *call)
{
    char name[] = "colour";
    char value[] = "green";
    PGresAttDesc column = {.name = name, .typid = 25, .format = 1, .typlen = -1};
    PGresult *result = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
    struct pg_rows rows = {0};

    assert_int_equal(PQsetResultAttrs(result, 1, &column), 1);
    assert_int_equal(PQsetvalue(result, 0, 0, value, 5), 1);
    assert_null(
        rows_copy(call, &statement, (struct rows_part){.result = result, .row_count = 1}, &rows));
    PQclear(result);
    return rows;
}

static void read_absent_column(const struct pg_rows *rows)
{
    (void)pg_get_text(rows, 0, "color");
}

static void read_other_type(const struct pg_rows *rows)
{
    (void)pg_get_int64(rows, 0, "colour");
}

static void read_absent_row(const struct pg_rows *rows)
{
    (void)pg_get_text(rows, 1, "colour");
}

static void assert_ends_the_process(void (*read)(const struct pg_rows *rows),
                                    const struct pg_rows *rows)
{
    int status = 0;
    pid_t child = fork();

    if (child == 0) {
        /* cmocka would catch the signal and go on. */
        signal(SIGABRT, SIG_DFL);
        int nowhere = open("/dev/null", O_WRONLY);
        dup2(nowhere, STDERR_FILENO);
        read(rows);
        _exit(0);
    }
    waitpid(child, &status, 0);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGABRT);
}

static void reads_a_column_by_its_name(void **state)
{
    struct call call = {.arena = arena_new(64 * 1024)};
    struct pg_rows rows = given_a_row(&call);

    (void)state;
    assert_int_equal(rows.count, 1);
    assert_string_equal(pg_get_text(&rows, 0, "colour"), "green");
    arena_free(call.arena);
}

static void ends_the_process_on_what_is_not_there(void **state)
{
    struct call call = {.arena = arena_new(64 * 1024)};
    struct pg_rows rows = given_a_row(&call);

    (void)state;
    assert_ends_the_process(read_absent_column, &rows);
    assert_ends_the_process(read_other_type, &rows);
    assert_ends_the_process(read_absent_row, &rows);
    arena_free(call.arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_a_column_by_its_name),
        cmocka_unit_test(ends_the_process_on_what_is_not_there),
    };
    return cmocka_run_group_tests_name("rows", tests, NULL, NULL);
}
