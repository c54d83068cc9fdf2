/*
 * The engine's statements.  Candidates are read without locks, bucket by bucket; the claim is a
 * compare-and-set on one row's epoch, so any number of servers may look at the same list.
 */
#include "base/bug.h"
#include "base/fail_point.h"
#include "base/text.h"
#include "jobs/engine.h"

#define COLUMNS                                                                                    \
    "o.customer_id, o.kind, o.business_key, o.subject_id, o.due_time, o.test_clock_id, o.epoch,"   \
    " o.failure_count"

static void obligation_from_row(const struct pg_rows *rows, size_t row,
                                struct obligation *obligation)
{
    *obligation = (struct obligation){
        .customer = pg_get_uuid(rows, row, "customer_id"),
        .kind = pg_get_text(rows, row, "kind"),
        .business_key = pg_get_text(rows, row, "business_key"),
        .subject = pg_get_uuid(rows, row, "subject_id"),
        .due_us = pg_get_time(rows, row, "due_time"),
        .test_clock = pg_get_uuid(rows, row, "test_clock_id"),
        .epoch = pg_get_int64(rows, row, "epoch"),
        .failure_count = (int32_t)pg_get_int64(rows, row, "failure_count"),
    };
}

static void obligations_from_rows(struct call *call, const struct pg_rows *rows, int64_t now_us,
                                  struct obligation **obligations, size_t *count)
{
    struct obligation *list = arena_array(call->arena, rows->count, sizeof(*list));

    for (size_t i = 0; i < rows->count; i++) {
        obligation_from_row(rows, i, &list[i]);
        list[i].now_us = now_us;
    }
    *obligations = list;
    *count = rows->count;
}

/* One descent of the index a bucket: a range of them would be read whole, with all the future. */
static const struct pg_statement list_due = {
    .name = "obligation_list_due",
    .sql = "SELECT " COLUMNS "  FROM obligation o"
           " WHERE o.bucket = ANY (ARRAY(SELECT generate_series($1::integer, $2::integer)))"
           "   AND o.test_clock_id IS NULL AND o.due_time <= $3"
           "   AND (o.lease_until IS NULL OR o.lease_until < clock_timestamp())"
           " ORDER BY o.due_time LIMIT $4",
};

const struct error *obligation_list_due(struct call *call, int32_t bucket_first,
                                        int32_t bucket_last, int64_t now_us, int64_t limit,
                                        struct obligation **obligations, size_t *count)
{
    struct pg_rows rows;

    TRY(pg_read(
        call, UUID_NIL, &list_due,
        PG_PARAMS(pg_int32(bucket_first), pg_int32(bucket_last), pg_time(now_us), pg_int64(limit)),
        &rows));
    obligations_from_rows(call, &rows, now_us, obligations, count);
    return NULL;
}

static const struct pg_statement next_due = {
    .name = "obligation_next_due",
    .sql = "SELECT min(o.due_time) AS due_time FROM obligation o"
           " WHERE o.test_clock_id = $1 AND o.due_time <= $2",
};

const struct error *obligation_next_due(struct call *call, struct uuid test_clock,
                                        int64_t target_us, int64_t *due_us, bool *found)
{
    struct pg_rows rows;

    TRY(pg_read(call, test_clock, &next_due, PG_PARAMS(pg_uuid(test_clock), pg_time(target_us)),
                &rows));
    *found = !pg_is_null(&rows, 0, "due_time");
    *due_us = pg_get_time(&rows, 0, "due_time");
    return NULL;
}

/* One walk along the index: the order of its keys, and what is left to sort is one customer's. */
static const struct pg_statement list_moment = {
    .name = "obligation_list_moment",
    .sql = "SELECT " COLUMNS "  FROM obligation o"
           " WHERE o.test_clock_id = $1 AND o.due_time = $2 AND o.customer_id >= $3"
           "   AND (o.customer_id, o.kind, o.business_key) > ($3, $4, $5)"
           " ORDER BY o.customer_id, o.kind, o.business_key LIMIT $6",
};

