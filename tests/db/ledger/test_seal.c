/*
 * Checkpoints: what grew is sealed once, each checkpoint is chained and signed, whoever draws it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "db/ledger/ledger_fixture.h"

static int64_t checkpoints(struct ledger_fixture *f)
{
    return db_count(f->db, "ledger_checkpoint");
}

static int64_t sealed_until(struct ledger_fixture *f, const char *customer)
{
    return db_number(f->db, db_printf(f->db,
                                      "SELECT coalesce(max(position), 0) FROM ledger_sealed_head"
                                      " WHERE customer_id = '%s'",
                                      customer));
}

static void seals_what_is_there_and_then_what_grew(void **state)
{
    struct ledger_fixture *f = *state;
    const char *quiet = given_ledger(f, 1);
    const char *busy = given_ledger(f, 2);

    seal_all(f);
    int64_t first = checkpoints(f);
    seal_all(f);
    int64_t without_news = checkpoints(f);
    given_group(f, busy, 5);
    seal_all(f);
    struct found found = verify_all(f);

    assert_int_equal(without_news, first);
    assert_int_equal(checkpoints(f), first + 1);
    assert_int_equal(sealed_until(f, quiet), 2);
    assert_int_equal(sealed_until(f, busy), 6);
    assert_int_equal(db_count(f->db, "ledger_checkpoint WHERE signature IS NULL"), 0);
    assert_string_equal(found.text, "");
    assert_int_equal(found.summary.unsealed, 0);
    assert_int_equal(found.summary.checkpoints, first + 1);
}

static void seals_more_customers_than_one_checkpoint_takes(void **state)
{
    struct ledger_fixture *f = *state;

    db_execute(f->db,
               "INSERT INTO customer (customer_id, display_name, create_time)"
               " SELECT ('00000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid, '', now()"
               "   FROM generate_series(1, 1203) n;"
               "SELECT ledger_post(customer_id, customer_id, 'charge',"
               "   ARRAY[ROW('a', 'USD', 1), ROW('b', 'USD', -1)]::ledger_line[], now())"
               "  FROM customer WHERE customer_id < '00000000-0000-5000-8000-000000000000'");
    int64_t before = checkpoints(f);
    seal_all(f);
    struct found found = verify_all(f);

    assert_true(checkpoints(f) >= before + 3);
    assert_int_equal(db_number(f->db, "SELECT max(head_count) FROM ledger_checkpoint"), 500);
    assert_string_equal(found.text, "");
    assert_int_equal(found.summary.unsealed, 0);
}

static void two_servers_seal_everything_once(void **state)
{
    struct ledger_fixture *f = *state;
    struct ledger_sealer *others[4];
    const struct error *errors[ARRAY_LENGTH(others)];
    const char *customers[8];

    seal_all(f);
    for (size_t i = 0; i < ARRAY_LENGTH(customers); i++)
        customers[i] = given_ledger(f, 1);
    for (size_t i = 0; i < ARRAY_LENGTH(others); i++)
        others[i] = open_sealer(f);
    for (size_t i = 0; i < ARRAY_LENGTH(others); i++)
        errors[i] = db_run(f->db, run_seal, others[i]);
    for (size_t i = 0; i < ARRAY_LENGTH(others); i++) {
        assert_null(errors[i]);
        ledger_sealer_close(others[i]);
    }

    for (size_t i = 0; i < ARRAY_LENGTH(customers); i++)
        assert_int_equal(
            db_count(f->db,
                     db_printf(f->db, "ledger_sealed_head WHERE customer_id = '%s'", customers[i])),
            1);
    assert_string_equal(verify_all(f).text, "");
}

static const struct error *run_seal_of(struct call *call, void *arg)
{
    return ledger_seal(*(struct ledger_sealer **)arg, call);
}

static void servers_that_seal_at_the_same_time_take_turns(void **state)
{
    struct ledger_fixture *f = *state;
    struct ledger_sealer *others[4];
    const struct error *errors[ARRAY_LENGTH(others)];

    for (size_t i = 0; i < ARRAY_LENGTH(others); i++)
        others[i] = open_sealer(f);
    for (int round = 0; round < 5; round++) {
        given_ledger(f, 1);
        db_run_all(f->db, run_seal_of, others, sizeof others[0], ARRAY_LENGTH(others), errors);
        for (size_t i = 0; i < ARRAY_LENGTH(others); i++)
            assert_null(errors[i]);
    }
    for (size_t i = 0; i < ARRAY_LENGTH(others); i++)
        ledger_sealer_close(others[i]);

    struct found found = verify_all(f);
    assert_string_equal(found.text, "");
    assert_int_equal(found.summary.unsealed, 0);
}

static void a_checkpoint_that_nobody_signed_is_signed_later(void **state)
{
    struct ledger_fixture *f = *state;

    given_ledger(f, 1);
    seal_all(f);
    db_execute(f->db, "UPDATE ledger_checkpoint SET signature = NULL, key_id = NULL"
                      " WHERE number = (SELECT max(number) FROM ledger_checkpoint)");
    seal_all(f);

    assert_int_equal(db_count(f->db, "ledger_checkpoint WHERE signature IS NULL"), 0);
    assert_string_equal(verify_all(f).text, "");
}

static void does_not_sign_a_checkpoint_that_was_changed(void **state)
{
    struct ledger_fixture *f = *state;

    given_ledger(f, 1);
    seal_all(f);
    db_execute(f->db, "UPDATE ledger_checkpoint SET signature = NULL, head_count = head_count + 1"
                      " WHERE number = (SELECT max(number) FROM ledger_checkpoint)");
    const struct error *error = db_run(f->db, run_seal, f->sealer);

    assert_non_null(error);
    assert_int_equal(error->status, STATUS_DATA_LOSS);
    assert_int_equal(db_count(f->db, "ledger_checkpoint WHERE signature IS NULL"), 1);
    db_execute(f->db, "UPDATE ledger_checkpoint SET head_count = head_count - 1"
                      " WHERE signature IS NULL");
    seal_all(f);
}

/* A dump that was restored has the transaction ids of another cluster. */
static void walks_all_customers_after_a_restore(void **state)
{
    struct ledger_fixture *f = *state;
    const char *customer = given_ledger(f, 1);

    seal_all(f);
    db_execute(f->db, "UPDATE ledger_checkpoint SET seen_until = seen_until + 4000000000"
                      " WHERE seen_until IS NOT NULL");
    given_group(f, customer, 3);
    db_execute(f->db, "UPDATE ledger_entry SET recorded = 5");
    seal_all(f);

    assert_int_equal(sealed_until(f, customer), 4);
    given_group(f, customer, 4);
    seal_all(f);
    assert_int_equal(sealed_until(f, customer), 6);
}

