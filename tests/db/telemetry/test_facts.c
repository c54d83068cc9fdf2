/*
 * What telemetry asks the database, on rows that are made as the steps of the other rooms leave
 * them: what counts, what does not, and what stays when nobody answers.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <unistd.h>

#include "base/measure.h"
#include "support/db_fixture.h"
#include "support/patience.h"
#include "telemetry/facts.h"

/* The clock of the fixture, for ages that are exact. */
#define NOW      "timestamptz '2026-01-15T10:00:00Z'"
#define AGO(ago) NOW " - interval '" ago "'"

static const char *const kinds[] = {"payment.resolve", "refund.resolve", "membership.renew"};

struct world {
    struct db_fixture *db;
    struct facts *facts;
    struct measures *page;
};

static int setup(void **state)
{
    struct world *world = calloc(1, sizeof(*world));

    if (world == NULL)
        return -1;
    world->db = db_fixture_new(&(struct db_options){0});
    *state = world;
    return 0;
}

static int teardown(void **state)
{
    struct world *world = *state;

    db_fixture_free(world->db);
    free(world);
    return 0;
}

static int begin(void **state)
{
    struct world *world = *state;
    const struct telemetry_options options = {
        .house = &world->db->house,
        .obligation_kinds = kinds,
        .obligation_kind_count = ARRAY_LENGTH(kinds),
    };

    db_execute(
        world->db,
        "TRUNCATE dues.customer, dues.test_clock, dues.ledger_entry, dues.obligation CASCADE");
    world->facts = facts_open(&options);
    return 0;
}

static int end(void **state)
{
    struct world *world = *state;

    measures_free(world->page);
    world->page = NULL;
    facts_close(world->facts);
    return 0;
}

static void look_once(struct world *world)
{
    assert_true(facts_look(world->facts));
}

/* The value of a series as it stands on the page; NULL: it is not there. */
static const char *value_of(struct world *world, const char *series)
{
    size_t size;

    measures_free(world->page);
    world->page = measures_new();
    facts_measure(world->facts, world->page);
    const char *page = measures_text(world->page, &size);
    const char *line = strstr(page, db_printf(world->db, "\n%s ", series));
    if (line == NULL)
        return NULL;
    line += strlen(series) + 2;
    return db_printf(world->db, "%.*s", (int)strcspn(line, "\n"), line);
}

static void assert_tells(struct world *world, const char *series, const char *expected)
{
    const char *value = value_of(world, series);

    if (value == NULL)
        fail_msg("%s is not on the page", series);
    assert_string_equal(value, expected);
}

/* `count` customers, each with an obligation; those of one bucket when `bucket` is not negative. */
static void given_obligations(struct world *world, int count, const char *kind, const char *due,
                              int bucket)
{
    db_execute(world->db,
               db_printf(world->db,
                         "WITH c AS (INSERT INTO dues.customer (customer_id, display_name,"
                         " create_time) SELECT gen_random_uuid(), '', " NOW
                         " FROM generate_series(1, %d) RETURNING customer_id)"
                         " INSERT INTO dues.obligation (customer_id, kind, business_key, bucket,"
                         " subject_id, due_time, create_time) SELECT customer_id, '%s', 'a key',"
                         " CASE WHEN %d < 0 THEN get_byte(uuid_send(customer_id), 15) %% 64"
                         " ELSE %d END, customer_id, %s, " NOW " FROM c",
                         count, kind, bucket, bucket, due));
}

static void tells_nothing_of_a_database_that_was_not_asked(void **state)
{
    struct world *world = *state;

    assert_non_null(value_of(world, "dues_telemetry_age_seconds"));
    assert_null(value_of(world, "dues_attempts_unknown"));
    assert_null(value_of(world, "dues_obligations_overdue{kind=\"membership.renew\"}"));
}

static void counts_what_is_overdue_by_kind(void **state)
{
    struct world *world = *state;

    given_obligations(world, 3, "membership.renew", AGO("90 s"), -1);
    given_obligations(world, 1, "membership.renew", AGO("2 minutes 0.5 s"), -1);
    given_obligations(world, 5, "membership.renew", NOW " + interval '1 s'", -1);
    given_obligations(world, 2, "a.kind.of.tomorrow", AGO("1 s"), -1);
    look_once(world);

    assert_tells(world, "dues_obligations_overdue{kind=\"membership.renew\"}", "4");
    assert_tells(world, "dues_obligations_overdue_age_seconds{kind=\"membership.renew\"}",
                 "120.500000");
    assert_tells(world, "dues_obligations_overdue{kind=\"payment.resolve\"}", "0");
    assert_tells(world, "dues_obligations_overdue_age_seconds{kind=\"payment.resolve\"}",
                 "0.000000");
    assert_tells(world, "dues_obligations_overdue{kind=\"other\"}", "2");
}

