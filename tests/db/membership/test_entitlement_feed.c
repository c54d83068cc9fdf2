/*
 * Following what other servers change: nothing is missed whatever the order of commits, the
 * catalogue counts too, and who cannot follow soon remembers nothing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <unistd.h>

#include "membership/entitlement_cache.h"
#include "membership/entitlement_feed.h"
#include "pg/catalogue.h"
#include "support/db_fixture.h"
#include "support/entitlement_wait.h"

/* Generous: waiting ends as soon as it has happened. */
#define PATIENCE_US (60 * US_PER_SECOND)
#define STEP_US     10000

#define MINUTE (60 * US_PER_SECOND)

struct world {
    struct db_fixture *f;
    struct entitlement_cache *cache;
    struct entitlement_feed *feed;
    struct uuid customer;
    struct uuid other;
    bool is_open;
};

static const struct entitlement_facts facts = {.open_tier = "", .tier = ""};

static int group_setup(void **state)
{
    FILE *nowhere = fopen("/dev/null", "w");

    if (nowhere == NULL || db_setup(state) != 0)
        return -1;
    struct db_fixture *f = *state;
    int failed = pg_put_catalogue(f->owner, sandbox_catalogue_sql, nowhere, stderr);
    fclose(nowhere);
    /* The fixture's second connection of the service plays another server. */
    db_execute(f, "GRANT EXECUTE ON FUNCTION dues.entitlement_changed(uuid) TO dues_service");
    db_execute(f, "ALTER FUNCTION dues.entitlement_changed(uuid) SECURITY DEFINER");
    return failed;
}

static struct world open_world(struct db_fixture *f)
{
    struct world world = {
        .f = f,
        .cache = entitlement_cache_open(f->house.clock, 100),
        .customer = db_given_customer(f, UUID_NIL),
        .other = db_given_customer(f, UUID_NIL),
    };

    f->house.entitlements = world.cache;
    world.feed = entitlement_feed_open(&f->house);
    world.is_open = entitlements_followed(world.cache, f->house.clock);
    return world;
}

static void close_world(struct world *world)
{
    bool was_open = world->is_open;

    entitlement_feed_close(world->feed);
    world->f->house.entitlements = NULL;
    entitlement_cache_close(world->cache);
    assert_true(was_open);
}

static void learn(struct world *world, struct uuid customer)
{
    entitlement_cache_put(world->cache, entitlement_cache_ticket(world->cache, customer), customer,
                          "a", &facts);
}

static bool knows(struct world *world, struct uuid customer, int64_t staleness_us)
{
    struct entitlement_facts found;

    return entitlement_cache_find(world->cache, customer, "a", staleness_us, world->f->arena,
                                  &found);
}

static bool becomes(struct world *world, struct uuid customer, int64_t staleness_us, bool known)
{
    for (int64_t i = 0; i < PATIENCE_US / STEP_US; i++) {
        if (knows(world, customer, staleness_us) == known)
            return true;
        usleep(STEP_US);
    }
    return false;
}

static const char *change_of(struct world *world, struct uuid customer)
{
    return db_printf(world->f, "SELECT dues.entitlement_changed('%s')",
                     db_uuid_text(world->f, customer));
}

static const struct pg_statement change = {
    .name = "test_entitlement_changed",
    .sql = "SELECT entitlement_changed($1)",
};

static const struct error *record_change(struct call *call, void *arg)
{
    const struct uuid *customer = arg;
    struct pg_rows rows;

    return pg_write(call, *customer, &change, PG_PARAMS(pg_uuid(*customer)), &rows);
}

static void what_another_server_records_is_forgotten_here(void **state)
{
    struct world world = open_world(*state);
    learn(&world, world.customer);
    learn(&world, world.other);

    db_execute(world.f, change_of(&world, world.customer));

    bool forgotten = becomes(&world, world.customer, MINUTE, false);
    bool other_kept = knows(&world, world.other, MINUTE);
    close_world(&world);
    assert_true(forgotten);
    assert_true(other_kept);
}

static void a_fact_grows_no_older_while_nothing_changes(void **state)
{
    struct world world = open_world(*state);
    learn(&world, world.customer);

    usleep(1500000);

    bool known = becomes(&world, world.customer, US_PER_SECOND, true);
    close_world(&world);
    assert_true(known);
}

/* Its id is older than that of the change that is seen first. */
static void a_change_that_commits_after_newer_ones_is_not_missed(void **state)
{
    struct world world = open_world(*state);
    learn(&world, world.customer);
    learn(&world, world.other);

    db_execute(world.f, "BEGIN");
    db_execute(world.f, change_of(&world, world.customer));
    const struct error *error = db_run(world.f, record_change, &world.other);
    bool newer_seen = becomes(&world, world.other, MINUTE, false);
    /* Some polls go by, and the old transaction is still open. */
    learn(&world, world.other);
    usleep(3 * ENTITLEMENT_POLL_US);
    bool newer_told_once = knows(&world, world.other, MINUTE);
    bool older_not_before_its_time = knows(&world, world.customer, MINUTE);
    db_execute(world.f, "COMMIT");
    bool older_seen = becomes(&world, world.customer, MINUTE, false);

    close_world(&world);
    assert_null(error);
    assert_true(newer_seen);
    assert_true(newer_told_once);
    assert_true(older_not_before_its_time);
    assert_true(older_seen);
}

