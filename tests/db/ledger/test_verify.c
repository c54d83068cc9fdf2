/*
 * Verification: whoever owns the database can damage the ledger in many ways, and each is seen, at
 * the row where it was done, and nowhere else.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "db/ledger/ledger_fixture.h"

static void a_whole_ledger_has_no_findings(void **state)
{
    struct ledger_fixture *f = *state;
    const char *busy = given_ledger(f, 1);

    /* More than a page of entries of one customer, and more customers than one look takes. */
    DAMAGE(f,
           "SELECT ledger_post('%s', gen_random_uuid(), 'charge',"
           " ARRAY[ROW('a', 'USD', n), ROW('b', 'USD', -n)]::ledger_line[], now())"
           " FROM generate_series(1, 1300) n",
           busy);
    for (int i = 0; i < 450; i++)
        given_ledger(f, i % 3);
    seal_all(f);
    given_group(f, busy, 3);

    struct found found = verify_all(f);

    assert_string_equal(found.messages, "");
    assert_int_equal(found.summary.entries, 2 + 2600 + 450 * 2 + 2);
    assert_int_equal(found.summary.customers, 301);
    assert_int_equal(found.summary.unsealed, 2);
}

static void sees_an_edited_amount(void **state)
{
    struct ledger_fixture *f = *state;
    const char *customer = given_ledger(f, 3);

    DAMAGE(f, "UPDATE ledger_entry SET amount = 1 WHERE customer_id = '%s' AND position = 3",
           customer);
    struct found found = verify_of(f, customer);

    assert_string_equal(found.text, " entry_changed@3");
    assert_non_null(strstr(found.messages, db_printf(f->db, "customers/%s entry 3", customer)));
}

static void sees_an_edit_of_any_column(void **state)
{
    struct ledger_fixture *f = *state;
    static const char *const edits[] = {
        "account = 'fees'",
        "kind = 'fee'",
        "currency = 'EUR'",
        "line_no = 9",
        "amount = amount * 10",
        "create_time = create_time + interval '1 microsecond'",
        "group_id = '00000000-0000-4000-8000-000000000000'",
        "hash = decode(repeat('11', 32), 'hex')",
    };

    for (size_t i = 0; i < ARRAY_LENGTH(edits); i++) {
        const char *customer = given_ledger(f, 3);
        DAMAGE(f, "UPDATE ledger_entry SET %s WHERE customer_id = '%s' AND position = 4", edits[i],
               customer);
        assert_string_equal(verify_of(f, customer).text, " entry_changed@4");
    }
}

static void sees_deleted_entries(void **state)
{
    struct ledger_fixture *f = *state;
    const char *one = given_ledger(f, 3);
    const char *several = given_ledger(f, 3);
    const char *first = given_ledger(f, 3);

    DAMAGE(f, "DELETE FROM ledger_entry WHERE customer_id = '%s' AND position = 3", one);
    DAMAGE(f, "DELETE FROM ledger_entry WHERE customer_id = '%s' AND position IN (3, 4)", several);
    DAMAGE(f, "DELETE FROM ledger_entry WHERE customer_id = '%s' AND position = 1", first);
    struct found found = verify_of(f, several);

    assert_string_equal(verify_of(f, one).text, " entries_missing@3");
    assert_string_equal(verify_of(f, first).text, " entries_missing@1");
    assert_string_equal(found.text, " entries_missing@3");
    assert_non_null(strstr(found.messages, "entries 3 to 4: they are missing"));
}

static void sees_swapped_entries(void **state)
{
    struct ledger_fixture *f = *state;
    const char *customer = given_ledger(f, 3);

    DAMAGE(f,
           "UPDATE ledger_entry SET position = -1 WHERE customer_id = '%s' AND position = 3;"
           "UPDATE ledger_entry SET position = 3 WHERE customer_id = '%s' AND position = 5;"
           "UPDATE ledger_entry SET position = 5 WHERE customer_id = '%s' AND position = -1",
           customer, customer, customer);

    assert_non_null(strstr(verify_of(f, customer).text, " entry_changed@3"));
    assert_non_null(strstr(verify_of(f, customer).text, " entry_changed@5"));
}

