/*
 * Engines on the database of the fixture, and kinds of obligations that write down what was run:
 *
 *   test.note    finishes
 *   test.fail    always fails
 *   test.slow    sleeps 20 ms and finishes
 *   test.hang    returns without a recorded step, as a crash leaves it
 *   test.again   comes again a day later
 *   test.spin    comes again at the same moment
 *   test.guarded finishes, and needs no claim where nobody else looks
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>
#include <pthread.h>

#include "jobs/jobs.h"
#include "support/db_fixture.h"
#include "support/patience.h"

#define RUNS_MAX 2000

struct run {
    char key[64];
    struct obligation obligation;
};

struct runs {
    pthread_mutex_t mutex;
    struct run list[RUNS_MAX];
    size_t count;
    int32_t at_once;
    int32_t at_once_max;
};

static struct runs runs = {.mutex = PTHREAD_MUTEX_INITIALIZER};

static void note(const struct obligation *obligation)
{
    pthread_mutex_lock(&runs.mutex);
    if (runs.count < RUNS_MAX) {
        struct run *run = &runs.list[runs.count++];
        snprintf(run->key, sizeof(run->key), "%s", obligation->business_key);
        run->obligation = *obligation;
        run->obligation.kind = NULL;
        run->obligation.business_key = NULL;
    }
    pthread_mutex_unlock(&runs.mutex);
}

static const struct error *run_note(struct call *call, const struct obligation *obligation)
{
    note(obligation);
    return jobs_finish(call, obligation);
}

static const struct error *run_fail(struct call *call, const struct obligation *obligation)
{
    note(obligation);
    return refuse(call, STATUS_UNAVAILABLE, "GATEWAY_UNAVAILABLE", "never works");
}

static const struct error *run_slow(struct call *call, const struct obligation *obligation)
{
    pthread_mutex_lock(&runs.mutex);
    runs.at_once++;
    if (runs.at_once > runs.at_once_max)
        runs.at_once_max = runs.at_once;
    pthread_mutex_unlock(&runs.mutex);
    fiber_sleep(20 * US_PER_MS);
    pthread_mutex_lock(&runs.mutex);
    runs.at_once--;
    pthread_mutex_unlock(&runs.mutex);
    note(obligation);
    return jobs_finish(call, obligation);
}

static const struct error *run_hang(struct call *call, const struct obligation *obligation)
{
    (void)call;
    note(obligation);
    return NULL;
}

static const struct error *run_again(struct call *call, const struct obligation *obligation)
{
    note(obligation);
    return jobs_move(call, obligation, obligation->due_us + US_PER_DAY);
}

static const struct error *run_spin(struct call *call, const struct obligation *obligation)
{
    note(obligation);
    return jobs_move(call, obligation, obligation->due_us);
}

static const struct job_kind kind_note = {.name = "test.note", .run = run_note};
static const struct job_kind kind_fail = {.name = "test.fail", .run = run_fail};
static const struct job_kind kind_slow = {.name = "test.slow", .run = run_slow};
static const struct job_kind kind_hang = {.name = "test.hang", .run = run_hang};
static const struct job_kind kind_again = {.name = "test.again", .run = run_again};
static const struct job_kind kind_spin = {.name = "test.spin", .run = run_spin};
static const struct job_kind kind_guarded = {
    .name = "test.guarded", .run = run_note, .is_guarded = true};
static const struct job_kind *const test_kinds[] = {
    &kind_note, &kind_fail, &kind_slow, &kind_hang, &kind_again, &kind_spin, &kind_guarded};

static inline size_t runs_count(void)
{
    pthread_mutex_lock(&runs.mutex);
    size_t count = runs.count;
    pthread_mutex_unlock(&runs.mutex);
    return count;
}

static inline size_t runs_of(const char *key)
{
    size_t count = 0;

    pthread_mutex_lock(&runs.mutex);
    for (size_t i = 0; i < runs.count; i++)
        count += strcmp(runs.list[i].key, key) == 0;
    pthread_mutex_unlock(&runs.mutex);
    return count;
}

/* Waits until so many runs are written down; false: in vain. */
static inline bool wait_for_runs(size_t count)
{
    AWAIT(runs_count() >= count);
    return runs_count() >= count;
}

/* Waits until the table holds so many obligations; false: in vain. */
static inline bool wait_for_left(struct db_fixture *f, int64_t count)
{
    AWAIT(db_count(f, "dues.obligation") == count);
    return db_count(f, "dues.obligation") == count;
}

/* Before each test: nothing owed, nothing run, settings that do not wait. */
static inline int jobs_begin(void **state)
{
    struct db_fixture *f = *state;

    runs.count = 0;
    runs.at_once_max = 0;
    f->settings.job_poll_ms = 20;
    f->settings.job_lease_ms = 20000;
    f->settings.jobs_max = 64;
    f->settings.sandbox = true;
    db_execute(f, "DELETE FROM dues.obligation");
    db_execute(f, "UPDATE dues.test_clock SET target_time = NULL");
    return 0;
}

/* Not started. */
static inline struct jobs *given_engine(struct db_fixture *f)
{
    f->house.jobs = jobs_open(&f->house, test_kinds, ARRAY_LENGTH(test_kinds));
    return f->house.jobs;
}

static inline void stop_engine(struct jobs *jobs)
{
    jobs_stop(jobs, 5000);
    jobs_close(jobs);
}

static inline void given_obligation(struct db_fixture *f, struct uuid customer, const char *kind,
                                    const char *key, int64_t due_us, struct uuid clock)
{
    const char *id = db_uuid_text(f, customer);
    char due[TIME_TEXT_SIZE];

    time_format(due_us, due);
    db_execute(
        f, db_printf(f,
                     "INSERT INTO dues.obligation (customer_id, kind, business_key, bucket,"
                     " subject_id, due_time, test_clock_id, create_time)"
                     " VALUES ('%s', '%s', '%s', get_byte(uuid_send('%s'), 15) %% 64, '%s',"
                     " '%s', %s, now())",
                     id, kind, key, id, id, due,
                     uuid_is_nil(clock) ? "NULL" : db_printf(f, "'%s'", db_uuid_text(f, clock))));
}

/* Overdue in wall time. */
static inline struct uuid given_due(struct db_fixture *f, const char *kind, const char *key)
{
    struct uuid customer = db_given_customer(f, UUID_NIL);

    given_obligation(f, customer, kind, key, clock_wall_us(f->house.clock) - US_PER_SECOND,
                     UUID_NIL);
    return customer;
}
