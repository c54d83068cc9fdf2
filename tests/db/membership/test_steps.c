/*
 * The recorded steps of a membership, called as a lost COMMIT makes the lanes call them: the same
 * step again changes nothing and answers the same; a step on a version or lease that is no longer
 * there is refused and writes nothing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <unistd.h>

#include "base/time.h"
#include "membership/membership_store.h"
#include "pg/catalogue.h"
#include "support/db_fixture.h"
#include "support/patience.h"

struct world {
    struct db_fixture *f;
    const char *customer;
    const char *method;
    const char *membership;
    const char *invoice;
    const char *payment;
    const char *attempt;
};

static const char *new_id(struct db_fixture *f)
{
    return db_uuid_text(f, db_uuid(f));
}

static int setup(void **state)
{
    FILE *nowhere = fopen("/dev/null", "w");

    if (nowhere == NULL || db_setup(state) != 0)
        return -1;
    struct db_fixture *f = *state;
    int failed = pg_put_catalogue(f->owner, sandbox_catalogue_sql, nowhere, stderr);
    fclose(nowhere);
    return failed;
}

static struct world given_world(struct db_fixture *f)
{
    struct world world = {
        .f = f,
        .customer = db_uuid_text(f, db_given_customer(f, UUID_NIL)),
        .method = new_id(f),
        .membership = new_id(f),
        .invoice = new_id(f),
        .payment = new_id(f),
        .attempt = new_id(f),
    };
    db_execute(f, db_printf(f,
                            "INSERT INTO dues.payment_method (customer_id, payment_method_id,"
                            " gateway, token_sealed, brand, last4, exp_month, exp_year, state,"
                            " create_time) VALUES ('%s', '%s', 'sandbox', '', 'visa', '4242', 1,"
                            " 2030, 'ACTIVE', now())",
                            world.customer, world.method));
    return world;
}

/* ROW(…)::dues.membership_change; the period is January 2026. */
static const char *change(const struct world *world, int version, const char *state,
                          const char *change_id, bool is_pending)
{
    return db_printf(world->f,
                     "ROW('%s', %d, '%s', '%s', '%s', '2026-01-01Z', 0, '2026-01-01Z',"
                     " '2026-02-01Z', NULL, NULL, false, NULL, NULL, 0, %s, '%s', NULL, NULL,"
                     " 'membership.renewed')::dues.membership_change",
                     world->membership, version, change_id, state, world->method,
                     is_pending ? db_printf(world->f, "'%s'", world->payment) : "NULL",
                     world->invoice);
}

static const char *key(const struct world *world, const char *request_id)
{
    return db_printf(world->f,
                     "ROW('caller', 'method', '%s', decode(repeat('00', 32), 'hex'))"
                     "::dues.request_key",
                     request_id);
}

static const char *invoice(const struct world *world, const char *due)
{
    return db_printf(world->f,
                     "ROW('%s', '%s', '%s', '2026-03-01Z', 'USD', 999, 'Premium')"
                     "::dues.invoice_intent",
                     world->invoice, due, due);
}

static const char *charge(const struct world *world)
{
    return db_printf(world->f,
                     "ROW('%s', '%s', '%s', '%s', 'USD', 999, 'Premium', 'sandbox',"
                     " 'k-%s', false, 60000, false)::dues.charge_intent",
                     world->payment, world->attempt, world->method, world->invoice,
                     db_printf(world->f, "%.30s", world->attempt));
}

static const char *owed(const struct world *world, const char *kind, const char *business_key)
{
    return db_printf(world->f,
                     "ROW('%s', '%s', '2026-02-01Z', NULL, NULL, NULL)::dues.membership_owed", kind,
                     business_key);
}

static const char *open_sql(const struct world *world, const char *change_id)
{
    return db_printf(world->f,
                     "SELECT outcome FROM dues.membership_open('%s', %s,"
                     " ROW('premium-monthly', 'premium', 'USD', 999, 1, NULL)"
                     "::dues.membership_intent, %s, %s, %s, %s, '2026-01-01Z')",
                     world->customer, key(world, "r1"),
                     change(world, 1, "INCOMPLETE", change_id, true), invoice(world, "2026-01-01Z"),
                     charge(world), owed(world, "membership.expire", "e"));
}

