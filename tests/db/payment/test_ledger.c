/*
 * The ledger has one door, and it refuses what does not sum to zero; the tables of money have none
 * for the server's role.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "db/payment/payment_fixture.h"

#define NOW "'2026-01-15T10:00:00Z'"

/* Tells how posting ended instead of raising; the lines are an array literal of rows. */
static const char *posted(struct payment_fixture *f, const char *customer, const char *group,
                          const char *lines)
{
    db_execute(f->db, db_printf(f->db,
                                "CREATE OR REPLACE FUNCTION dues.try_post() RETURNS text"
                                " LANGUAGE plpgsql SET search_path = dues AS $$ BEGIN"
                                "   PERFORM ledger_post('%s', '%s', 'charge', %s, %s);"
                                "   RETURN 'posted';"
                                " EXCEPTION WHEN check_violation THEN RETURN 'refused';"
                                "   WHEN unique_violation THEN RETURN 'known'; END $$",
                                customer, group, lines, NOW));
    return db_text(f->db, "SELECT dues.try_post()");
}

static void posts_a_group_that_sums_to_zero(void **state)
{
    struct payment_fixture *f = *state;
    const char *customer = db_uuid_text(f->db, db_given_customer(f->db, UUID_NIL));
    const char *group = db_uuid_text(f->db, db_uuid(f->db));

    const char *first = posted(f, customer, group,
                               "ARRAY[ROW('a','USD',5),ROW('b','USD',-5),ROW('a','EUR',7),"
                               "ROW('b','EUR',-7)]::ledger_line[]");
    const char *second =
        posted(f, customer, group, "ARRAY[ROW('a','USD',5),ROW('b','USD',-5)]::ledger_line[]");

    assert_string_equal(first, "posted");
    assert_string_equal(second, "known");
    assert_int_equal(
        db_count(f->db, db_printf(f->db, "ledger_entry WHERE customer_id = '%s'", customer)), 4);
}

static void refuses_what_does_not_sum_to_zero(void **state)
{
    struct payment_fixture *f = *state;
    const char *customer = db_uuid_text(f->db, db_given_customer(f->db, UUID_NIL));
    const char *group = db_uuid_text(f->db, db_uuid(f->db));
    static const char *const wrong[] = {
        "ARRAY[ROW('a','USD',5),ROW('b','USD',-4)]::ledger_line[]",
        "ARRAY[ROW('a','USD',5),ROW('b','EUR',-5)]::ledger_line[]",
        "ARRAY[ROW('a','USD',5)]::ledger_line[]",
        "ARRAY[ROW('a','USD',0),ROW('b','USD',0)]::ledger_line[]",
        "ARRAY[]::ledger_line[]",
        "NULL",
        ("ARRAY[ROW('a','USD',9223372036854775807),ROW('b','USD',9223372036854775807),"
         "ROW('c','USD',2)]::ledger_line[]"),
    };

    for (size_t i = 0; i < ARRAY_LENGTH(wrong); i++)
        assert_string_equal(posted(f, customer, group, wrong[i]), "refused");
    assert_int_equal(
        db_count(f->db, db_printf(f->db, "ledger_entry WHERE customer_id = '%s'", customer)), 0);
}

struct attack {
    struct pg_statement statement;
    const struct error *error;
};

static const struct error *run_attack(struct call *call, void *arg)
{
    struct attack *attack = arg;
    struct pg_rows rows;

    return pg_write(call, UUID_NIL, &attack->statement, (struct pg_params){NULL, 0}, &rows);
}

static void the_server_may_not_write_tables_of_money(void **state)
{
    struct payment_fixture *f = *state;
    static const char *const tables[] = {
        "ledger_entry", "payment",        "attempt",          "refund",
        "incident",     "payment_method", "recorded_request", "gateway_transaction",
        "event",        "obligation"};
    static const char *const verbs[] = {"DELETE FROM dues.%s", "TRUNCATE dues.%s",
                                        "UPDATE dues.%s SET customer_id = customer_id",
                                        "INSERT INTO dues.%s SELECT * FROM dues.%s"};

    for (size_t table = 0; table < ARRAY_LENGTH(tables); table++) {
        for (size_t verb = 0; verb < ARRAY_LENGTH(verbs); verb++) {
            struct attack attack = {0};
            const char *rest = verbs[verb];
            char *sql = arena_strdup(f->db->arena, "");
            for (const char *at; (at = strstr(rest, "%s")) != NULL; rest = at + 2)
                sql = arena_printf(f->db->arena, "%s%.*s%s", sql, (int)(at - rest), rest,
                                   tables[table]);
            attack.statement =
                (struct pg_statement){.name = db_printf(f->db, "attack_%zu_%zu", table, verb),
                                      .sql = arena_printf(f->db->arena, "%s%s", sql, rest)};

            const struct error *error = db_run(f->db, run_attack, &attack);

            assert_non_null(error);
            assert_non_null(error->cause);
            assert_non_null(strstr(error->cause, "permission denied"));
        }
    }
}

static void the_server_may_not_post_by_itself(void **state)
{
    struct payment_fixture *f = *state;
    static const char *const inner[] = {
        "SELECT dues.ledger_post(gen_random_uuid(), gen_random_uuid(), 'x', NULL, now())",
        "SELECT dues.payment_open(gen_random_uuid(), NULL, now())",
        "SELECT dues.payment_settle(gen_random_uuid(), NULL, now())",
        "SELECT dues.event_append(gen_random_uuid(), 'x', gen_random_uuid(), NULL, now())",
        "SELECT dues.request_answer(gen_random_uuid(), gen_random_uuid(), 'x', NULL)",
    };

    for (size_t i = 0; i < ARRAY_LENGTH(inner); i++) {
        struct attack attack = {
            .statement = {.name = db_printf(f->db, "inner_%zu", i), .sql = inner[i]}};

        const struct error *error = db_run(f->db, run_attack, &attack);

        assert_non_null(error);
        assert_non_null(error->cause);
        assert_non_null(strstr(error->cause, "permission denied"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(posts_a_group_that_sums_to_zero),
        cmocka_unit_test(refuses_what_does_not_sum_to_zero),
        cmocka_unit_test(the_server_may_not_write_tables_of_money),
        cmocka_unit_test(the_server_may_not_post_by_itself),
    };
    return cmocka_run_group_tests_name("ledger", tests, payment_setup, payment_teardown);
}
