/*
 * Connections that are lost, above all in COMMIT: the op may have happened, and is run again.  The
 * counted function is idempotent by its natural key like every write of the house, so the counter
 * tells whether anything was lost or done twice.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include "pg/libpq.h"
#include "pg/pg.h"
#include "support/db_fixture.h"

#define CREATE_TALLY                                                                               \
    "CREATE TABLE dues.tally (customer_id uuid PRIMARY KEY, value bigint NOT NULL);"               \
    "CREATE TABLE dues.tallied (customer_id uuid, key bigint, PRIMARY KEY (customer_id, key));"    \
    "CREATE FUNCTION dues.tally(p_customer uuid, p_key bigint) RETURNS text"                       \
    " LANGUAGE plpgsql SECURITY DEFINER SET search_path = dues, pg_temp AS $$"                     \
    " BEGIN"                                                                                       \
    "   INSERT INTO tallied VALUES (p_customer, p_key) ON CONFLICT DO NOTHING;"                    \
    "   IF NOT FOUND THEN RETURN 'replay'; END IF;"                                                \
    "   INSERT INTO tally AS t VALUES (p_customer, 1)"                                             \
    "   ON CONFLICT (customer_id) DO UPDATE SET value = t.value + 1;"                              \
    "   RETURN 'new';"                                                                             \
    " END $$;"                                                                                     \
    "GRANT EXECUTE ON FUNCTION dues.tally(uuid, bigint) TO dues_service"

static const struct pg_statement tally = {
    .name = "tally",
    .sql = "SELECT tally($1, $2) AS outcome",
};

/* One fiber's work: tallies one after the other, `count` of them or until it was cut `blows` times.
 */
struct work {
    struct uuid customer;
    int64_t count;
    const _Atomic int64_t *blows; /* NULL: `count` is meant */
    int64_t blows_wanted;
    int64_t time_us; /* until the deadline */
    bool hurried;    /* gives up early, as most calls do */
    int64_t done;
    int64_t replays;
};

static bool is_done(const struct work *work)
{
    return work->blows != NULL ? *work->blows >= work->blows_wanted : work->done >= work->count;
}

static const struct error *run_work(struct call *call, void *arg)
{
    struct work *work = arg;
    struct pg_rows rows;

    call->deadline_us = clock_monotonic_us(call->house->clock) + work->time_us;
    call->patient = !work->hurried;
    while (!is_done(work)) {
        arena_reset(call->arena);
        TRY(pg_write(call, work->customer, &tally,
                     PG_PARAMS(pg_uuid(work->customer), pg_int64(work->done)), &rows));
        work->done++;
        work->replays += strcmp(pg_get_text(&rows, 0, "outcome"), "replay") == 0;
    }
    return NULL;
}

/* A superuser's connection of the moment: kill -9 of any backend ends all of them. */
static char *ask(struct db_fixture *f, const char *sql)
{
    PGconn *pg = PQconnectdb(f->superuser);
    PGresult *result = PQexec(pg, sql);
    char *answer = NULL;

    if (PQresultStatus(result) == PGRES_TUPLES_OK && PQntuples(result) > 0)
        answer = strdup(PQgetvalue(result, 0, 0));
    PQclear(result);
    PQfinish(pg);
    return answer;
}

static int64_t ask_number(struct db_fixture *f, const char *sql)
{
    char *answer = ask(f, sql);
    int64_t number = answer != NULL ? strtoll(answer, NULL, 10) : -1;

    free(answer);
    return number;
}

/* The last blow may fall, and the server recover, while this asks. */
static int64_t tallied(struct db_fixture *f, struct uuid customer)
{
    const char *sql =
        db_printf(f, "SELECT value FROM tally WHERE customer_id = '%s'", db_uuid_text(f, customer));
    int64_t number = ask_number(f, sql);

    for (int tries = 0; number < 0 && tries < 500; tries++) {
        usleep(20 * 1000);
        number = ask_number(f, sql);
    }
    return number;
}

static void wait_for(struct db_fixture *f, const char *sql)
{
    for (int tries = 0; tries < 500; tries++) {
        if (ask_number(f, sql) > 0)
            return;
        usleep(20 * 1000);
    }
    fprintf(stderr, "never came true: %s\n", sql);
    exit(2);
}

#define OUR_BACKENDS                                                                               \
    " FROM pg_stat_activity WHERE datname = current_database() AND usename = 'dues_service'"

#define A_WRITER                                                                                   \
    "SELECT pid" OUR_BACKENDS                                                                      \
    " AND application_name LIKE 'duesd pg-write-%' ORDER BY random() LIMIT 1"

#define TERMINATE_A_WRITER                                                                         \
    "SELECT pg_terminate_backend(pid)" OUR_BACKENDS                                                \
    " AND application_name LIKE 'duesd pg-write-%' AND random() < 0.5"