static const char *settle_sql(const struct world *world, int version, const char *change_id)
{
    return db_printf(
        world->f,
        "SELECT outcome FROM dues.membership_settle('%s', ROW('%s', '%s', 1,"
        " 'SUCCEEDED', 't-%s', 999, '', '', '', '', NULL, NULL, NULL)::dues.settlement,"
        " '%s', 'PAID',"
        " '2026-01-01Z', '2026-02-01Z', %s, %s, 'method', '\\x01', '2026-01-01Z')",
        world->customer, world->payment, world->attempt, world->attempt, world->invoice,
        change(world, version, "ACTIVE", change_id, false), owed(world, "membership.renew", "n"));
}

/* Everything that the steps write, as one text. */
static const char *all_rows(const struct world *world)
{
    static const char *const tables[] = {
        "membership", "invoice", "invoice_line", "invoice_payment",  "payment", "attempt",
        "obligation", "event",   "ledger_entry", "recorded_request", "customer"};
    const char *text = "";

    for (size_t i = 0; i < ARRAY_LENGTH(tables); i++)
        text = db_printf(
            world->f, "%s%s", text,
            db_text(world->f, db_printf(world->f,
                                        "SELECT coalesce(string_agg(t::text, '|' ORDER BY"
                                        " t::text), '') FROM dues.%s t WHERE customer_id = '%s'",
                                        tables[i], world->customer)));
    return text;
}

static void opening_again_changes_nothing(void **state)
{
    struct world world = given_world(*state);
    const char *sql = open_sql(&world, new_id(world.f));

    assert_string_equal(db_text(world.f, sql), "new");
    const char *once = all_rows(&world);
    assert_string_equal(db_text(world.f, sql), "new");

    assert_string_equal(all_rows(&world), once);
    assert_int_equal(db_count(world.f, db_printf(world.f, "dues.invoice WHERE customer_id = '%s'",
                                                 world.customer)),
                     1);
}

static void another_membership_is_refused_while_money_is_in_flight(void **state)
{
    struct world world = given_world(*state);
    db_text(world.f, open_sql(&world, new_id(world.f)));
    struct world other = world;
    other.membership = new_id(world.f);
    other.invoice = new_id(world.f);
    other.payment = new_id(world.f);
    other.attempt = new_id(world.f);
    const char *before = all_rows(&world);

    const char *sql = open_sql(&other, new_id(world.f));
    const char *outcome =
        db_text(world.f, db_printf(world.f, "%s", sql)); /* the same request_id: it is running */

    assert_string_equal(outcome, "running");
    assert_string_equal(all_rows(&world), before);
}

static void settling_again_changes_nothing(void **state)
{
    struct world world = given_world(*state);
    db_text(world.f, open_sql(&world, new_id(world.f)));
    const char *sql = settle_sql(&world, 1, new_id(world.f));

    assert_string_equal(db_text(world.f, sql), "settled");
    const char *once = all_rows(&world);
    assert_string_equal(db_text(world.f, sql), "settled");

    assert_string_equal(all_rows(&world), once);
    assert_string_equal(db_text(world.f, db_printf(world.f,
                                                   "SELECT state FROM dues.membership"
                                                   " WHERE customer_id = '%s'",
                                                   world.customer)),
                        "ACTIVE");
    assert_int_equal(db_count(world.f, db_printf(world.f,
                                                 "dues.recorded_request WHERE customer_id = '%s'"
                                                 " AND answer = '\\x01'",
                                                 world.customer)),
                     1);
}

static void a_decision_on_an_older_version_is_refused(void **state)
{
    struct world world = given_world(*state);
    db_text(world.f, open_sql(&world, new_id(world.f)));
    db_execute(world.f,
               db_printf(world.f, "UPDATE dues.membership SET version = 2 WHERE customer_id = '%s'",
                         world.customer));
    const char *before = all_rows(&world);

    assert_string_equal(db_text(world.f, settle_sql(&world, 1, new_id(world.f))), "stale");

    assert_string_equal(all_rows(&world), before);
}

/* The hold of who has just looked. */
static const char *held(const struct world *world)
{
    return db_printf(world->f,
                     "(SELECT o.epoch FROM dues.obligation o WHERE o.kind = 'membership.renew'"
                     " AND o.customer_id = '%s')",
                     world->customer);
}

static const char *renew_sql(const struct world *world, int version, const char *change_id,
                             const char *epoch, int retry)
{
    return db_printf(world->f,
                     "SELECT outcome FROM dues.membership_charge('%s',"
                     " ROW('membership.renew', 'n', %s)::dues.obligation_hold, %s, %s, %d, %s,"
                     " NULL::dues.membership_owed, '2026-02-01Z')",
                     world->customer, epoch, change(world, version, "ACTIVE", change_id, true),
                     invoice(world, "2026-02-01Z"), retry, charge(world));
}

