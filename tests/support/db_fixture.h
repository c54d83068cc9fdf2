/*
 * A database of its own for a test program, and a house around it.
 *
 *   const struct CMUnitTest tests[] = { cmocka_unit_test(refuses_…), … };
 *   return cmocka_run_group_tests(tests, db_setup, db_teardown);
 *
 * In a test: struct db_fixture *f = *state.  What awaits the database runs in a fiber by db_run.
 * Never assert in there: a failing assertion is a longjmp, and the fiber may be on another thread.
 * Keep what it found in `arg` and assert afterwards; strings stay alive until teardown.
 */
#pragma once

#include <pthread.h>

#include "base/call.h"
#include "base/fiber.h"
#include "base/log.h"
#include "base/settings.h"
#include "pg/lanes.h"
#include "pg/pg.h"
#include "support/db_cluster.h"
#include "support/db_fakes.h"

struct db_options {
    bool is_private;     /* a cluster of its own */
    bool without_house;  /* only the database: no lanes, no fibers */
    int32_t write_lanes; /* 0: 2 */
    int32_t read_lanes;  /* 0: 1 */
    int32_t queue_max;   /* 0: 1024 */
};

#define DB_CONNECTION_SIZE 256

struct db_fixture {
    struct house house; /* settings, clock, random, log, fibers, pg; the rest is the test's */
    struct settings settings;
    struct fake_clock clock;
    struct fake_random random;
    struct db_cluster *cluster;
    char database[64];
    char owner[DB_CONNECTION_SIZE];
    char service[DB_CONNECTION_SIZE];
    char superuser[DB_CONNECTION_SIZE];
    void *admin;            /* the superuser's connection behind db_execute and the like */
    pthread_mutex_t mutex;  /* of the arena */
    struct arena *arena;    /* of what the functions below return */
    struct db_calls *calls; /* arenas of finished calls */
};

/* Group setup and teardown of cmocka with the default options. */
int db_setup(void **state);
int db_teardown(void **state);

struct db_fixture *db_fixture_new(const struct db_options *options);
void db_fixture_free(struct db_fixture *f);

/* Opens the lanes anew, with other options. */
void db_reopen_lanes(struct db_fixture *f, const struct db_options *options);

typedef const struct error *db_function(struct call *call, void *arg);

/*
 * Runs `function` in a fiber with a call of its own: service-billing calls "/test", no request_id,
 * ten seconds, present = the fixture's clock.  Answers what it answers.
 */
const struct error *db_run(struct db_fixture *f, db_function *function, void *arg);

/* The same for `count` args of `size` bytes each, all at once. */
void db_run_all(struct db_fixture *f, db_function *function, void *args, size_t size, size_t count,
                const struct error **errors);

/* A call as db_run makes it, for tests that start fibers themselves. */
struct call *db_call(struct db_fixture *f);

/* As superuser, in a connection of its own; a failing statement ends the program. */
void db_execute(struct db_fixture *f, const char *sql);
int64_t db_number(struct db_fixture *f, const char *sql); /* first column of the first row */
const char *db_text(struct db_fixture *f, const char *sql);

/* For the statements above: db_printf(f, "… '%s'", …). */
const char *db_printf(struct db_fixture *f, const char *format, ...) PRINTF_LIKE(2, 3);

/* Number of rows of a table, or of "table WHERE …". */
int64_t db_count(struct db_fixture *f, const char *from);

/* May the service connect?  When not, its connections are cut as well. */
void db_allow_service(struct db_fixture *f, bool allowed);

struct uuid db_uuid(struct db_fixture *f);
const char *db_uuid_text(struct db_fixture *f, struct uuid id);

/* A row in table customer; `clock` may be UUID_NIL. */
struct uuid db_given_customer(struct db_fixture *f, struct uuid clock);

/* A row in table test_clock. */
struct uuid db_given_test_clock(struct db_fixture *f, int64_t time_us);
