/*
 * The vault on a database: keys made and found again, moves between rows, rotation from wherever it
 * stopped, and values from before there were data keys.
 */
#include "db/vault/vault_fixture.h"

static void seals_with_a_key_of_the_customer(void **state)
{
    struct db_fixture *f = *state;
    struct kept one = given_token(f);
    struct kept other = given_token(f);

    ASSERT_OPENS(f, &one);
    ASSERT_OPENS(f, &other);
    assert_memory_not_equal((const uint8_t *)one.sealed.data + 1,
                            (const uint8_t *)other.sealed.data + 1, KEY_ID_SIZE);
    assert_true(reopen(f));
    ASSERT_OPENS(f, &one);
}

static void opens_with_the_key_that_the_row_brought_along(void **state)
{
    struct db_fixture *f = *state;
    struct kept kept = given_token(f);
    kept.wrapped = stored(f, db_printf(f,
                                       "SELECT encode(wrapped_key, 'hex') FROM customer_data_key"
                                       " WHERE customer_id = '%s'",
                                       db_uuid_text(f, kept.customer)));
    assert_true(reopen(f));
    /* Asking for it would not find it. */
    db_execute(f, "ALTER TABLE customer_data_key RENAME TO hidden");

    const struct error *error = db_run(f, open_token, &kept);

    db_execute(f, "ALTER TABLE hidden RENAME TO customer_data_key");
    assert_null(error);
    assert_string_equal(kept.opened, TOKEN);
}

static void does_not_open_for_another_customer_or_row(void **state)
{
    struct db_fixture *f = *state;
    struct kept kept = given_token(f);
    struct kept other = given_token(f);
    struct kept moved = kept;

    moved.method = other.method;
    assert_non_null(db_run(f, open_token, &moved));
    moved = kept;
    moved.customer = other.customer;
    assert_non_null(db_run(f, open_token, &moved));
    ASSERT_OPENS(f, &kept);
}

/* The data key itself, moved to another customer. */
static void does_not_take_the_data_key_of_another(void **state)
{
    struct db_fixture *f = *state;
    struct kept kept = given_token(f);
    struct kept other = given_token(f);
    db_execute(f, db_printf(f,
                            "UPDATE customer_data_key SET wrapped_key = (SELECT wrapped_key"
                            " FROM customer_data_key WHERE customer_id = '%s')"
                            " WHERE customer_id = '%s'",
                            db_uuid_text(f, kept.customer), db_uuid_text(f, other.customer)));
    assert_true(reopen(f));

    const struct error *error = db_run(f, open_token, &other);

    assert_int_equal(error->status, STATUS_INTERNAL);
    ASSERT_OPENS(f, &kept);
    db_execute(f, db_printf(f, "DELETE FROM payment_method WHERE customer_id = '%s'",
                            db_uuid_text(f, other.customer)));
    db_execute(f, db_printf(f, "DELETE FROM customer_data_key WHERE customer_id = '%s'",
                            db_uuid_text(f, other.customer)));
}

static void many_calls_make_one_key(void **state)
{
    struct db_fixture *f = *state;
    struct uuid customer = db_given_customer(f, UUID_NIL);
    struct kept kept[8];
    const struct error *errors[8];
    for (size_t i = 0; i < 8; i++)
        kept[i] = (struct kept){.customer = customer, .method = db_uuid(f)};

    db_run_all(f, seal_token, kept, sizeof(kept[0]), 8, errors);

    assert_true(reopen(f));
    for (size_t i = 0; i < 8; i++) {
        assert_null(errors[i]);
        ASSERT_OPENS(f, &kept[i]);
    }
}

static void opens_what_was_sealed_before_there_were_data_keys(void **state)
{
    struct db_fixture *f = *state;
    struct kept old = given_old_token(f);

    ASSERT_OPENS(f, &old);
}

static void rotation_leaves_nothing_on_the_old_key(void **state)
{
    struct db_fixture *f = *state;
    struct kept kept = given_token(f);
    struct kept old = given_old_token(f);
    const char *before = db_text(f, "SELECT key_id::text FROM key_encryption_key"
                                    " WHERE retire_time IS NULL");

    assert_true(rotated(f));

    assert_int_equal(db_count(f, db_printf(f, "customer_data_key WHERE kek_id = '%s'", before)), 0);
    assert_int_equal(db_count(f, db_printf(f, "house_data_key WHERE kek_id = '%s'", before)), 0);
    assert_int_equal(db_count(f, "payment_method WHERE substring(token_sealed FROM 1 FOR 1)"
                                 " <> '\\x02'"),
                     0);
    assert_int_equal(db_count(f, "key_encryption_key WHERE bridge IS NOT NULL"), 0);
    ASSERT_OPENS(f, &kept);
    load(f, &old);
    ASSERT_OPENS(f, &old);
    assert_true(reopen(f));
    ASSERT_OPENS(f, &kept);
    ASSERT_OPENS(f, &old);
}

/* The old key is worth nothing any more: a source without it does. */
static void what_was_rotated_needs_the_new_key_alone(void **state)
{
    struct db_fixture *f = *state;
    struct kept kept = given_token(f);
    char problem[256];
    assert_true(rotated(f));

    assert_true(key_source_keep_first(source(), problem));

    assert_true(reopen(f));
    ASSERT_OPENS(f, &kept);
}