/* An ACTIVE membership, and new ids for its renewal. */
static struct world given_active(struct db_fixture *f)
{
    struct world world = given_world(f);

    db_text(f, open_sql(&world, new_id(f)));
    db_text(f, settle_sql(&world, 1, new_id(f)));
    world.invoice = new_id(f);
    world.payment = new_id(f);
    world.attempt = new_id(f);
    return world;
}

static void renewing_again_charges_once(void **state)
{
    struct world world = given_active(*state);
    const char *sql = renew_sql(&world, 2, new_id(world.f), held(&world), 0);

    assert_string_equal(db_text(world.f, sql), "new");
    const char *once = all_rows(&world);
    assert_string_equal(db_text(world.f, sql), "new");

    assert_string_equal(all_rows(&world), once);
    assert_int_equal(db_count(world.f, db_printf(world.f,
                                                 "dues.obligation WHERE customer_id = '%s'"
                                                 " AND kind = 'membership.renew'",
                                                 world.customer)),
                     0);
}

static void a_runner_that_lost_its_lease_charges_nothing(void **state)
{
    struct world world = given_active(*state);
    const char *before = all_rows(&world);

    assert_string_equal(db_text(world.f, renew_sql(&world, 2, new_id(world.f), "7", 0)), "lost");

    assert_string_equal(all_rows(&world), before);
}

static void what_is_owed_anew_is_not_finished_by_who_held_it_before(void **state)
{
    struct world world = given_active(*state);
    const char *hold = db_printf(
        world.f,
        "SELECT dues.obligation_claim('%s', 'membership.renew', 'n', %s, 60000, gen_random_uuid())",
        world.customer, held(&world));
    const char *finish =
        db_printf(world.f, "SELECT dues.obligation_finish('%s', 'membership.renew', 'n', %s)",
                  world.customer, db_text(world.f, hold));
    db_execute(world.f, db_printf(world.f,
                                  "DELETE FROM dues.obligation WHERE customer_id = '%s';"
                                  "SELECT dues.obligation_add('%s', 'membership.renew', 'n', '%s',"
                                  " now(), false, now())",
                                  world.customer, world.customer, world.membership));
    db_text(world.f, hold);

    assert_string_equal(db_text(world.f, finish), "f");
}

static void one_try_of_an_invoice_is_charged_once(void **state)
{
    struct world world = given_active(*state);
    db_execute(world.f, db_printf(world.f,
                                  "INSERT INTO dues.invoice (customer_id, invoice_id, number,"
                                  " membership_id, due_time, state, currency, total_minor,"
                                  " period_start, period_end, create_time) VALUES ('%s', '%s', 99,"
                                  " '%s', '2026-02-01Z', 'OPEN', 'USD', 999, '2026-02-01Z',"
                                  " '2026-03-01Z', now());"
                                  "INSERT INTO dues.invoice_payment VALUES ('%s', '%s', 3, '%s',"
                                  " now())",
                                  world.customer, world.invoice, world.membership, world.customer,
                                  world.invoice, new_id(world.f)));
    const char *before = all_rows(&world);

    assert_string_equal(db_text(world.f, renew_sql(&world, 2, new_id(world.f), held(&world), 3)),
                        "charged");

    assert_string_equal(all_rows(&world), before);
}

static const char *move_sql(const struct world *world, int version, const char *change_id)
{
    const char *row = db_printf(world->f,
                                "ROW('%s', %d, '%s', 'CANCELED', '%s', '2026-01-01Z', 0,"
                                " '2026-01-01Z', '2026-02-01Z', '2026-01-09Z', NULL, false,"
                                " '2026-01-09Z', '2026-01-09Z', 0, NULL, NULL, NULL, NULL,"
                                " 'membership.canceled')::dues.membership_change",
                                world->membership, version, change_id, world->method);

    return db_printf(world->f,
                     "SELECT outcome FROM dues.membership_move('%s', NULL::dues.request_key,"
                     " NULL::dues.obligation_hold, %s, NULL::dues.invoice_intent, 'VOID',"
                     " NULL::dues.membership_owed, NULL, '2026-01-09Z')",
                     world->customer, row);
}