static void comes_back_after_its_connections_were_terminated(void **state)
{
    struct db_fixture *f = *state;
    struct work work = {.customer = db_uuid(f), .count = 1, .time_us = 10 * US_PER_SECOND};

    wait_for(f, "SELECT count(*) / 3" OUR_BACKENDS);
    free(ask(f, "SELECT pg_terminate_backend(pid)" OUR_BACKENDS));
    for (int tries = 0; pg_is_ready(f->house.pg) && tries < 500; tries++)
        usleep(1000);
    const struct error *error = db_run(f, run_work, &work);

    assert_null(error);
    assert_int_equal(tallied(f, work.customer), 1);
    for (int tries = 0; !pg_is_ready(f->house.pg) && tries < 500; tries++)
        usleep(10 * 1000);
    assert_true(pg_is_ready(f->house.pg));
}

struct background {
    pthread_t thread;
    struct db_fixture *f;
    struct work *work;
    const struct error *error;
};

static void *run_in_background(void *arg)
{
    struct background *background = arg;

    background->error = db_run(background->f, run_work, background->work);
    return NULL;
}

/* The twin holds its locks for longer than the service role waits for one. */
static void waits_for_a_twin_that_still_runs(void **state)
{
    struct db_fixture *f = *state;
    struct work work = {.customer = db_uuid(f), .count = 1, .time_us = 20 * US_PER_SECOND};
    struct background background = {.f = f, .work = &work};
    PGconn *twin = PQconnectdb(f->superuser);
    const char *blocked = "SELECT count(*)" OUR_BACKENDS " AND wait_event_type = 'Lock'";

    PQclear(PQexec(twin, db_printf(f, "BEGIN; INSERT INTO tallied VALUES ('%s', 0)",
                                   db_uuid_text(f, work.customer))));
    pthread_create(&background.thread, NULL, run_in_background, &background);
    wait_for(f, blocked);
    free(ask(f, "SELECT pg_terminate_backend(pid)" OUR_BACKENDS));
    usleep(500 * 1000);
    wait_for(f, blocked);
    usleep(2500 * 1000);
    PQclear(PQexec(twin, "COMMIT"));
    PQfinish(twin);
    pthread_join(background.thread, NULL);

    assert_null(background.error);
    assert_int_equal(work.done, 1);
    assert_int_equal(work.replays, 1);
}

/* Cuts the connection when COMMIT is durable but waits for a standby that does not exist. */
struct cutter {
    struct db_fixture *f;
    bool kill_hard;
};

static void *cut_in_commit(void *arg)
{
    const struct cutter *cutter = arg;
    struct db_fixture *f = cutter->f;

    wait_for(f, "SELECT count(*)" OUR_BACKENDS " AND wait_event = 'SyncRep'");
    if (cutter->kill_hard)
        kill((pid_t)ask_number(f, "SELECT pid" OUR_BACKENDS " AND wait_event = 'SyncRep'"),
             SIGKILL);
    else
        free(ask(f, "SELECT pg_terminate_backend(pid)" OUR_BACKENDS " AND wait_event = 'SyncRep'"));
    return NULL;
}

static void configure(struct db_fixture *f, const char *sql)
{
    for (int tries = 0; tries < 500; tries++) {
        PGconn *pg = PQconnectdb(f->superuser);
        PQclear(PQexec(pg, "SET synchronous_commit = local"));
        PGresult *result = PQexec(pg, sql);
        bool done = PQresultStatus(result) == PGRES_COMMAND_OK;
        PQclear(result);
        PQclear(PQexec(pg, "SELECT pg_reload_conf()"));
        PQfinish(pg);
        if (done)
            return;
        usleep(20 * 1000);
    }
}

static void cut_and_check(struct db_fixture *f, bool kill_hard)
{
    struct work work = {.customer = db_uuid(f), .count = 1, .time_us = 30 * US_PER_SECOND};
    struct cutter cutter = {.f = f, .kill_hard = kill_hard};
    pthread_t thread;

    configure(f, "ALTER SYSTEM SET synchronous_standby_names = 'nobody'");
    wait_for(f, "SELECT count(*) FROM pg_settings"
                " WHERE name = 'synchronous_standby_names' AND setting = 'nobody'");
    usleep(100 * 1000); /* the lanes' backends read it a moment later */
    assert_int_equal(pthread_create(&thread, NULL, cut_in_commit, &cutter), 0);
    const struct error *error = db_run(f, run_work, &work);
    pthread_join(thread, NULL);
    configure(f, "ALTER SYSTEM RESET synchronous_standby_names");

    assert_null(error);
    assert_int_equal(work.replays, 1);
    assert_int_equal(tallied(f, work.customer), 1);
}

static void replays_when_it_was_terminated_in_commit(void **state)
{
    cut_and_check(*state, false);
}