/* Killed after each step of a rotation, a server starts and the next run finishes it. */
static void goes_on_with_a_rotation_that_was_killed(void **state)
{
    struct db_fixture *f = *state;
    struct kept kept = given_token(f);
    char problem[256];

    /* Killed after the source was written. */
    assert_true(key_source_put_new(source(), f->house.random, problem));
    assert_true(reopen(f));
    ASSERT_OPENS(f, &kept);
    int64_t generations = db_count(f, "key_encryption_key");
    assert_true(rotated(f));
    assert_int_equal(db_count(f, "key_encryption_key"), generations + 1);

    /* Killed before the rows: these are put back under the key before. */
    db_execute(f, "CREATE TABLE kept AS SELECT * FROM customer_data_key");
    assert_true(rotated(f));
    db_execute(f, "UPDATE customer_data_key d SET wrapped_key = k.wrapped_key FROM kept k"
                  " WHERE k.customer_id = d.customer_id");
    db_execute(f, "DROP TABLE kept");
    assert_true(reopen(f));
    ASSERT_OPENS(f, &kept);
    generations = db_count(f, "key_encryption_key");
    assert_true(rotated(f));
    assert_int_equal(db_count(f, "key_encryption_key"), generations);
    assert_non_null(strstr(said, "going on"));
    assert_int_equal(db_count(f, "customer_data_key d JOIN key_encryption_key k"
                                 " ON k.key_id = d.kek_id WHERE k.retire_time IS NOT NULL"),
                     0);
    ASSERT_OPENS(f, &kept);
}

#define MANY        1100
#define AT_ONE_TIME 50

/* More than two batches, while other calls make keys and use them. */
static void a_rotation_goes_through_many_customers(void **state)
{
    struct db_fixture *f = *state;
    struct kept *kept = arena_array(f->arena, MANY, sizeof(*kept));
    const struct error *errors[AT_ONE_TIME];
    for (size_t i = 0; i < MANY; i++)
        kept[i] = (struct kept){.customer = db_uuid(f), .method = db_uuid(f)};
    for (size_t i = 0; i < MANY; i += AT_ONE_TIME) {
        db_run_all(f, seal_token, &kept[i], sizeof(*kept), AT_ONE_TIME, errors);
        for (size_t k = 0; k < AT_ONE_TIME; k++)
            assert_null(errors[k]);
    }

    assert_true(rotated(f));

    assert_int_equal(db_count(f, "customer_data_key d JOIN key_encryption_key k"
                                 " ON k.key_id = d.kek_id WHERE k.retire_time IS NOT NULL"),
                     0);
    assert_true(db_count(f, "customer_data_key") >= MANY);
    assert_true(reopen(f));
    for (size_t i = 0; i < MANY; i += 100)
        ASSERT_OPENS(f, &kept[i]);
}

/* A server whose source has only the key before goes on over the bridge. */
static void a_running_server_takes_up_the_new_key(void **state)
{
    struct db_fixture *f = *state;
    struct kept kept = given_token(f);
    char other_path[80];
    char problem[256];
    snprintf(other_path, sizeof(other_path), "%s.other", path);
    assert_int_equal(rename(path, other_path), 0);
    given_source(ONE);
    /* Both hosts begin with what is in use. */
    FILE *from = fopen(other_path, "r");
    FILE *to = fopen(path, "w");
    for (int c = fgetc(from); c != EOF; c = fgetc(from))
        fputc(c, to);
    fclose(from);
    fclose(to);
    struct vault *elsewhere =
        vault_open(&f->house, (struct key_source){.text = other_path}, problem);
    assert_non_null(elsewhere);
    vault_start(elsewhere);

    assert_true(rotated_within(f, VAULT_BRIDGE_US));

    struct vault *own = f->house.vault;
    f->house.vault = elsewhere;
    ASSERT_OPENS(f, &kept);
    struct kept made = given_token(f);
    f->house.vault = own;
    vault_close(elsewhere);
    unlink(other_path);
    ASSERT_OPENS(f, &made);
    assert_int_equal(db_count(f, "customer_data_key d JOIN key_encryption_key k"
                                 " ON k.key_id = d.kek_id WHERE k.retire_time IS NOT NULL"),
                     0);
}

static void does_not_open_with_a_key_that_was_never_in_use(void **state)
{
    struct db_fixture *f = *state;
    char problem[256] = "";
    char kept_path[80];
    snprintf(kept_path, sizeof(kept_path), "%s.kept", path);
    assert_int_equal(rename(path, kept_path), 0);
    given_source(TWO);

    struct vault *vault = vault_open(&f->house, source(), problem);

    assert_int_equal(rename(kept_path, path), 0);
    assert_null(vault);
    assert_non_null(strstr(problem, "the master key is not the one in use"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(seals_with_a_key_of_the_customer),
        cmocka_unit_test(opens_with_the_key_that_the_row_brought_along),
        cmocka_unit_test(does_not_open_for_another_customer_or_row),
        cmocka_unit_test(does_not_take_the_data_key_of_another),
        cmocka_unit_test(many_calls_make_one_key),
        cmocka_unit_test(opens_what_was_sealed_before_there_were_data_keys),
        cmocka_unit_test(rotation_leaves_nothing_on_the_old_key),
        cmocka_unit_test(what_was_rotated_needs_the_new_key_alone),
        cmocka_unit_test(goes_on_with_a_rotation_that_was_killed),
        cmocka_unit_test(a_rotation_goes_through_many_customers),
        cmocka_unit_test(a_running_server_takes_up_the_new_key),
        cmocka_unit_test(does_not_open_with_a_key_that_was_never_in_use),
    };
    return cmocka_run_group_tests_name("vault", tests, setup, teardown);
}