const struct error *obligation_list_moment(struct call *call, struct uuid test_clock,
                                           int64_t due_us, const struct obligation *after,
                                           int64_t limit, struct obligation **obligations,
                                           size_t *count)
{
    static const struct obligation none = {.kind = "", .business_key = ""};
    struct pg_rows rows;

    if (after == NULL)
        after = &none;
    TRY(pg_read(call, test_clock, &list_moment,
                PG_PARAMS(pg_uuid(test_clock), pg_time(due_us), pg_uuid(after->customer),
                          pg_text(after->kind), pg_text(after->business_key), pg_int64(limit)),
                &rows));
    obligations_from_rows(call, &rows, due_us, obligations, count);
    return NULL;
}

/* Whoever is told by webhooks may be away for days: no clock waits for that. */
static const struct pg_statement list_unsettled = {
    .name = "obligation_list_unsettled",
    .sql = "SELECT " COLUMNS "  FROM customer c"
           "  JOIN obligation o ON o.customer_id = c.customer_id"
           " WHERE c.test_clock_id = $1 AND o.test_clock_id IS NULL AND o.kind <> 'webhook.deliver'"
           " ORDER BY o.customer_id, o.due_time, o.kind, o.business_key LIMIT $2",
};

const struct error *obligation_list_unsettled(struct call *call, struct uuid test_clock,
                                              int64_t limit, struct obligation **obligations,
                                              size_t *count)
{
    struct pg_rows rows;

    TRY(pg_read(call, test_clock, &list_unsettled, PG_PARAMS(pg_uuid(test_clock), pg_int64(limit)),
                &rows));
    obligations_from_rows(call, &rows, call->now_us, obligations, count);
    return NULL;
}

/* Names one claim, so that it finds itself when it is run again after a lost COMMIT. */
static struct uuid claim_id(struct call *call)
{
    return uuid_make(call->house->random, call->now_us);
}

static const struct pg_statement claim = {
    .name = "obligation_claim",
    .sql = "SELECT obligation_claim($1, $2, $3, $4, $5, $6) AS epoch",
};

const struct error *obligation_claim(struct call *call, const struct obligation *obligation,
                                     int64_t lease_ms, int64_t *epoch)
{
    struct pg_rows rows;

    TRY(pg_write(call, obligation->customer, &claim,
                 PG_PARAMS(pg_uuid(obligation->customer), pg_text(obligation->kind),
                           pg_text(obligation->business_key), pg_int64(obligation->epoch),
                           pg_int64(lease_ms), pg_uuid(claim_id(call))),
                 &rows));
    *epoch = pg_get_int64(&rows, 0, "epoch");
    return NULL;
}

static const struct pg_statement finish = {
    .name = "obligation_finish",
    .sql = "SELECT obligation_finish($1, $2, $3, $4) AS held",
};

const struct error *jobs_finish(struct call *call, const struct obligation *obligation)
{
    struct pg_rows rows;

    return FAIL_STEP(
        call, "jobs.finish", obligation->kind,
        pg_write(call, obligation->customer, &finish,
                 PG_PARAMS(pg_uuid(obligation->customer), pg_text(obligation->kind),
                           pg_text(obligation->business_key), pg_int64(obligation->epoch)),
                 &rows));
}

static const struct pg_statement move = {
    .name = "obligation_move",
    .sql = "SELECT obligation_move($1, $2, $3, $4, $5, $6) AS held",
};

static const struct error *move_to(struct call *call, const struct obligation *obligation,
                                   int64_t due_us, const char *failure)
{
    struct pg_rows rows;

    return pg_write(call, obligation->customer, &move,
                    PG_PARAMS(pg_uuid(obligation->customer), pg_text(obligation->kind),
                              pg_text(obligation->business_key), pg_int64(obligation->epoch),
                              pg_time(due_us), pg_text(failure)),
                    &rows);
}

const struct error *jobs_move(struct call *call, const struct obligation *obligation,
                              int64_t due_us)
{
    return FAIL_STEP(call, "jobs.move", obligation->kind, move_to(call, obligation, due_us, NULL));
}

