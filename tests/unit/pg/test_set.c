/*
 * Making one statement of many look-ups: its text, its arrays, and whose row is whose.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <endian.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/arena.h"
#include "pg/set.h"

static const struct pg_statement find = {
    .name = "find",
    .sql = "SELECT colour FROM thing WHERE owner_id = $1 AND kind = $2",
    .is_lookup = true,
};

static void asks_over_arrays_of_the_parameters(void **state)
{
    struct arena *arena = arena_new(64 * 1024);
    const struct pg_param params[] = {pg_null(PG_UUID), pg_text("a")};

    (void)state;
    const char *sql = set_sql(arena, find.sql, &(struct pg_params){params, 2});

    assert_string_equal(
        sql, "SELECT asked.n, found.* FROM unnest($1::uuid[], $2::text[]) WITH ORDINALITY AS asked"
             " (p1, p2, n) CROSS JOIN LATERAL (SELECT colour FROM thing"
             " WHERE owner_id = asked.p1 AND kind = asked.p2) AS found");
    arena_free(arena);
}

static void leaves_what_is_quoted_alone(void **state)
{
    struct arena *arena = arena_new(64 * 1024);
    const struct pg_param params[] = {pg_int64(1)};

    (void)state;
    const char *sql =
        set_sql(arena, "SELECT '$1', $1::bigint, 'it''s $2'", &(struct pg_params){params, 1});

    assert_non_null(strstr(sql, "(SELECT '$1', asked.p1::bigint, 'it''s $2') AS found"));
    arena_free(arena);
}

#define ASKERS_MAX 4

/* Askers of two parameters each, linked as a batch links them. */
struct askers {
    struct pg_param params[ASKERS_MAX][2];
    struct op ops[ASKERS_MAX];
};

static void given_askers(struct askers *askers, size_t count)
{
    memset(askers, 0, sizeof(*askers));
    for (size_t i = 0; i < count; i++) {
        askers->params[i][0] = pg_int32((int32_t)i);
        askers->params[i][1] = pg_text(i == 1 ? NULL : "blue");
        askers->ops[i] = (struct op){.statement = &find, .params = {askers->params[i], 2}};
        askers->ops[i].next_in_set = i + 1 < count ? &askers->ops[i + 1] : NULL;
    }
}

static void sends_an_array_a_parameter(void **state)
{
    struct sets *sets = sets_open();
    static struct pg_encoded encoded;
    struct askers askers;

    (void)state;
    given_askers(&askers, 2);
    assert_true(set_encode(sets, &askers.ops[0], 2, &encoded));

    static const char numbers[] = "\0\0\0\1"
                                  "\0\0\0\0"
                                  "\0\0\0\x17"
                                  "\0\0\0\2"
                                  "\0\0\0\1"
                                  "\0\0\0\4"
                                  "\0\0\0\0"
                                  "\0\0\0\4"
                                  "\0\0\0\1";
    assert_int_equal(encoded.types[0], 1007);
    assert_int_equal(encoded.lengths[0], sizeof(numbers) - 1);
    assert_memory_equal(encoded.values[0], numbers, sizeof(numbers) - 1);
    /* With a NULL among them. */
    static const char texts[] = "\0\0\0\1"
                                "\0\0\0\1"
                                "\0\0\0\x19"
                                "\0\0\0\2"
                                "\0\0\0\1"
                                "\0\0\0\4"
                                "blue"
                                "\xff\xff\xff\xff";
    assert_int_equal(encoded.types[1], 1009);
    assert_int_equal(encoded.lengths[1], sizeof(texts) - 1);
    assert_memory_equal(encoded.values[1], texts, sizeof(texts) - 1);
    assert_int_equal(encoded.formats[0], 1);
    sets_close(sets);
}

static void does_not_join_parameters_of_another_kind(void **state)
{
    struct sets *sets = sets_open();
    static struct pg_encoded encoded;
    struct askers askers;

    (void)state;
    given_askers(&askers, 2);
    askers.params[1][0] = pg_int64(1);
    assert_false(set_encode(sets, &askers.ops[0], 2, &encoded));
    askers.ops[1].params.count = 1;
    assert_false(set_encode(sets, &askers.ops[0], 2, &encoded));
    sets_close(sets);
}

