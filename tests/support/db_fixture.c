/*
 * A database cloned from the migrated template, and the house in which a function of a room can
 * run.
 */
#include "support/db_fixture.h"

#include <stdarg.h>
#include <unistd.h>

#include "base/bug.h"
#include "pg/libpq.h"

#define CALL_ARENA_SIZE (1024 * 1024)
#define CALL_TIME_US    (10 * US_PER_SECOND)
#define FIBERS_MAX      512

/* One of these a finished call: its arena stays for the assertions. */
struct db_calls {
    struct db_calls *next;
    struct arena *arena;
    struct call call;
};

static void execute(PGconn *pg, const char *sql)
{
    PGresult *result = PQexec(pg, sql);

    if (PQresultStatus(result) != PGRES_COMMAND_OK && PQresultStatus(result) != PGRES_TUPLES_OK) {
        fprintf(stderr, "test database: %s\n  in: %s\n", PQerrorMessage(pg), sql);
        exit(2);
    }
    PQclear(result);
}

static void ignore_notice(void *arg, const PGresult *result)
{
    (void)arg;
    (void)result;
}

static PGconn *connect_to(const char *connection)
{
    PGconn *pg = PQconnectdb(connection);

    if (PQstatus(pg) != CONNECTION_OK) {
        fprintf(stderr, "test database: %s\n", PQerrorMessage(pg));
        exit(2);
    }
    PQsetNoticeReceiver(pg, ignore_notice, NULL);
    return pg;
}

/* On the maintenance database: one's own cannot be created or dropped from inside. */
static void execute_outside(struct db_fixture *f, const char *const *statements)
{
    PGconn *pg = connect_to(
        db_printf(f, "host=%s user=postgres dbname=postgres", db_cluster_socket(f->cluster)));

    for (; *statements != NULL; statements++)
        execute(pg, *statements);
    PQfinish(pg);
}

static void create_database(struct db_fixture *f)
{
    static int32_t made;

    snprintf(f->database, sizeof(f->database), "dues_%d_%d", (int)getpid(), made++);
    /* Privileges on the database itself are not cloned; these are those of roles.sql. */
    execute_outside(
        f, (const char *const[]){
               db_printf(f, "CREATE DATABASE %s TEMPLATE %s OWNER dues_owner", f->database,
                         db_cluster_template(f->cluster)),
               db_printf(f, "REVOKE ALL ON DATABASE %s FROM PUBLIC", f->database),
               db_printf(f, "GRANT CONNECT ON DATABASE %s TO dues_service", f->database), NULL});
}

static void name_connections(struct db_fixture *f)
{
    const char *socket = db_cluster_socket(f->cluster);

    snprintf(f->owner, sizeof(f->owner), "host=%s user=dues_owner dbname=%s", socket, f->database);
    snprintf(f->service, sizeof(f->service), "host=%s user=dues_service dbname=%s", socket,
             f->database);
    snprintf(f->superuser, sizeof(f->superuser),
             "host=%s user=postgres dbname=%s options='-c search_path=dues'", socket, f->database);
}

static void open_lanes(struct db_fixture *f, const struct db_options *options)
{
    f->house.pg = pg_open(&(struct pg_options){
        .connection = f->service,
        .write_lanes = options->write_lanes != 0 ? options->write_lanes : 2,
        .read_lanes = options->read_lanes != 0 ? options->read_lanes : 1,
        .queue_max = options->queue_max != 0 ? options->queue_max : 1024,
        .clock = f->house.clock,
        .random = f->house.random,
        .log = f->house.log,
    });
}

void db_reopen_lanes(struct db_fixture *f, const struct db_options *options)
{
    pg_close(f->house.pg);
    open_lanes(f, options);
}

struct db_fixture *db_fixture_new(const struct db_options *options)
{
    struct db_fixture *f = calloc(1, sizeof(*f));

