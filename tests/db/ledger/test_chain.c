/*
 * The chain: every entry has its place and a hash over the one before; the same in SQL and in C.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "db/ledger/ledger_fixture.h"
#include "pg/migrate.h"
#include "pg/migration_set.h"

static void makes_the_hash_that_sql_makes(void **state)
{
    struct ledger_fixture *f = *state;
    static const uint8_t previous[SHA256_SIZE] = {1, 2, 3};
    struct ledger_entry entry = {
        .position = 70000,
        .kind = "charge",
        .line = 3,
        .account = "gateway_clearing:größe",
        .currency = "JPY",
        .amount = -123456789012,
        .create_time_us = 1768471200123456,
    };
    uint8_t hash[SHA256_SIZE];
    char hex[2 * SHA256_SIZE + 1];

    entry.customer = db_uuid(f->db);
    entry.group = db_uuid(f->db);
    ledger_entry_hash(&entry, previous, hash);
    hex_encode(hash, sizeof hash, hex);

    const char *sql = db_text(
        f->db, db_printf(f->db,
                         "SELECT encode(ledger_entry_hash(decode('010203' || repeat('00', 29),"
                         " 'hex'), '%s', 70000, '%s', 3::smallint, -123456789012,"
                         " '2026-01-15T10:00:00.123456Z', 'charge', 'gateway_clearing:größe',"
                         " 'JPY'), 'hex')",
                         db_uuid_text(f->db, entry.customer), db_uuid_text(f->db, entry.group)));
    assert_string_equal(hex, sql);
}

static void numbers_entries_without_gaps_and_keeps_the_head(void **state)
{
    struct ledger_fixture *f = *state;
    const char *customer = given_ledger(f, 3);

    assert_string_equal(
        db_text(f->db, db_printf(f->db,
                                 "SELECT string_agg(position::text, ' ' ORDER BY position)"
                                 " FROM ledger_entry WHERE customer_id = '%s'",
                                 customer)),
        "1 2 3 4 5 6");
    assert_int_equal(
        db_number(f->db, db_printf(f->db,
                                   "SELECT count(*) FROM customer c JOIN ledger_entry e"
                                   " ON e.customer_id = c.customer_id AND e.position = "
                                   "c.ledger_count AND e.hash = substr(c.ledger_tail, 33)"
                                   " WHERE c.customer_id = '%s' AND c.ledger_count = 6",
                                   customer)),
        1);
    assert_string_equal(verify_of(f, customer).text, "");
}

static void a_refused_group_takes_no_place(void **state)
{
    struct ledger_fixture *f = *state;
    const char *customer = given_ledger(f, 1);

    DAMAGE(f,
           "DO $$ BEGIN PERFORM dues.ledger_post('%s', '%s', 'charge',"
           " ARRAY[ROW('a', 'USD', 5), ROW('b', 'USD', -4)]::dues.ledger_line[], now());"
           " EXCEPTION WHEN check_violation THEN END $$",
           customer, db_uuid_text(f->db, db_uuid(f->db)));
    given_group(f, customer, 7);

    assert_string_equal(verify_of(f, customer).text, "");
    assert_int_equal(
        db_count(f->db, db_printf(f->db, "ledger_entry WHERE customer_id = '%s'", customer)), 4);
}

/* As a service of its own would: through lanes, several at a time. */
struct racing_post {
    struct uuid customer;
    struct uuid lane; /* decides the lane, so that the posts of one customer meet in the database */
    struct uuid group;
};

static const struct pg_statement racing_statement = {
    .name = "test_racing_post",
    .sql = "SELECT test_racing_post($1, $2)",
};

static const struct error *post_racing(struct call *call, void *arg)
{
    const struct racing_post *post = arg;
    struct pg_rows rows;

    return pg_write(call, post->lane, &racing_statement,
                    PG_PARAMS(pg_uuid(post->customer), pg_uuid(post->group)), &rows);
}