static void replays_when_it_was_killed_in_commit(void **state)
{
    cut_and_check(*state, true);
}

/* Disturbs the writers until it is told to stop. */
struct saboteur {
    struct db_fixture *f;
    bool kill_hard;
    _Atomic bool must_stop;
    _Atomic int64_t blows;
};

static void *sabotage(void *arg)
{
    struct saboteur *saboteur = arg;

    while (!saboteur->must_stop) {
        usleep((useconds_t)random_below(random_system(), saboteur->kill_hard ? 400000 : 20000));
        if (saboteur->kill_hard) {
            pid_t pid = (pid_t)ask_number(saboteur->f, A_WRITER);
            saboteur->blows += pid > 1 && kill(pid, SIGKILL) == 0;
        } else {
            saboteur->blows += ask_number(saboteur->f, TERMINATE_A_WRITER) != 0;
            free(ask(saboteur->f, TERMINATE_A_WRITER));
        }
    }
    return NULL;
}

#define WORKERS 24

static void sabotage_and_check(struct db_fixture *f, bool kill_hard, int64_t blows)
{
    struct work works[WORKERS];
    const struct error *errors[WORKERS];
    struct saboteur saboteur = {.f = f, .kill_hard = kill_hard};
    int64_t done = 0;
    pthread_t thread;

    for (size_t i = 0; i < WORKERS; i++)
        works[i] = (struct work){.customer = db_uuid(f),
                                 .blows = &saboteur.blows,
                                 .blows_wanted = blows,
                                 .time_us = 120 * US_PER_SECOND};
    assert_int_equal(pthread_create(&thread, NULL, sabotage, &saboteur), 0);
    db_run_all(f, run_work, works, sizeof(works[0]), WORKERS, errors);
    saboteur.must_stop = true;
    pthread_join(thread, NULL);

    wait_for(f, "SELECT 1");
    for (size_t i = 0; i < WORKERS; i++) {
        assert_null(errors[i]);
        assert_int_equal(tallied(f, works[i].customer), works[i].done);
        done += works[i].done;
    }
    print_message("%d writes while connections were cut %d times\n", (int)done,
                  (int)saboteur.blows);
}

static void counts_exactly_while_connections_are_terminated(void **state)
{
    sabotage_and_check(*state, false, 100);
}

static void counts_exactly_while_backends_are_killed(void **state)
{
    sabotage_and_check(*state, true, 12);
}

/* The first is in flight in a server that stands still; the second, queued behind it, gives up. */
static const struct error *give_up_in_time(struct call *call, void *arg)
{
    struct work *work = arg;
    int64_t start_us = clock_monotonic_us(call->house->clock);
    const struct error *error = NULL;

    if (work->time_us < US_PER_SECOND)
        fiber_sleep(100 * US_PER_MS);
    error = run_work(call, work);
    work->time_us = clock_monotonic_us(call->house->clock) - start_us;
    return error;
}

/* The backends of the lanes that were closed end in their own time. */
static pid_t only_writer(struct db_fixture *f)
{
    for (int tries = 0; !pg_is_ready(f->house.pg) && tries < 500; tries++)
        usleep(20 * 1000);
    wait_for(f, "SELECT (count(*) = 1)::int" OUR_BACKENDS
                " AND application_name LIKE 'duesd pg-write-%'");
    return (pid_t)ask_number(f, A_WRITER);
}

static void *go_on_later(void *arg)
{
    usleep(4000 * 1000);
    kill(*(pid_t *)arg, SIGCONT);
    return NULL;
}

static void answers_queued_calls_before_their_deadline_while_the_server_stands_still(void **state)
{
    struct db_fixture *f = *state;
    struct work works[] = {
        {.customer = db_uuid(f), .count = 1, .time_us = 20 * US_PER_SECOND},
        {.customer = db_uuid(f), .count = 1, .time_us = 600 * US_PER_MS, .hurried = true},
    };
    const struct error *errors[2];
    pthread_t thread;

    db_reopen_lanes(f, &(struct db_options){.write_lanes = 1});
    pid_t pid = only_writer(f);
    kill(pid, SIGSTOP);
    assert_int_equal(pthread_create(&thread, NULL, go_on_later, &pid), 0);
    db_run_all(f, give_up_in_time, works, sizeof(works[0]), 2, errors);
    pthread_join(thread, NULL);
    db_reopen_lanes(f, &(struct db_options){0});

    assert_null(errors[0]);
    assert_int_equal(tallied(f, works[0].customer), 1);
    assert_int_equal(errors[1]->status, STATUS_UNAVAILABLE);
    assert_string_equal(errors[1]->reason, "DATABASE_UNAVAILABLE");
    assert_true(errors[1]->retry_after_ms > 0);
    /* Half of its time is the earliest; the server goes on much later. */
    assert_in_range(works[1].time_us, 300 * US_PER_MS, 3 * US_PER_SECOND);
}

