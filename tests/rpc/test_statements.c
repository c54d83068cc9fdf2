/*
 * Every statement of every room, prepared and planned against the migrated schema as the service
 * role: a dropped column, a wrong type or a missing grant shows here without a single fixture.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "auth/auth.h"
#include "customer/customer.h"
#include "jobs/jobs.h"
#include "ledger/seal.h"
#include "ledger/verify.h"
#include "membership/membership.h"
#include "payment/payment.h"
#include "pg/connection.h"
#include "pg/libpq.h"
#include "pg/replay.h"
#include "pg/set.h"
#include "rpc/server.h"
#include "sandbox/sandbox.h"
#include "support/db_fixture.h"
#include "telemetry/telemetry.h"
#include "vault/vault.h"
#include "webhook/webhook.h"

struct room {
    const char *name;
    const struct pg_statement *const *statements;
};

static const struct room rooms[] = {
    {"pg", replay_statements},
    {"customer", customer_statements},
    {"vault", vault_statements},
    {"jobs", jobs_statements},
    {"ledger", ledger_statements},
    {"ledger", ledger_verify_statements},
    {"webhook", webhook_statements},
    {"payment", payment_statements},
    {"membership", membership_statements},
    {"auth", auth_statements},
    {"sandbox", sandbox_statements},
    {"telemetry", telemetry_statements},
    {"rpc", rpc_statements},
};

/* With the settings of a lane. */
static PGconn *connect_as_service(struct db_fixture *f)
{
    PGconn *pg = PQconnectdb(db_printf(f, "%s options='%s'", f->service, connection_planning));

    assert_int_equal(PQstatus(pg), CONNECTION_OK);
    return pg;
}

/* Prints what is wrong, so that one run shows all; true when nothing is. */
static bool succeeds(PGconn *pg, const struct room *room, const struct pg_statement *statement,
                     PGresult *result)
{
    bool good =
        PQresultStatus(result) == PGRES_COMMAND_OK || PQresultStatus(result) == PGRES_TUPLES_OK;

    if (!good)
        print_error("%s: %s: %s", room->name, statement->name, PQerrorMessage(pg));
    PQclear(result);
    return good;
}

/* The settings leave a sequential scan only where no index can serve. */
static bool has_no_scan_of_all(const PGresult *plan)
{
    for (int row = 0; row < PQntuples(plan); row++)
        if (strstr(PQgetvalue(plan, row, 0), "Seq Scan") != NULL)
            return false;
    return true;
}

/* Planning it also starts its executor, which checks what the role may do. */
static bool can_be_executed(PGconn *pg, const struct room *room,
                            const struct pg_statement *statement)
{
    char explain[4096];
    PGresult *description = PQdescribePrepared(pg, statement->name);
    int count = PQnparams(description);

    PQclear(description);
    int length = snprintf(explain, sizeof(explain), "EXPLAIN EXECUTE \"%s\"", statement->name);
    for (int i = 0; i < count; i++)
        length += snprintf(explain + length, sizeof(explain) - (size_t)length, "%sNULL",
                           i == 0 ? " (" : ", ");
    if (count > 0)
        snprintf(explain + length, sizeof(explain) - (size_t)length, ")");
    PGresult *plan = PQexec(pg, explain);
    bool indexed = !statement->is_lookup || has_no_scan_of_all(plan);
    if (!indexed)
        print_error("%s: %s reads a whole table\n", room->name, statement->name);
    return succeeds(pg, room, statement, plan) && indexed;
}

static void prepares_and_may_execute_every_statement(void **state)
{
    PGconn *pg = connect_as_service(*state);
    size_t count = 0;
    size_t bad = 0;

    for (size_t r = 0; r < ARRAY_LENGTH(rooms); r++) {
        for (const struct pg_statement *const *s = rooms[r].statements; *s != NULL; s++) {
            bool good =
                succeeds(pg, &rooms[r], *s, PQprepare(pg, (*s)->name, (*s)->sql, 0, NULL)) &&
                can_be_executed(pg, &rooms[r], *s);

            count++;
            bad += !good;
        }
    }
    PQfinish(pg);

    print_message("%zu statements\n", count);
    assert_int_equal(bad, 0);
    assert_true(count >= 30);
}

static enum pg_type type_of(Oid oid)
{
    for (enum pg_type type = PG_TEXT; type <= PG_TIME; type++)
        if (pg_type_oid(type) == oid)
            return type;
    return PG_TEXT;
}