static void does_not_join_what_is_too_large(void **state)
{
    struct sets *sets = sets_open();
    static struct pg_encoded encoded;
    static char text[700 * 1024];
    struct askers askers;

    (void)state;
    memset(text, 'x', sizeof(text) - 1);
    given_askers(&askers, 2);
    askers.params[0][1] = pg_text(text);
    assert_true(set_encode(sets, &askers.ops[0], 2, &encoded));
    sets_reset(sets);
    askers.params[1][1] = pg_text(text);
    assert_false(set_encode(sets, &askers.ops[0], 2, &encoded));
    sets_close(sets);
}

static void makes_each_set_form_once(void **state)
{
    struct sets *sets = sets_open();
    const struct pg_param params[] = {pg_int32(0), pg_text("a")};

    (void)state;
    const struct pg_statement *first = set_statement(sets, &find, &(struct pg_params){params, 2});
    const struct pg_statement *again = set_statement(sets, &find, &(struct pg_params){params, 2});

    assert_ptr_equal(first, again);
    assert_string_equal(first->name, "find_set");
    sets_close(sets);
}

/* Rows of these owners, each with its place as its colour. */
static PGresult *given_rows(const int64_t *owners, size_t count)
{
    char owner_name[] = "n";
    char colour_name[] = "colour";
    PGresAttDesc columns[] = {{.name = owner_name, .typid = 20, .format = 1, .typlen = 8},
                              {.name = colour_name, .typid = 25, .format = 1, .typlen = -1}};
    PGresult *result = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);

    PQsetResultAttrs(result, 2, columns);
    for (size_t i = 0; i < count; i++) {
        char colour[] = "0";
        uint64_t big = htobe64((uint64_t)owners[i]);

        colour[0] = (char)('0' + i);
        PQsetvalue(result, (int)i, 0, (char *)&big, sizeof(big));
        PQsetvalue(result, (int)i, 1, colour, 1);
    }
    return result;
}

static void deals_the_rows_to_their_owners(void **state)
{
    const int64_t owners[] = {3, 1, 4};
    PGresult *result = given_rows(owners, 3);
    struct askers askers;

    (void)state;
    given_askers(&askers, 4);
    set_deal(&askers.ops[0], 4, result);

    const int rows[] = {1, -1, 0, 2};
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(askers.ops[i].row, rows[i]);
        assert_true(askers.ops[i].in_set);
        assert_ptr_equal(askers.ops[i].result, result);
        op_drop_result(&askers.ops[i]); /* leaves the set's result alone */
    }
    PQclear(result);
}

static void assert_ends_the_process(const int64_t *owners, size_t count)
{
    struct askers askers;
    int status = 0;
    pid_t child = fork();

    if (child == 0) {
        signal(SIGABRT, SIG_DFL); /* cmocka would catch it and go on */
        dup2(open("/dev/null", O_WRONLY), STDERR_FILENO);
        given_askers(&askers, 2);
        set_deal(&askers.ops[0], 2, given_rows(owners, count));
        _exit(0);
    }
    waitpid(child, &status, 0);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGABRT);
}

static void ends_the_process_when_a_lookup_is_none(void **state)
{
    const int64_t twice[] = {1, 2, 1};
    const int64_t nobody[] = {3};
    const int64_t zero[] = {0};

    (void)state;
    assert_ends_the_process(twice, 3);
    assert_ends_the_process(nobody, 1);
    assert_ends_the_process(zero, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(asks_over_arrays_of_the_parameters),
        cmocka_unit_test(leaves_what_is_quoted_alone),
        cmocka_unit_test(sends_an_array_a_parameter),
        cmocka_unit_test(does_not_join_parameters_of_another_kind),
        cmocka_unit_test(does_not_join_what_is_too_large),
        cmocka_unit_test(makes_each_set_form_once),
        cmocka_unit_test(deals_the_rows_to_their_owners),
        cmocka_unit_test(ends_the_process_when_a_lookup_is_none),
    };
    return cmocka_run_group_tests_name("sets", tests, NULL, NULL);
}