static void leaves_out_what_a_test_clock_owes(void **state)
{
    struct world *world = *state;

    given_obligations(world, 1, "membership.renew", AGO("1 day"), -1);
    db_execute(world->db,
               "WITH k AS (INSERT INTO dues.test_clock (test_clock_id, clock_time, create_time)"
               " VALUES (gen_random_uuid(), now(), now()) RETURNING test_clock_id)"
               " UPDATE dues.obligation SET test_clock_id = k.test_clock_id FROM k");
    look_once(world);

    assert_tells(world, "dues_obligations_overdue{kind=\"membership.renew\"}", "0");
}

static void stops_counting_where_it_gets_expensive_but_sees_the_oldest(void **state)
{
    struct world *world = *state;

    given_obligations(world, 300, "membership.renew", AGO("1 minute"), 17);
    given_obligations(world, 1, "membership.renew", AGO("1 hour"), 17);
    look_once(world);

    assert_tells(world, "dues_obligations_overdue{kind=\"membership.renew\"}", "200");
    assert_tells(world, "dues_obligations_overdue_age_seconds{kind=\"membership.renew\"}",
                 "3600.000000");
}

/* An attempt with its resolver's obligation; by the machine's clock, as the database makes them. */
static void given_attempt(struct world *world, const char *state, const char *lease,
                          const char *sent_ago)
{
    db_execute(
        world->db,
        db_printf(world->db,
                  "WITH c AS (INSERT INTO dues.customer (customer_id, display_name, create_time)"
                  " VALUES (gen_random_uuid(), '', now()) RETURNING customer_id AS id),"
                  " m AS (INSERT INTO dues.payment_method SELECT id, id, 'sandbox', '\\x00',"
                  " 'visa', '4242', 12, 2030, 'ACTIVE', now() FROM c RETURNING customer_id AS id),"
                  " p AS (INSERT INTO dues.payment (customer_id, payment_id, payment_method_id,"
                  " currency, amount, description, state, create_time, update_time)"
                  " SELECT id, id, id, 'USD', 1, '', 'PROCESSING', now(), now() FROM m"
                  " RETURNING customer_id AS id),"
                  " a AS (INSERT INTO dues.attempt (customer_id, attempt_id, payment_id, operation,"
                  " sequence, gateway, gateway_key, currency, amount, off_session, state, epoch,"
                  " lease_until, first_sent_time, send_count, create_time)"
                  " SELECT id, id, id, 'CHARGE', 1, 'sandbox', 'a key of the gateway', 'USD', 1,"
                  " false, '%s', 1, now() + interval '%s', now() - interval '%s', 1, now() FROM p"
                  " RETURNING customer_id AS id)"
                  " INSERT INTO dues.obligation (customer_id, kind, business_key, bucket,"
                  " subject_id, due_time, create_time) SELECT id, 'payment.resolve', id::text, 1,"
                  " id, now() + interval '1 year', now() FROM a",
                  state, lease, sent_ago));
}

static void counts_attempts_whose_outcome_nobody_knows(void **state)
{
    struct world *world = *state;

    given_attempt(world, "SENDING", "20 s", "10 s");     /* on its way */
    given_attempt(world, "SENDING", "-1 s", "31 s");     /* who sent it is dead */
    given_attempt(world, "UNKNOWN", "-1 s", "1000 s");   /* waits for the next look */
    given_attempt(world, "RESOLVING", "20 s", "2000 s"); /* being asked about */
    given_attempt(world, "SUCCEEDED", "-1 s", "9000 s");
    look_once(world);

    assert_tells(world, "dues_attempts_unknown", "3");
    int64_t age = strtoll(value_of(world, "dues_attempts_unknown_age_seconds"), NULL, 10);
    assert_in_range(age, 2000, 8000);
}

static void given_groups(struct world *world, int count, const char *lines, const char *when)
{
    db_execute(world->db,
               db_printf(world->db,
                         "INSERT INTO dues.ledger_entry (customer_id, group_id, kind, line_no,"
                         " account, currency, amount, create_time, position, hash, recorded)"
                         " SELECT g.customer, g.id, 'charge', l.line, 'account ' || l.line, 'USD',"
                         " l.amount, %s, l.line, decode(repeat('00', 32), 'hex'), 0"
                         " FROM (SELECT gen_random_uuid() AS customer, gen_random_uuid() AS id"
                         " FROM generate_series(1, %d)) g,"
                         " (VALUES %s) AS l (line, amount)",
                         when, count, lines));
}

#define BALANCED   "(1, 7), (2, -4), (3, -3)"
#define UNBALANCED "(1, 7), (2, -4), (3, -2)"

static void look_until_rounds(struct world *world, int64_t rounds)
{
    for (int i = 0; i < 50; i++) {
        look_once(world);
        if (strtoll(value_of(world, "dues_ledger_rounds_total"), NULL, 10) >= rounds)
            return;
    }
    fail_msg("the walk did not come to its end");
}