    if (f == NULL)
        bug("no memory for the fixture");
    pthread_mutex_init(&f->mutex, NULL);
    f->arena = arena_new(16 * CALL_ARENA_SIZE);
    /* First of all: it forks, and there are no threads yet. */
    f->cluster = db_cluster_join(options->is_private);
    create_database(f);
    name_connections(f);
    f->admin = connect_to(f->superuser);
    fake_clock_init(&f->clock, FAKE_CLOCK_START_US);
    fake_random_init(&f->random, 42);
    f->house.settings = &f->settings;
    f->house.clock = &f->clock.clock;
    f->house.random = &f->random.random;
    f->house.log = log_open(STDERR_FILENO, LOG_ERROR, f->house.clock);
    if (!options->without_house) {
        f->house.fibers = fiber_pool_open(FIBERS_MAX);
        open_lanes(f, options);
    }
    return f;
}

static void free_calls(struct db_fixture *f)
{
    while (f->calls != NULL) {
        struct db_calls *next = f->calls->next;

        arena_free(f->calls->arena);
        free(f->calls);
        f->calls = next;
    }
}

void db_fixture_free(struct db_fixture *f)
{
    if (f->house.pg != NULL)
        pg_close(f->house.pg);
    if (f->house.fibers != NULL)
        fiber_pool_close(f->house.fibers);
    log_close(f->house.log);
    PQfinish(f->admin);
    execute_outside(
        f, (const char *const[]){db_printf(f, "DROP DATABASE %s WITH (FORCE)", f->database), NULL});
    db_cluster_leave(f->cluster);
    free_calls(f);
    arena_free(f->arena);
    pthread_mutex_destroy(&f->mutex);
    free(f);
}

int db_setup(void **state)
{
    *state = db_fixture_new(&(struct db_options){0});
    return 0;
}

int db_teardown(void **state)
{
    db_fixture_free(*state);
    return 0;
}

struct call *db_call(struct db_fixture *f)
{
    struct db_calls *entry = calloc(1, sizeof(*entry));

    if (entry == NULL)
        bug("no memory for a call");
    entry->next = f->calls;
    f->calls = entry;
    entry->arena = arena_new(CALL_ARENA_SIZE);
    entry->call = (struct call){
        .arena = entry->arena,
        .house = &f->house,
        .caller = {.kind = CALLER_SERVICE,
                   .spiffe_id = "spiffe://dues.local/service/service-billing",
                   .name = "service-billing",
                   .peer = "test"},
        .method = "/test",
        .trace = "test",
        .request_id = "",
        .now_us = clock_wall_us(f->house.clock),
        .deadline_us = clock_monotonic_us(f->house.clock) + CALL_TIME_US,
    };
    return &entry->call;
}

struct db_job {
    struct call *call;
    db_function *function;
    void *arg;
    const struct error *error;
    struct db_gate *gate;
};

static void run_job(void *arg)
{
    struct db_job *job = arg;

    job->error = job->function(job->call, job->arg);
}

const struct error *db_run(struct db_fixture *f, db_function *function, void *arg)
{
    struct db_job job = {.call = db_call(f), .function = function, .arg = arg};

    fiber_run(f->house.fibers, run_job, &job);
    return job.error;
}

/* The fiber of db_run_all waits for the jobs that it started. */
struct db_gate {
    struct db_job *jobs;
    size_t count;
    struct fiber_pool *fibers;
    _Atomic size_t running; /* jobs, and one for the waiting fiber itself until it is parked */
    struct fiber *waiting;
};

static void leave_gate(struct db_gate *gate)
{
    if (atomic_fetch_sub(&gate->running, 1) == 1)
        fiber_resume(gate->waiting);
}

static void run_gated_job(void *arg)
{
    struct db_job *job = arg;

    run_job(job);
    leave_gate(job->gate);
}

static void parked(struct fiber *self, void *arg)
{
    struct db_gate *gate = arg;

    gate->waiting = self;
    leave_gate(gate);
}

static void run_gate(void *arg)
{
    struct db_gate *gate = arg;

    for (size_t i = 0; i < gate->count; i++)
        if (!fiber_start(gate->fibers, run_gated_job, &gate->jobs[i]))
            bug("more than %d fibers in a test", FIBERS_MAX);
    fiber_park(parked, gate);
}