static void the_server_writes_checkpoints_through_functions_only(void **state)
{
    struct ledger_fixture *f = *state;
    static const char *const attacks[] = {
        "UPDATE dues.ledger_entry SET amount = 1",
        "DELETE FROM dues.ledger_entry",
        "TRUNCATE dues.ledger_entry",
        "INSERT INTO dues.ledger_entry SELECT * FROM dues.ledger_entry",
        "UPDATE dues.customer SET ledger_count = 0",
        "DELETE FROM dues.ledger_checkpoint",
        "UPDATE dues.ledger_checkpoint SET hash = hash",
        "DELETE FROM dues.ledger_sealed_head",
        "UPDATE dues.ledger_sealed_head SET position = 1",
        "DELETE FROM dues.ledger_verification",
        "SELECT dues.ledger_extend('', 0, gen_random_uuid(), gen_random_uuid(), '', NULL, now())",
        "SELECT dues.ledger_post(gen_random_uuid(), gen_random_uuid(), 'x', NULL, now())",
    };

    for (size_t i = 0; i < ARRAY_LENGTH(attacks); i++) {
        const char *refused = db_text(
            f->db, db_printf(f->db,
                             "CREATE OR REPLACE FUNCTION pg_temp.attack() RETURNS text LANGUAGE"
                             " plpgsql AS $$ BEGIN SET LOCAL ROLE dues_service; %s; RETURN 'done';"
                             " EXCEPTION WHEN insufficient_privilege THEN RETURN 'refused'; END $$;"
                             "SELECT pg_temp.attack()",
                             strncmp(attacks[i], "SELECT", 6) == 0
                                 ? db_printf(f->db, "PERFORM %s", attacks[i] + 7)
                                 : attacks[i]));
        assert_string_equal(refused, "refused");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(seals_what_is_there_and_then_what_grew),
        cmocka_unit_test(seals_more_customers_than_one_checkpoint_takes),
        cmocka_unit_test(two_servers_seal_everything_once),
        cmocka_unit_test(servers_that_seal_at_the_same_time_take_turns),
        cmocka_unit_test(a_checkpoint_that_nobody_signed_is_signed_later),
        cmocka_unit_test(does_not_sign_a_checkpoint_that_was_changed),
        cmocka_unit_test(walks_all_customers_after_a_restore),
        cmocka_unit_test(the_server_writes_checkpoints_through_functions_only),
    };
    return cmocka_run_group_tests_name("seal", tests, ledger_setup, ledger_teardown);
}