/* The set form of a look-up, prepared as a lane does, has its columns behind the owner's. */
static bool has_a_set_form(PGconn *pg, struct arena *arena, const struct room *room,
                           const struct pg_statement *statement)
{
    AUTO(release_result) PGresult *single = PQdescribePrepared(pg, statement->name);
    size_t count = (size_t)PQnparams(single);
    struct pg_param *params = arena_array(arena, count, sizeof(*params));

    for (size_t i = 0; i < count; i++)
        params[i] = pg_null(type_of(PQparamtype(single, (int)i)));
    const struct pg_statement set = {
        .name = arena_printf(arena, "%s_set", statement->name),
        .sql = set_sql(arena, statement->sql, &(struct pg_params){params, count}),
        .is_lookup = true,
    };
    if (!succeeds(pg, room, &set, PQprepare(pg, set.name, set.sql, 0, NULL)) ||
        !can_be_executed(pg, room, &set))
        return false;
    AUTO(release_result) PGresult *many = PQdescribePrepared(pg, set.name);
    bool same = PQnfields(many) == PQnfields(single) + SET_COLUMN_FIRST;
    for (int c = 0; same && c < PQnfields(single); c++)
        same = PQftype(many, c + SET_COLUMN_FIRST) == PQftype(single, c) &&
               strcmp(PQfname(many, c + SET_COLUMN_FIRST), PQfname(single, c)) == 0;
    if (!same)
        print_error("%s: %s: a set has other columns\n", room->name, statement->name);
    return same;
}

static void asks_every_lookup_also_as_a_set(void **state)
{
    PGconn *pg = connect_as_service(*state);
    struct arena *arena = arena_new(1024 * 1024);
    size_t count = 0;
    size_t bad = 0;

    for (size_t r = 0; r < ARRAY_LENGTH(rooms); r++) {
        for (const struct pg_statement *const *s = rooms[r].statements; *s != NULL; s++) {
            if (!(*s)->is_lookup)
                continue;
            count++;
            bad += !succeeds(pg, &rooms[r], *s, PQprepare(pg, (*s)->name, (*s)->sql, 0, NULL)) ||
                   !has_a_set_form(pg, arena, &rooms[r], *s);
        }
    }
    PQfinish(pg);
    arena_free(arena);

    print_message("%zu look-ups\n", count);
    assert_int_equal(bad, 0);
    assert_true(count >= 5);
}

static void names_every_statement_once(void **state)
{
    (void)state;
    for (size_t r = 0; r < ARRAY_LENGTH(rooms); r++) {
        assert_non_null(rooms[r].statements[0]);
        for (const struct pg_statement *const *s = rooms[r].statements; *s != NULL; s++) {
            size_t same = 0;

            for (size_t other = 0; other < ARRAY_LENGTH(rooms); other++)
                for (const struct pg_statement *const *o = rooms[other].statements; *o != NULL; o++)
                    same += strcmp((*o)->name, (*s)->name) == 0;
            if (same != 1)
                print_error("%s: %s\n", rooms[r].name, (*s)->name);
            assert_int_equal(same, 1);
        }
    }
}

/* The check must be able to fail. */
static void notices_what_is_wrong(void **state)
{
    static const struct room room = {"test", NULL};
    static const struct pg_statement no_column = {.name = "no_column",
                                                  .sql = "SELECT colour FROM customer"};
    static const struct pg_statement no_grant = {.name = "no_grant",
                                                 .sql = "SELECT event_append($1, $2, $3, $4, $5)"};
    static const struct pg_statement no_index = {
        .name = "no_index",
        .sql = "SELECT amount FROM payment WHERE description = $1",
        .is_lookup = true};
    PGconn *pg = connect_as_service(*state);

    bool column_good =
        succeeds(pg, &room, &no_column, PQprepare(pg, no_column.name, no_column.sql, 0, NULL));
    bool prepared =
        succeeds(pg, &room, &no_grant, PQprepare(pg, no_grant.name, no_grant.sql, 0, NULL));
    bool grant_good = can_be_executed(pg, &room, &no_grant);
    bool index_prepared =
        succeeds(pg, &room, &no_index, PQprepare(pg, no_index.name, no_index.sql, 0, NULL));
    bool index_good = can_be_executed(pg, &room, &no_index);
    PQfinish(pg);

    assert_false(column_good);
    assert_true(prepared);
    assert_false(grant_good);
    assert_true(index_prepared);
    assert_false(index_good);
}

static int setup(void **state)
{
    *state = db_fixture_new(&(struct db_options){.without_house = true});
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(prepares_and_may_execute_every_statement),
        cmocka_unit_test(asks_every_lookup_also_as_a_set),
        cmocka_unit_test(names_every_statement_once),
        cmocka_unit_test(notices_what_is_wrong),
    };
    return cmocka_run_group_tests_name("statements", tests, setup, db_teardown);
}