static void finds_a_group_that_was_just_posted_and_does_not_balance(void **state)
{
    struct world *world = *state;

    given_groups(world, 10, BALANCED, AGO("10 s"));
    look_once(world);
    assert_tells(world, "dues_ledger_unbalanced_groups{check=\"recent\"}", "0");
    given_groups(world, 2, UNBALANCED, AGO("10 s"));
    given_groups(world, 1, UNBALANCED, AGO("10 minutes"));
    look_once(world);

    assert_tells(world, "dues_ledger_unbalanced_groups{check=\"recent\"}", "2");
}

static void meets_what_was_changed_long_ago_on_its_walk(void **state)
{
    struct world *world = *state;

    given_groups(world, 900, BALANCED, AGO("90 days"));
    look_until_rounds(world, 2);
    assert_tells(world, "dues_ledger_unbalanced_groups{check=\"walk\"}", "0");
    db_execute(world->db, "UPDATE dues.ledger_entry SET amount = amount + 1 WHERE ctid = (SELECT"
                          " ctid FROM dues.ledger_entry LIMIT 1)");
    look_until_rounds(world, 4);

    assert_tells(world, "dues_ledger_unbalanced_groups{check=\"walk\"}", "1");
    assert_tells(world, "dues_ledger_unbalanced_groups{check=\"recent\"}", "0");
}

static void forgets_what_was_put_right(void **state)
{
    struct world *world = *state;

    given_groups(world, 10, UNBALANCED, AGO("90 days"));
    look_until_rounds(world, 1);
    assert_tells(world, "dues_ledger_unbalanced_groups{check=\"walk\"}", "10");
    db_execute(world->db, "UPDATE dues.ledger_entry SET amount = -3 WHERE amount = -2");
    look_until_rounds(world, 3);

    assert_tells(world, "dues_ledger_unbalanced_groups{check=\"walk\"}", "0");
}

/* Groups of three lines, a thousand lines at a time: every look cuts one. */
static void checks_every_group_once_in_a_round_though_looks_cut_them(void **state)
{
    struct world *world = *state;

    given_groups(world, 1700, BALANCED, AGO("90 days"));
    look_until_rounds(world, 1);
    int64_t before = strtoll(value_of(world, "dues_ledger_groups_checked_total"), NULL, 10);
    look_until_rounds(world, 2);

    assert_int_equal(strtoll(value_of(world, "dues_ledger_groups_checked_total"), NULL, 10),
                     before + 1700);
    assert_tells(world, "dues_ledger_unbalanced_groups{check=\"walk\"}", "0");
}

static void an_empty_ledger_is_walked_in_one_look(void **state)
{
    struct world *world = *state;

    look_once(world);
    look_once(world);

    assert_tells(world, "dues_ledger_rounds_total", "2");
    assert_tells(world, "dues_ledger_groups_checked_total", "0");
}

/* Of this program's database: the cluster is shared. */
static void allow_connections(struct world *world, bool allowed)
{
    db_execute(world->db, db_printf(world->db, "%s CONNECT ON DATABASE %s %s dues_service",
                                    allowed ? "GRANT" : "REVOKE", world->db->database,
                                    allowed ? "TO" : "FROM public,"));
    db_execute(world->db, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename ="
                          " 'dues_service' AND datname = current_database()");
}

static void keeps_what_it_knew_while_the_database_is_away(void **state)
{
    struct world *world = *state;

    given_obligations(world, 4, "membership.renew", AGO("90 s"), -1);
    look_once(world);
    allow_connections(world, false);
    bool answered = facts_look(world->facts);
    const char *overdue = value_of(world, "dues_obligations_overdue{kind=\"membership.renew\"}");
    const char *up = value_of(world, "dues_database_up");
    const char *age = value_of(world, "dues_telemetry_age_seconds");
    allow_connections(world, true);

    assert_false(answered);
    assert_string_equal(overdue, "4");
    assert_string_equal(up, "0");
    assert_true(strtoll(age, NULL, 10) >= 1);
}

static void looks_by_itself_until_it_is_told_to_stop(void **state)
{
    struct world *world = *state;

    facts_start(world->facts);
    AWAIT(value_of(world, "dues_attempts_unknown") != NULL);

    assert_tells(world, "dues_attempts_unknown", "0");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(tells_nothing_of_a_database_that_was_not_asked),
        TEST(counts_what_is_overdue_by_kind),
        TEST(leaves_out_what_a_test_clock_owes),
        TEST(stops_counting_where_it_gets_expensive_but_sees_the_oldest),
        TEST(counts_attempts_whose_outcome_nobody_knows),
        TEST(finds_a_group_that_was_just_posted_and_does_not_balance),
        TEST(meets_what_was_changed_long_ago_on_its_walk),
        TEST(forgets_what_was_put_right),
        TEST(checks_every_group_once_in_a_round_though_looks_cut_them),
        TEST(an_empty_ledger_is_walked_in_one_look),
        TEST(looks_by_itself_until_it_is_told_to_stop),
        TEST(keeps_what_it_knew_while_the_database_is_away),
    };
    return cmocka_run_group_tests_name("telemetry facts", tests, setup, teardown);
}