const struct error *obligation_fail(struct call *call, const struct obligation *obligation,
                                    int64_t due_us, const char *failure)
{
    return move_to(call, obligation, due_us, failure);
}

static const struct pg_statement clock_claim = {
    .name = "test_clock_claim",
    .sql = "SELECT * FROM test_clock_claim($1, $2, $3, $4)",
};

const struct error *clock_run_claim(struct call *call, struct uuid clock, int64_t target_us,
                                    int64_t lease_ms, struct clock_run *run,
                                    enum clock_claim *outcome)
{
    struct pg_rows rows;

    TRY(pg_write(
        call, clock, &clock_claim,
        PG_PARAMS(pg_uuid(clock), pg_time(target_us), pg_int64(lease_ms), pg_uuid(claim_id(call))),
        &rows));
    *run = (struct clock_run){
        .clock = clock,
        .epoch = pg_get_int64(&rows, 0, "epoch"),
        .time_us = pg_get_time(&rows, 0, "clock_time"),
        .target_us = pg_get_time(&rows, 0, "target_time"),
    };
    const char *text = pg_get_text(&rows, 0, "outcome");
    if (text_equal(text, "claimed"))
        *outcome = CLOCK_CLAIMED;
    else if (text_equal(text, "busy"))
        *outcome = CLOCK_BUSY;
    else if (text_equal(text, "absent"))
        *outcome = CLOCK_ABSENT;
    else if (text_equal(text, "backwards"))
        *outcome = CLOCK_BACKWARDS;
    else
        bug("test_clock_claim answered '%s'", text);
    return NULL;
}

static const struct pg_statement clock_move = {
    .name = "test_clock_move",
    .sql = "SELECT test_clock_move($1, $2, $3, $4) AS held",
};

const struct error *clock_run_move(struct call *call, const struct clock_run *run, int64_t time_us,
                                   int64_t lease_ms, bool *held)
{
    struct pg_rows rows;

    TRY(pg_write(
        call, run->clock, &clock_move,
        PG_PARAMS(pg_uuid(run->clock), pg_int64(run->epoch), pg_time(time_us), pg_int64(lease_ms)),
        &rows));
    *held = pg_get_bool(&rows, 0, "held");
    return NULL;
}

static const struct pg_statement clock_stop = {
    .name = "test_clock_stop",
    .sql = "SELECT test_clock_stop($1, $2, $3) AS held",
};

const struct error *clock_run_stop(struct call *call, const struct clock_run *run, bool reached)
{
    struct pg_rows rows;

    return pg_write(call, run->clock, &clock_stop,
                    PG_PARAMS(pg_uuid(run->clock), pg_int64(run->epoch), pg_bool(reached)), &rows);
}

static const struct pg_statement clock_release = {
    .name = "test_clock_release",
    .sql = "SELECT test_clock_release($1, $2) AS held",
};

const struct error *clock_run_release(struct call *call, const struct clock_run *run)
{
    struct pg_rows rows;

    return pg_write(call, run->clock, &clock_release,
                    PG_PARAMS(pg_uuid(run->clock), pg_int64(run->epoch)), &rows);
}

static const struct pg_statement clock_abandoned = {
    .name = "test_clock_abandoned",
    .sql = "SELECT test_clock_id, target_time FROM test_clock"
           " WHERE target_time IS NOT NULL AND lease_until < clock_timestamp() LIMIT 1",
};

const struct error *clock_find_abandoned(struct call *call, struct uuid *clock, int64_t *target_us,
                                         bool *found)
{
    struct pg_rows rows;

    TRY(pg_read(call, UUID_NIL, &clock_abandoned, (struct pg_params){NULL, 0}, &rows));
    *found = rows.count > 0;
    if (*found) {
        *clock = pg_get_uuid(&rows, 0, "test_clock_id");
        *target_us = pg_get_time(&rows, 0, "target_time");
    }
    return NULL;
}

pg_statement_list jobs_statements = {
    &list_due,    &next_due,   &list_moment, &list_unsettled, &claim,           &finish, &move,
    &clock_claim, &clock_move, &clock_stop,  &clock_release,  &clock_abandoned, NULL,
};