static void sees_a_chain_that_was_cut_off(void **state)
{
    struct ledger_fixture *f = *state;
    const char *customer = given_ledger(f, 3);

    DAMAGE(f, "DELETE FROM ledger_entry WHERE customer_id = '%s' AND position > 4", customer);
    struct found found = verify_of(f, customer);

    assert_string_equal(found.text, " entries_missing@5");
    assert_non_null(strstr(found.messages, "entries 5 to 6: they are missing at the end"));
}

static void sees_a_chain_that_was_cut_off_with_its_head(void **state)
{
    struct ledger_fixture *f = *state;
    const char *customer = given_ledger(f, 3);

    seal_all(f);
    DAMAGE(f,
           "DELETE FROM ledger_entry WHERE customer_id = '%s' AND position > 4;"
           "SELECT test_rechain('%s')",
           customer, customer);
    struct found found = verify_of(f, customer);

    assert_string_equal(found.text, " entries_missing@5");
    assert_non_null(strstr(found.messages, "and checkpoint "));
}

static void sees_a_chain_that_was_cut_off_with_head_and_seal(void **state)
{
    struct ledger_fixture *f = *state;
    const char *customer = given_ledger(f, 3);

    seal_all(f);
    DAMAGE(f,
           "DELETE FROM ledger_entry WHERE customer_id = '%s' AND position > 4;"
           "SELECT test_rechain('%s');"
           "CREATE TABLE kept AS SELECT * FROM ledger_sealed_head WHERE customer_id = '%s';"
           "DELETE FROM ledger_sealed_head WHERE customer_id = '%s'",
           customer, customer, customer, customer);
    struct found chain = verify_of(f, customer);
    struct found seals = verify_of(f, NULL);
    db_execute(f->db, "INSERT INTO ledger_sealed_head SELECT * FROM kept; DROP TABLE kept");

    assert_string_equal(chain.text, "");
    assert_string_equal(seals.text, db_printf(f->db, " checkpoint_changed#%lld",
                                              (long long)seals.summary.checkpoints));
}

static void sees_a_chain_that_was_written_anew(void **state)
{
    struct ledger_fixture *f = *state;
    const char *customer = given_ledger(f, 2);

    seal_all(f);
    given_group(f, customer, 50);
    seal_all(f);
    given_group(f, customer, 60);
    DAMAGE(f,
           "UPDATE ledger_entry SET amount = amount * 2 WHERE customer_id = '%s'"
           "   AND position IN (5, 6);"
           "SELECT test_rechain('%s')",
           customer, customer);
    struct found found = verify_of(f, customer);

    assert_string_equal(found.text, " head_rewritten@6");
    assert_non_null(strstr(found.messages, "one of the entries from 5 to here was rewritten"));
}

static void sees_lines_that_do_not_sum_to_zero(void **state)
{
    struct ledger_fixture *f = *state;
    const char *customer = given_ledger(f, 3);

    DAMAGE(f,
           "UPDATE ledger_entry SET amount = amount + 1 WHERE customer_id = '%s' AND position = 3;"
           "SELECT test_rechain('%s')",
           customer, customer);

    assert_string_equal(verify_of(f, customer).text, " group_unbalanced@4");
}

static void sees_entries_behind_the_head_and_a_head_that_is_another(void **state)
{
    struct ledger_fixture *f = *state;
    const char *behind = given_ledger(f, 3);
    const char *another = given_ledger(f, 3);

    DAMAGE(f, "UPDATE customer SET ledger_count = 4 WHERE customer_id = '%s'", behind);
    DAMAGE(f,
           "UPDATE customer SET ledger_tail = decode(repeat('11', 32), 'hex')"
           " WHERE customer_id = '%s'",
           another);

    assert_string_equal(verify_of(f, behind).text, " entries_beyond@5");
    assert_string_equal(verify_of(f, another).text, " head_changed@0");
}