void db_run_all(struct db_fixture *f, db_function *function, void *args, size_t size, size_t count,
                const struct error **errors)
{
    struct db_job *jobs = calloc(count, sizeof(*jobs));
    struct db_gate gate = {
        .jobs = jobs, .count = count, .fibers = f->house.fibers, .running = count + 1};

    if (jobs == NULL)
        bug("no memory for %zu jobs", count);
    for (size_t i = 0; i < count; i++)
        jobs[i] = (struct db_job){.call = db_call(f),
                                  .function = function,
                                  .arg = (char *)args + i * size,
                                  .gate = &gate};
    fiber_run(f->house.fibers, run_gate, &gate);
    for (size_t i = 0; i < count && errors != NULL; i++)
        errors[i] = jobs[i].error;
    free(jobs);
}

/* Jobs that race make their statements at the same time. */
static const char *keep(struct db_fixture *f, const char *text)
{
    pthread_mutex_lock(&f->mutex);
    const char *kept = arena_strdup(f->arena, text);
    pthread_mutex_unlock(&f->mutex);
    return kept;
}

void db_execute(struct db_fixture *f, const char *sql)
{
    execute(f->admin, sql);
}

const char *db_text(struct db_fixture *f, const char *sql)
{
    PGresult *result = PQexec(f->admin, sql);

    if (PQresultStatus(result) != PGRES_TUPLES_OK || PQntuples(result) < 1) {
        fprintf(stderr, "test database: no row: %s\n  in: %s\n", PQerrorMessage(f->admin), sql);
        exit(2);
    }
    const char *text = keep(f, PQgetvalue(result, 0, 0));
    PQclear(result);
    return text;
}

int64_t db_number(struct db_fixture *f, const char *sql)
{
    return strtoll(db_text(f, sql), NULL, 10);
}

const char *db_printf(struct db_fixture *f, const char *format, ...)
{
    char *text = NULL;
    va_list arguments;

    va_start(arguments, format);
    int length = vasprintf(&text, format, arguments);
    va_end(arguments);
    if (length < 0)
        bug("no memory for a statement");
    const char *copy = keep(f, text);
    free(text);
    return copy;
}

int64_t db_count(struct db_fixture *f, const char *from)
{
    return db_number(f, db_printf(f, "SELECT count(*) FROM %s", from));
}

struct uuid db_uuid(struct db_fixture *f)
{
    return uuid_make(f->house.random, clock_wall_us(f->house.clock));
}

const char *db_uuid_text(struct db_fixture *f, struct uuid id)
{
    char text[UUID_TEXT_LENGTH + 1];

    uuid_format(id, text);
    return keep(f, text);
}

static const char *time_text(struct db_fixture *f, int64_t time_us)
{
    char text[TIME_TEXT_SIZE];

    time_format(time_us, text);
    return keep(f, text);
}

struct uuid db_given_customer(struct db_fixture *f, struct uuid clock)
{
    struct uuid id = db_uuid(f);

    db_execute(f,
               db_printf(f,
                         "INSERT INTO dues.customer"
                         " (customer_id, display_name, email, test_clock_id, create_time)"
                         " VALUES ('%s', 'Ada', 'ada@example.com', nullif('%s', '%s')::uuid, '%s')",
                         db_uuid_text(f, id), db_uuid_text(f, clock), db_uuid_text(f, UUID_NIL),
                         time_text(f, clock_wall_us(f->house.clock))));
    return id;
}

struct uuid db_given_test_clock(struct db_fixture *f, int64_t time_us)
{
    struct uuid id = db_uuid(f);

    db_execute(f, db_printf(f,
                            "INSERT INTO dues.test_clock (test_clock_id, clock_time, create_time)"
                            " VALUES ('%s', '%s', '%s')",
                            db_uuid_text(f, id), time_text(f, time_us), time_text(f, time_us)));
    return id;
}

void db_allow_service(struct db_fixture *f, bool allowed)
{
    db_execute(f, db_printf(f, "%s CONNECT ON DATABASE %s %s dues_service",
                            allowed ? "GRANT" : "REVOKE", f->database,
                            allowed ? "TO" : "FROM public,"));
    db_execute(f, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename ="
                  " 'dues_service' AND datname = current_database()");
}
