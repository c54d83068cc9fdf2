/*
 * The steps of incidents when two askers take them at the same moment, on servers of their own:
 * on the same incident and on two that cross.  Nobody waits for the other in a circle, and what is
 * in suspense is posted once.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "db/payment/payment_fixture.h"

#define ROUNDS 10
#define TRIES  5
#define AMOUNT 500

/* Two incidents about one attempt of the customer, whose money stands in suspense. */
struct books {
    struct db_fixture *f;
    const char *customer;
    const char *attempt;
    const char *incidents[2];
};

static const char *new_id(struct db_fixture *f)
{
    return db_uuid_text(f, db_uuid(f));
}

static struct books given_books(struct payment_fixture *p)
{
    struct db_fixture *f = p->db;
    struct payer payer = given_payer(p, "tok_visa");
    struct asked asked = asked_payment(p, payer.customer, payer.method, 999, "pay");
    struct books books = {.f = f, .customer = db_uuid_text(f, payer.customer)};

    assert_null(db_run(f, asked_run, &asked));
    protobuf_c_message_free_unpacked(asked.reply, NULL);
    books.attempt = of_customer_text(p, "attempt_id FROM dues.attempt", payer.customer);
    for (int i = 0; i < 2; i++) {
        books.incidents[i] = new_id(f);
        db_execute(f, db_printf(f,
                                "SELECT dues.incident_open('%s', '%s', 'GATEWAY_ONLY', 'ch_%d',"
                                " 'planted', '2026-01-01Z', '%s', NULL, 'sandbox', 'ch_%d', 'USD',"
                                " %d)",
                                books.customer, books.incidents[i], i, books.attempt, i, AMOUNT));
    }
    db_execute(f, db_printf(f,
                            "SET search_path = dues; SELECT ledger_post('%s', '%s', 'suspense',"
                            " ARRAY[ROW('gateway_clearing:sandbox', 'USD', %d)::ledger_line,"
                            " ROW('suspense', 'USD', -%d)::ledger_line], '2026-01-01Z')",
                            books.customer, books.attempt, AMOUNT, AMOUNT));
    return books;
}

/* An operator whose server has a connection of its own. */
struct asker {
    const struct books *books;
    const char *name;
    uint8_t lane;
    int first; /* which incident he takes first, then the other; `only`: no other */
    bool only;
    int done; /* wishes recorded, or incidents finished */
};

static struct uuid lane_key(const struct asker *asker)
{
    struct uuid key = db_uuid(asker->books->f);

    key.bytes[12] = (uint8_t)((key.bytes[12] & 0xfe) | asker->lane);
    return key;
}

static const struct error *run(struct call *call, const struct asker *asker, const char *sql,
                               const char **outcome)
{
    struct pg_statement *statement = arena_alloc(call->arena, sizeof *statement);
    struct pg_rows rows;

    *statement = (struct pg_statement){.name = new_id(asker->books->f), .sql = sql};
    TRY(pg_write(call, lane_key(asker), statement, (struct pg_params){NULL, 0}, &rows));
    *outcome = pg_get_text(&rows, 0, "outcome");
    return NULL;
}

/* As ResolveIncident does it: as the first, and when that is not so any more, as the second. */
static const struct error *wish(struct call *call, struct asker *asker, int which)
{
    const struct books *books = asker->books;
    const char *outcome = "changed";

    for (int i = 0; i < TRIES && strcmp(outcome, "changed") == 0; i++)
        TRY(run(call, asker,
                db_printf(books->f,
                          "SELECT outcome FROM dues.incident_approve('%s',"
                          " ROW('%s', 'm', '%s', sha256(''))::dues.request_key, '%s', 1, '%s',"
                          " 'POST_FROM_SUSPENSE', 'revenue', 'seen', %s, -%d, '\\x00',"
                          " '2026-01-02Z')",
                          books->customer, asker->name, new_id(books->f), books->incidents[which],
                          asker->name, i % 2 == 0 ? "false" : "true", AMOUNT),
                &outcome));
    asker->done += strcmp(outcome, "new") == 0;
    return NULL;
}

static const struct error *finish(struct call *call, struct asker *asker, int which)
{
    const struct books *books = asker->books;
    const char *outcome;

    TRY(run(
        call, asker,
        db_printf(books->f,
                  "SELECT dues.incident_finish('%s', i.incident_id, o.epoch, true, 'done', '%s',"
                  "       '2026-01-03Z')::text AS outcome"
                  "  FROM dues.incident i LEFT JOIN dues.obligation o"
                  "    ON o.customer_id = i.customer_id AND o.subject_id = i.incident_id"
                  " WHERE i.customer_id = '%s' AND i.incident_id = '%s'",
                  books->customer, new_id(books->f), books->customer, books->incidents[which]),
        &outcome));
    asker->done += strcmp(outcome, "true") == 0;
    return NULL;
}