static void sees_a_customer_who_was_taken_away(void **state)
{
    struct ledger_fixture *f = *state;
    const char *with_entries = given_ledger(f, 1);
    const char *with_seal = given_ledger(f, 1);

    seal_all(f);
    DAMAGE(f, "DELETE FROM customer WHERE customer_id IN ('%s', '%s')", with_entries, with_seal);
    DAMAGE(f, "DELETE FROM ledger_entry WHERE customer_id = '%s'", with_seal);

    assert_string_equal(verify_of(f, with_entries).text, " entries_stray@1");
    assert_string_equal(verify_of(f, with_seal).text, " entries_stray@1 entries_missing@1");
}

/* The walk begins there, and no customer can be it. */
static void sees_entries_of_the_nil_customer(void **state)
{
    struct ledger_fixture *f = *state;
    static const char nil[] = "00000000-0000-0000-0000-000000000000";
    const char *robbed = given_ledger(f, 1);

    DAMAGE(f, "UPDATE ledger_entry SET customer_id = '%s' WHERE customer_id = '%s'", nil, robbed);

    struct found found = verify_of(f, nil);
    DAMAGE(f, "UPDATE ledger_entry SET customer_id = '%s' WHERE customer_id = '%s'", robbed, nil);

    assert_string_equal(found.text, " entry_changed@1 entry_changed@2 entries_stray@1");
    assert_string_equal(verify_of(f, nil).text, "");
}

static void the_house_has_a_chain_like_anybody(void **state)
{
    struct ledger_fixture *f = *state;
    const char *house = db_text(f->db, "SELECT house_customer()::text");

    db_execute(f->db, "SELECT dues.house_customer_ensure(dues.house_customer(), now())");
    given_group(f, house, 100);
    given_group(f, house, 200);
    seal_all(f);
    assert_string_equal(verify_of(f, house).text, "");
    assert_int_equal(db_number(f->db, "SELECT max(position) FROM ledger_sealed_head"
                                      " WHERE customer_id = house_customer()"),
                     4);

    DAMAGE(f,
           "UPDATE ledger_entry SET amount = amount + 1 WHERE customer_id = '%s' AND position = 3",
           house);

    assert_string_equal(verify_of(f, house).text, " entry_changed@3");

    DAMAGE(f, "DELETE FROM ledger_entry WHERE customer_id = '%s'", house);

    assert_string_equal(verify_of(f, house).text, " entries_missing@1");
}

static int64_t newest(struct ledger_fixture *f)
{
    return db_number(f->db, "SELECT max(number) FROM ledger_checkpoint");
}

/* What damages checkpoints is undone, so that the next test finds them whole. */
static const char *found_after(struct ledger_fixture *f, const char *sql)
{
    static struct found found;

    db_execute(f->db, "CREATE TABLE kept AS SELECT * FROM ledger_checkpoint");
    db_execute(f->db, sql);
    found = verify_of(f, NULL);
    db_execute(f->db, "DELETE FROM ledger_checkpoint; INSERT INTO ledger_checkpoint"
                      " SELECT * FROM kept; DROP TABLE kept");
    return found.text;
}