static void cancelling_again_changes_nothing(void **state)
{
    struct world world = given_active(*state);
    const char *sql = move_sql(&world, 2, new_id(world.f));

    assert_string_equal(db_text(world.f, sql), "new");
    const char *once = all_rows(&world);
    assert_string_equal(db_text(world.f, sql), "new");
    assert_string_equal(db_text(world.f, move_sql(&world, 2, new_id(world.f))), "stale");

    assert_string_equal(all_rows(&world), once);
    assert_int_equal(
        db_count(world.f,
                 db_printf(world.f, "dues.obligation WHERE customer_id = '%s'", world.customer)),
        0);
}

/* A step that a server runs while the test holds a lock. */
struct waiting {
    struct db_fixture *f;
    struct uuid customer;
    struct pg_statement statement;
    pthread_t thread;
    const struct error *error;
};

static const struct error *run_step(struct call *call, void *arg)
{
    struct waiting *waiting = arg;
    struct pg_rows rows;

    return pg_write(call, waiting->customer, &waiting->statement, (struct pg_params){NULL, 0},
                    &rows);
}

static void *run_waiting(void *arg)
{
    struct waiting *waiting = arg;

    waiting->error = db_run(waiting->f, run_step, waiting);
    return NULL;
}

static void wait_until_it_waits(struct db_fixture *f)
{
    static const char *const waiting =
        "SELECT count(*) FROM pg_locks w WHERE NOT w.granted AND w.pid IN"
        " (SELECT l.pid FROM pg_locks l JOIN pg_database d ON d.oid = l.database"
        "   WHERE d.datname = current_database())";

    AWAIT(db_number(f, waiting) > 0);
    assert_true(db_number(f, waiting) > 0);
}

/* Two steps of one customer on two servers never hold what the other waits for. */
static void it_locks_the_customer_first(const struct world *world, const char *sql)
{
    static const char *const tables[] = {"membership", "obligation", "attempt", "payment"};
    struct waiting waiting = {.f = world->f, .statement = {.name = new_id(world->f), .sql = sql}};
    int64_t locked[ARRAY_LENGTH(tables)];

    assert_true(uuid_parse(world->customer, &waiting.customer));
    db_execute(world->f, db_printf(world->f,
                                   "BEGIN; SELECT FROM dues.customer WHERE customer_id = '%s'"
                                   " FOR NO KEY UPDATE",
                                   world->customer));
    assert_int_equal(pthread_create(&waiting.thread, NULL, run_waiting, &waiting), 0);
    wait_until_it_waits(world->f);
    for (size_t i = 0; i < ARRAY_LENGTH(tables); i++)
        locked[i] = db_number(
            world->f, db_printf(world->f,
                                "SELECT count(*) - (SELECT count(*) FROM (SELECT FROM dues.%s"
                                " WHERE customer_id = '%s' FOR UPDATE SKIP LOCKED) free)"
                                "  FROM dues.%s WHERE customer_id = '%s'",
                                tables[i], world->customer, tables[i], world->customer));
    db_execute(world->f, "ROLLBACK");
    assert_int_equal(pthread_join(waiting.thread, NULL), 0);

    assert_null(waiting.error);
    for (size_t i = 0; i < ARRAY_LENGTH(tables); i++)
        assert_int_equal(locked[i], 0);
}

static void every_step_locks_the_customer_first(void **state)
{
    struct world created = given_world(*state);
    struct world renewed = given_active(*state);
    struct world canceled = given_active(*state);
    db_text(created.f, open_sql(&created, new_id(created.f)));

    it_locks_the_customer_first(&created, settle_sql(&created, 1, new_id(created.f)));
    it_locks_the_customer_first(&renewed,
                                renew_sql(&renewed, 2, new_id(renewed.f), held(&renewed), 0));
    it_locks_the_customer_first(&canceled, move_sql(&canceled, 2, new_id(canceled.f)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(opening_again_changes_nothing),
        cmocka_unit_test(another_membership_is_refused_while_money_is_in_flight),
        cmocka_unit_test(settling_again_changes_nothing),
        cmocka_unit_test(a_decision_on_an_older_version_is_refused),
        cmocka_unit_test(renewing_again_charges_once),
        cmocka_unit_test(a_runner_that_lost_its_lease_charges_nothing),
        cmocka_unit_test(what_is_owed_anew_is_not_finished_by_who_held_it_before),
        cmocka_unit_test(one_try_of_an_invoice_is_charged_once),
        cmocka_unit_test(cancelling_again_changes_nothing),
        cmocka_unit_test(every_step_locks_the_customer_first),
    };
    return cmocka_run_group_tests_name("steps of memberships", tests, setup, db_teardown);
}