static const struct error *ask_for_both(struct call *call, void *arg)
{
    struct asker *asker = arg;

    TRY(wish(call, asker, asker->first));
    return asker->only ? NULL : wish(call, asker, 1 - asker->first);
}

static const struct error *finish_both(struct call *call, void *arg)
{
    struct asker *asker = arg;

    TRY(finish(call, asker, asker->first));
    return asker->only ? NULL : finish(call, asker, 1 - asker->first);
}

/* Both at once; how much was done in all. */
static int race(struct db_fixture *f, db_function *function, struct asker askers[2])
{
    const struct error *errors[2];

    askers[0].done = askers[1].done = 0;
    db_run_all(f, function, askers, sizeof askers[0], 2, errors);
    for (int i = 0; i < 2; i++) {
        if (errors[i] != NULL)
            fail_msg("%s: %s", errors[i]->reason,
                     errors[i]->cause == NULL ? errors[i]->message : errors[i]->cause);
    }
    return askers[0].done + askers[1].done;
}

static int64_t of_books(const struct books *books, const char *columns_from)
{
    return db_number(books->f, db_printf(books->f, "SELECT %s WHERE customer_id = '%s'",
                                         columns_from, books->customer));
}

static void assert_posted_once(const struct books *books)
{
    assert_int_equal(of_books(books, "count(*) FILTER (WHERE kind LIKE 'suspense_release%')"
                                     " FROM dues.ledger_entry"),
                     2);
    assert_int_equal(of_books(books, "sum(amount) FILTER (WHERE account = 'suspense')"
                                     " FROM dues.ledger_entry"),
                     0);
    assert_int_equal(
        of_books(books, "sum(amount) FILTER (WHERE account = 'revenue' AND kind LIKE 'suspense%')"
                        " FROM dues.ledger_entry"),
        -AMOUNT);
}

static void two_at_one_incident_post_once(void **state)
{
    struct payment_fixture *p = *state;
    struct db_fixture *f = p->db;

    for (int round = 0; round < ROUNDS; round++) {
        const struct books books = given_books(p);
        struct asker askers[] = {
            {.books = &books, .name = "a", .lane = 0, .only = true},
            {.books = &books, .name = "b", .lane = 1, .only = true},
        };

        assert_int_equal(race(f, ask_for_both, askers), 2);
        assert_int_equal(of_books(&books, "count(*) FROM dues.incident_approval"), 2);
        assert_int_equal(race(f, finish_both, askers), 1);

        assert_posted_once(&books);
        assert_int_equal(
            of_books(&books, "count(*) FILTER (WHERE state = 'RESOLVED') FROM dues.incident"), 1);
    }
}

static void two_that_cross_post_once_and_return_the_other(void **state)
{
    struct payment_fixture *p = *state;
    struct db_fixture *f = p->db;

    for (int round = 0; round < ROUNDS; round++) {
        const struct books books = given_books(p);
        struct asker askers[] = {
            {.books = &books, .name = "a", .lane = 0, .first = 0},
            {.books = &books, .name = "b", .lane = 1, .first = 1},
        };

        assert_int_equal(race(f, ask_for_both, askers), 4);
        assert_int_equal(of_books(&books, "count(*) FROM dues.incident_approval"), 4);
        assert_int_equal(race(f, finish_both, askers), 2);

        assert_posted_once(&books);
        assert_int_equal(
            of_books(&books, "count(*) FILTER (WHERE state = 'RESOLVED') FROM dues.incident"), 1);
        assert_int_equal(of_books(&books, "count(*) FILTER (WHERE state = 'OPEN' AND outcome ="
                                          " 'another amount stands in suspense than was approved')"
                                          " FROM dues.incident"),
                         1);
        assert_int_equal(of_books(&books, "count(*) FROM dues.obligation"), 0);
    }
}

/* A circle would last until the statement's time is over, instead of being broken and tried again.
 */
static int setup(void **state)
{
    payment_setup(state);
    struct db_fixture *f = ((struct payment_fixture *)*state)->db;

    db_execute(f, db_printf(f, "ALTER DATABASE %s SET deadlock_timeout = '1h'", f->database));
    db_reopen_lanes(f, &(struct db_options){.write_lanes = 2});
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_at_one_incident_post_once),
        cmocka_unit_test(two_that_cross_post_once_and_return_the_other),
    };
    return cmocka_run_group_tests_name("steps of incidents", tests, setup, payment_teardown);
}