static void a_change_that_is_rolled_back_is_none(void **state)
{
    struct world world = open_world(*state);
    learn(&world, world.customer);

    db_execute(world.f, "BEGIN");
    db_execute(world.f, change_of(&world, world.customer));
    db_execute(world.f, "ROLLBACK");
    db_execute(world.f, change_of(&world, world.other));
    learn(&world, world.other);
    bool later_seen = becomes(&world, world.other, MINUTE, false);

    bool kept = knows(&world, world.customer, MINUTE);
    close_world(&world);
    assert_true(later_seen);
    assert_true(kept);
}

static void changes_of_the_catalogue_make_everything_void(void **state)
{
    static const char *const changes[] = {
        "UPDATE dues.tier SET open_to_all = NOT open_to_all WHERE tier_id = 'premium'",
        "DELETE FROM dues.tier_entitlement WHERE tier_id = 'premium' AND entitlement = 'video.hd'",
        "INSERT INTO dues.tier_entitlement VALUES ('premium', 'video.hd')",
        "INSERT INTO dues.tier VALUES ('gold', 'Gold', 9, false)",
    };
    struct world world = open_world(*state);
    bool forgotten[ARRAY_LENGTH(changes)];

    for (size_t i = 0; i < ARRAY_LENGTH(changes); i++) {
        learn(&world, world.customer);
        db_execute(world.f, changes[i]);
        forgotten[i] = becomes(&world, world.customer, MINUTE, false);
    }

    close_world(&world);
    for (size_t i = 0; i < ARRAY_LENGTH(changes); i++)
        assert_true(forgotten[i]);
}

static void who_is_cut_off_does_not_know_for_long_and_begins_anew(void **state)
{
    struct db_fixture *f = *state;
    struct world world = open_world(f);
    learn(&world, world.customer);

    db_execute(f, db_printf(f, "ALTER DATABASE \"%s\" CONNECTION LIMIT 0", f->database));
    db_execute(f, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                  " WHERE usename = 'dues_service' AND datname = current_database()");
    bool old_soon = becomes(&world, world.customer, US_PER_SECOND, false);
    /* Longer than that it is known only to who takes it. */
    db_execute(f, db_printf(f, "ALTER DATABASE \"%s\" CONNECTION LIMIT -1", f->database));
    /* Followed again, but over a younger connection: what happened before it is in doubt. */
    bool in_doubt = becomes(&world, world.customer, MINUTE, false);
    learn(&world, world.customer);
    usleep(1500000);
    bool follows_again = becomes(&world, world.customer, US_PER_SECOND, true);

    close_world(&world);
    assert_true(old_soon);
    assert_true(in_doubt);
    assert_true(follows_again);
}

static void rows_that_everybody_has_seen_can_go(void **state)
{
    struct db_fixture *f = *state;
    struct world world = {.f = f};
    db_execute(f, change_of(&world, db_given_customer(f, UUID_NIL)));
    /* Other programs' transactions in the same cluster hold the mark back. */
    for (int i = 0;
         i < 600 && db_number(f, "SELECT count(*) FROM dues.entitlement_change WHERE"
                                 " recorded >= pg_snapshot_xmin(pg_current_snapshot())") > 0;
         i++)
        usleep(50000);
    const char *mark = db_text(f, "SELECT pg_snapshot_xmin(pg_current_snapshot())::text");
    db_execute(f, change_of(&world, db_given_customer(f, UUID_NIL)));

    db_execute(f, db_printf(f, "SELECT dues.entitlement_change_forget('%s')", mark));

    assert_int_equal(db_count(f, "dues.entitlement_change"), 1);
}

/* A second is what the contract says: the poll, and time for two slow reads. */
static void the_feed_is_asked_often_enough(void **state)
{
    (void)state;
    assert_true(ENTITLEMENT_POLL_US <= US_PER_SECOND / 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_another_server_records_is_forgotten_here),
        cmocka_unit_test(a_fact_grows_no_older_while_nothing_changes),
        cmocka_unit_test(a_change_that_commits_after_newer_ones_is_not_missed),
        cmocka_unit_test(a_change_that_is_rolled_back_is_none),
        cmocka_unit_test(changes_of_the_catalogue_make_everything_void),
        cmocka_unit_test(who_is_cut_off_does_not_know_for_long_and_begins_anew),
        cmocka_unit_test(rows_that_everybody_has_seen_can_go),
        cmocka_unit_test(the_feed_is_asked_often_enough),
    };
    return cmocka_run_group_tests_name("the feed of entitlements", tests, group_setup, db_teardown);
}