static void *go_on_much_later(void *arg)
{
    usleep(6000 * 1000);
    kill(*(pid_t *)arg, SIGCONT);
    return NULL;
}

static void
answers_calls_in_flight_before_their_deadline_while_the_server_stands_still(void **state)
{
    struct db_fixture *f = *state;
    struct work work = {
        .customer = db_uuid(f), .count = 1, .time_us = 3500 * US_PER_MS, .hurried = true};
    pthread_t thread;

    db_reopen_lanes(f, &(struct db_options){.write_lanes = 1});
    pid_t pid = only_writer(f);
    kill(pid, SIGSTOP);
    assert_int_equal(pthread_create(&thread, NULL, go_on_much_later, &pid), 0);
    const struct error *error = db_run(f, give_up_in_time, &work);
    pthread_join(thread, NULL);
    db_reopen_lanes(f, &(struct db_options){0});

    assert_int_equal(error->status, STATUS_UNAVAILABLE);
    assert_string_equal(error->reason, "DATABASE_UNAVAILABLE");
    assert_true(error->retry_after_ms > 0);
    assert_in_range(work.time_us, 1750 * US_PER_MS, 5 * US_PER_SECOND);
}

/* A machine that does something else meanwhile makes one of them late, not all. */
#define TRIES 5

/* Nothing answers at the database's address.  How long the call took; the least of several. */
static int64_t run_without_database(struct db_fixture *f, struct work work)
{
    char there[DB_CONNECTION_SIZE];
    const struct error *error = NULL;
    int64_t least_us = INT64_MAX;

    memcpy(there, f->service, sizeof(there));
    snprintf(f->service, sizeof(f->service), "host=/nonexistent user=dues_service dbname=dues");
    db_reopen_lanes(f, &(struct db_options){0});
    for (int i = 0; i < TRIES; i++) {
        struct work one = work;
        error = db_run(f, give_up_in_time, &one);
        least_us = one.time_us < least_us ? one.time_us : least_us;
    }
    bool was_ready = pg_is_ready(f->house.pg);
    memcpy(f->service, there, sizeof(there));
    db_reopen_lanes(f, &(struct db_options){0});

    assert_false(was_ready);
    assert_int_equal(error->status, STATUS_UNAVAILABLE);
    assert_string_equal(error->reason, "DATABASE_UNAVAILABLE");
    assert_true(error->retry_after_ms > 0);
    return least_us;
}

static void answers_before_the_deadline_while_the_database_is_away(void **state)
{
    struct db_fixture *f = *state;
    struct work work = {
        .customer = db_uuid(f), .count = 1, .time_us = 1800 * US_PER_MS, .hurried = true};

    int64_t took_us = run_without_database(f, work);

    assert_in_range(took_us, 1300 * US_PER_MS, 1700 * US_PER_MS);
}

static void waits_two_seconds_for_a_connection(void **state)
{
    struct db_fixture *f = *state;
    struct work work = {
        .customer = db_uuid(f), .count = 1, .time_us = 20 * US_PER_SECOND, .hurried = true};

    int64_t took_us = run_without_database(f, work);

    assert_in_range(took_us, 2 * US_PER_SECOND, 3 * US_PER_SECOND);
}

static void records_what_a_gateway_did_to_the_very_deadline(void **state)
{
    struct db_fixture *f = *state;
    struct work work = {.customer = db_uuid(f), .count = 1, .time_us = 2800 * US_PER_MS};

    int64_t took_us = run_without_database(f, work);

    assert_in_range(took_us, 2800 * US_PER_MS, 3600 * US_PER_MS);
}

static int setup(void **state)
{
    *state = db_fixture_new(&(struct db_options){.is_private = true});
    db_execute(*state, CREATE_TALLY);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(comes_back_after_its_connections_were_terminated),
        cmocka_unit_test(waits_for_a_twin_that_still_runs),
        cmocka_unit_test(replays_when_it_was_terminated_in_commit),
        cmocka_unit_test(replays_when_it_was_killed_in_commit),
        cmocka_unit_test(counts_exactly_while_connections_are_terminated),
        cmocka_unit_test(counts_exactly_while_backends_are_killed),
        cmocka_unit_test(answers_queued_calls_before_their_deadline_while_the_server_stands_still),
        cmocka_unit_test(
            answers_calls_in_flight_before_their_deadline_while_the_server_stands_still),
        cmocka_unit_test(answers_before_the_deadline_while_the_database_is_away),
        cmocka_unit_test(waits_two_seconds_for_a_connection),
        cmocka_unit_test(records_what_a_gateway_did_to_the_very_deadline),
    };
    return cmocka_run_group_tests_name("lost connections", tests, setup, db_teardown);
}