static void posts_of_one_customer_queue_up_across_servers(void **state)
{
    struct ledger_fixture *f = *state;
    enum { POSTS = 100 };
    static struct racing_post posts[POSTS];
    const struct error *errors[POSTS];
    struct uuid customer = db_given_customer(f->db, UUID_NIL);

    db_execute(f->db,
               "CREATE FUNCTION dues.test_racing_post(p_customer uuid, p_group uuid)"
               " RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER SET search_path = dues, pg_temp"
               " AS $$ BEGIN PERFORM ledger_post(p_customer, p_group, 'charge',"
               " ARRAY[ROW('a', 'USD', 5), ROW('b', 'USD', -5)]::ledger_line[], clock_timestamp());"
               " PERFORM pg_sleep(0.001); RETURN true; END $$;"
               "GRANT EXECUTE ON FUNCTION dues.test_racing_post(uuid, uuid) TO dues_service");
    db_reopen_lanes(f->db, &(struct db_options){.write_lanes = 8});
    for (size_t i = 0; i < POSTS; i++)
        posts[i] = (struct racing_post){customer, db_uuid(f->db), db_uuid(f->db)};
    db_run_all(f->db, post_racing, posts, sizeof posts[0], POSTS, errors);

    for (size_t i = 0; i < POSTS; i++)
        assert_null(errors[i]);
    assert_string_equal(verify_of(f, db_uuid_text(f->db, customer)).text, "");
    assert_int_equal(db_number(f->db, db_printf(f->db,
                                                "SELECT ledger_count FROM customer"
                                                " WHERE customer_id = '%s'",
                                                db_uuid_text(f->db, customer))),
                     2 * POSTS);
}

#define ENTRY_BEFORE                                                                               \
    "INSERT INTO dues.ledger_entry (customer_id, group_id, kind, line_no, account, currency,"      \
    " amount, create_time) VALUES ('%s', '%s', 'charge', %d, 'a', 'USD', %d, '%s')"

static void a_ledger_from_before_gets_its_chain(void **state)
{
    struct ledger_fixture *f = *state;
    struct ledger_fixture old = {.db = db_fixture_new(&(struct db_options){.without_house = true})};
    struct migration_set before = migration_set_embedded;
    const char *customer = db_uuid_text(f->db, db_uuid(f->db));
    static const char *const times[] = {"2026-01-03", "2026-01-01", "2026-01-02"};
    FILE *nowhere = fopen("/dev/null", "w");

    before.function_count = 0;
    for (size_t i = 0; i < before.migration_count; i++)
        if (strncmp(before.migrations[i].name, "0011", 4) == 0)
            before.migration_count = i;
    db_execute(old.db, "DROP SCHEMA dues CASCADE; DROP SCHEMA migration CASCADE");
    assert_int_equal(migration_set_apply(&before, old.db->owner, nowhere, nowhere), 0);
    DAMAGE(&old,
           "INSERT INTO dues.customer (customer_id, display_name, create_time)"
           " VALUES ('%s', 'Ada', now())",
           customer);
    for (size_t i = 0; i < ARRAY_LENGTH(times); i++) {
        const char *group = db_uuid_text(f->db, db_uuid(f->db));
        DAMAGE(&old, ENTRY_BEFORE, customer, group, 2, -5, times[i]);
        DAMAGE(&old, ENTRY_BEFORE, customer, group, 1, 5, times[i]);
    }

    int result = pg_migrate(old.db->owner, nowhere, nowhere);

    assert_int_equal(result, 0);
    given_group(&old, customer, 9);
    struct found found = verify_all(&old);
    assert_string_equal(found.text, "");
    assert_int_equal(found.summary.entries, 8);
    assert_string_equal(db_text(old.db,
                                "SELECT string_agg(to_char(create_time, 'DD') || line_no, ' '"
                                " ORDER BY position) FROM dues.ledger_entry WHERE position <= 6"),
                        "011 012 021 022 031 032");
    fclose(nowhere);
    db_fixture_free(old.db);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(makes_the_hash_that_sql_makes),
        cmocka_unit_test(numbers_entries_without_gaps_and_keeps_the_head),
        cmocka_unit_test(a_refused_group_takes_no_place),
        cmocka_unit_test(posts_of_one_customer_queue_up_across_servers),
        cmocka_unit_test(a_ledger_from_before_gets_its_chain),
    };
    return cmocka_run_group_tests_name("chain", tests, ledger_setup, ledger_teardown);
}