static void sees_damaged_checkpoints(void **state)
{
    struct ledger_fixture *f = *state;

    for (int i = 0; i < 3; i++) {
        given_ledger(f, 1);
        seal_all(f);
    }
    long long last = (long long)newest(f);
    const char *changed = db_printf(f->db, " checkpoint_changed#%lld", last - 1);

    assert_string_equal(verify_of(f, NULL).text, "");
    assert_string_equal(
        found_after(
            f, db_printf(f->db, "DELETE FROM ledger_checkpoint WHERE number = %lld", last - 1)),
        db_printf(f->db, " checkpoint_missing#%lld", last - 1));
    assert_string_equal(
        found_after(f, db_printf(f->db,
                                 "UPDATE ledger_checkpoint SET draw_time = draw_time - interval"
                                 " '1 hour' WHERE number = %lld",
                                 last - 1)),
        changed);
    /* One that fits itself again, but nobody has signed that. */
    assert_string_equal(
        found_after(f, db_printf(f->db,
                                 "UPDATE ledger_checkpoint SET draw_time = draw_time - interval"
                                 " '1 hour' WHERE number = %lld;"
                                 "UPDATE ledger_checkpoint SET hash = sha256(previous_hash ||"
                                 " int8send(number) || timestamptz_send(draw_time) ||"
                                 " int8send(head_count) || heads_hash) WHERE number = %lld",
                                 last, last)),
        db_printf(f->db, " signature_wrong#%lld", last));
    assert_string_equal(
        found_after(f, db_printf(f->db,
                                 "UPDATE ledger_checkpoint SET signature = NULL, draw_time ="
                                 " draw_time - interval '2 hours' WHERE number = %lld;"
                                 "UPDATE ledger_checkpoint SET hash = sha256(previous_hash ||"
                                 " int8send(number) || timestamptz_send(draw_time) ||"
                                 " int8send(head_count) || heads_hash) WHERE number = %lld",
                                 last, last)),
        db_printf(f->db, " signature_wrong#%lld", last));
}

static void believes_no_key_that_is_not_ours(void **state)
{
    struct ledger_fixture *f = *state;
    AUTO(ec_key_auto_free) struct ec_key *other = ec_key_make();
    const struct ledger_key key = {.key_id = f->key_id, .key = other};
    struct found found = {0};

    given_ledger(f, 1);
    seal_all(f);
    verify_with(f, (struct ledger_verify_options){.keys = &key, .key_count = 1}, &found);

    assert_non_null(strstr(found.text, " signature_wrong#1"));
}

static void sees_that_the_newest_checkpoint_was_taken_away(void **state)
{
    struct ledger_fixture *f = *state;
    const char *customer = given_ledger(f, 1);

    seal_all(f);
    struct found before = verify_of(f, customer);
    struct ledger_verify_options options = {.kept_number = before.summary.checkpoints};
    memcpy(options.kept_hash, before.summary.newest_hash, SHA256_SIZE);
    struct found there = {0};
    verify_with(f, options, &there);

    DAMAGE(f, "DELETE FROM ledger_checkpoint WHERE number = %lld", (long long)newest(f));
    struct found sealed = verify_of(f, customer);
    DAMAGE(f, "DELETE FROM ledger_sealed_head WHERE customer_id = '%s'", customer);
    struct found without = verify_of(f, NULL);
    struct found kept = {0};
    verify_with(f, options, &kept);

    assert_string_equal(there.text, "");
    assert_string_equal(sealed.text, " checkpoint_missing@2");
    assert_string_equal(without.text, "");
    assert_string_equal(kept.text,
                        db_printf(f->db, " checkpoint_lost#%lld", (long long)options.kept_number));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_whole_ledger_has_no_findings),
        cmocka_unit_test(sees_an_edited_amount),
        cmocka_unit_test(sees_an_edit_of_any_column),
        cmocka_unit_test(sees_deleted_entries),
        cmocka_unit_test(sees_swapped_entries),
        cmocka_unit_test(sees_a_chain_that_was_cut_off),
        cmocka_unit_test(sees_a_chain_that_was_cut_off_with_its_head),
        cmocka_unit_test(sees_a_chain_that_was_cut_off_with_head_and_seal),
        cmocka_unit_test(sees_a_chain_that_was_written_anew),
        cmocka_unit_test(sees_lines_that_do_not_sum_to_zero),
        cmocka_unit_test(sees_entries_behind_the_head_and_a_head_that_is_another),
        cmocka_unit_test(sees_a_customer_who_was_taken_away),
        cmocka_unit_test(sees_entries_of_the_nil_customer),
        cmocka_unit_test(the_house_has_a_chain_like_anybody),
        cmocka_unit_test(sees_damaged_checkpoints),
        cmocka_unit_test(believes_no_key_that_is_not_ours),
        cmocka_unit_test(sees_that_the_newest_checkpoint_was_taken_away),
    };
    return cmocka_run_group_tests_name("verify", tests, ledger_setup, ledger_teardown);
}
