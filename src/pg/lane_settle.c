/*
 * What the answers of a batch mean for its ops.
 *
 *   committed            every op has its rows
 *   one op raised        all was rolled back: each op again, alone; only the culprit sees the error
 *   lost a race          again, at most PG_TRIES_MAX times, with jitter
 *   connection lost      unknown whether it was committed: the same ops again on a new connection.
 *                        They are idempotent, and wait for a twin that is still running.  Asking
 *                        instead (pg_xact_status, SELECT) would not be a truth.
 *
 * What runs again goes to the front of the queue in its old order.
 */
#include "pg/lane.h"

#include "base/random.h"
#include "pg/rows.h"
#include "pg/set.h"

#define JITTER_MIN_MS 5

static void finish(struct lane *lane, struct op *op)
{
    op_drop_result(op);
    op_list_append(&lane->finished, op);
}

static void finish_with_rows(struct lane *lane, struct op *op)
{
    struct rows_part part = {.result = op->result, .row_count = PQntuples(op->result)};

    if (op->in_set)
        part = (struct rows_part){.result = op->result,
                                  .first_row = op->row,
                                  .row_count = op->row < 0 ? 0 : 1,
                                  .first_column = SET_COLUMN_FIRST};
    op->error = rows_copy(op->call, op->statement, part, op->rows);
    counter_add(&lane->counts.ops[OP_ANSWERED], 1);
    finish(lane, op);
}

/* Is it the lack of time, or a rival, that may be the op's own twin on a lost connection? */
static bool may_be_its_twin(const struct batch *batch, const struct op *op)
{
    return op->sent && (batch->failure == FAILURE_TIMEOUT || batch->failure == FAILURE_RACE);
}

static void finish_with_problem(struct lane *lane, const struct batch *batch, struct op *op)
{
    bool unknown = may_be_its_twin(batch, op);

    counter_add(&lane->counts.ops[unknown ? OP_UNAVAILABLE : OP_REFUSED], 1);
    if (unknown)
        op->error = database_unavailable(
            op->call, "the connection was lost in COMMIT and trying again failed: unknown");
    else
        op->error = sqlstate_error(op->call, op->statement,
                                   PQresultErrorField(batch->problem, PG_DIAG_SQLSTATE),
                                   PQresultErrorField(batch->problem, PG_DIAG_MESSAGE_PRIMARY));
    finish(lane, op);
}

/* A list of what runs again, in front of what is queued. */
static void queue_again(struct lane *lane, struct op_list *again)
{
    if (again->count == 0)
        return;
    counter_add(&lane->counts.runs_again, again->count);
    pthread_mutex_lock(&lane->mutex);
    lane->first_due_us = 0; /* the next look finds out */
    for (struct op *op = op_list_take(&lane->queue); op != NULL; op = op_list_take(&lane->queue))
        op_list_append(again, op);
    lane->queue = *again;
    pthread_mutex_unlock(&lane->mutex);
}

static void run_again(struct op_list *again, struct op *op, bool alone)
{
    op_drop_result(op);
    op->alone = alone;
    op_list_append(again, op);
}

/* Does the culprit get another try, or its error? */
static bool may_try_again(const struct batch *batch, struct op *op)
{
    switch (batch->failure) {
    case FAILURE_RACE:
    case FAILURE_STALE:
        return ++op->tries < PG_TRIES_MAX;
    case FAILURE_TIMEOUT:
        return may_be_its_twin(batch, op) && ++op->tries < PG_TRIES_MAX;
    case FAILURE_LOST:
    case FAILURE_OTHER:
        break;
    }
    /* In company it may have suffered from the company. */
    return batch->is_write && batch->count > 1;
}

static void settle_write_problem(struct lane *lane, struct batch *batch, struct op_list *again)
{
    for (size_t i = 0; i < batch->count; i++) {
        struct op *op = batch->ops[i];
        bool guilty = op == batch->culprit || batch->count == 1;

        if (guilty && !may_try_again(batch, op))
            finish_with_problem(lane, batch, op);
        else
            run_again(again, op, true);
    }
}

static void settle_read(struct lane *lane, struct batch *batch, struct op_list *again)
{
    for (size_t i = 0; i < batch->count; i++) {
        struct op *op = batch->ops[i];

        if (op->result != NULL)
            finish_with_rows(lane, op);
        else if (op == batch->culprit && !may_try_again(batch, op))
            finish_with_problem(lane, batch, op);
        else
            run_again(again, op, false);
    }
}

/* A short random pause, so that two servers that deadlocked do not meet again. */
static void jitter(struct lane *lane, const struct batch *batch)
{
    int32_t tries = batch->culprit != NULL ? batch->culprit->tries : 1;
    uint64_t bound_ms = (uint64_t)JITTER_MIN_MS << (tries < PG_TRIES_MAX ? tries : PG_TRIES_MAX);

    lane_poll(lane, -1, 0, (int)random_below(lane->options->random, bound_ms));
}

void lane_settle(struct lane *lane, struct batch *batch)
{
    struct op_list again = {0};

    lane->failed_connects = 0;
    if (!batch->is_write) {
        settle_read(lane, batch, &again);
    } else if (batch->committed) {
        for (size_t i = 0; i < batch->count; i++)
            finish_with_rows(lane, batch->ops[i]);
    } else {
        settle_write_problem(lane, batch, &again);
    }
    if (batch->problem != NULL && batch->failure == FAILURE_RACE && again.count > 0)
        jitter(lane, batch);
    queue_again(lane, &again);
    if (batch->problem != NULL && batch->failure == FAILURE_STALE)
        lane_disconnect(lane, "a prepared statement no longer fits the schema");
}

void lane_settle_lost(struct lane *lane, struct batch *batch)
{
    struct op_list again = {0};

    for (size_t i = 0; i < batch->count; i++) {
        struct op *op = batch->ops[i];

        if (batch->committed) {
            finish_with_rows(lane, op);
            continue;
        }
        /* Lost twice: perhaps this very op kills the server; do not let it take others along. */
        bool alone = op->alone || op->sent;
        op->sent = true;
        run_again(&again, op, alone);
    }
    queue_again(lane, &again);
    lane_disconnect(lane, PQerrorMessage(lane->connection.pg));
}
