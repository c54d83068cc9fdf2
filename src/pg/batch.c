/*
 * Sending a batch and reading its answers in libpq's pipeline mode.  What the answers mean for the
 * ops is decided in lane.c.
 */
#include "pg/batch.h"

#include "pg/params.h"
#include "pg/set.h"

static const struct pg_statement begin = {.name = "pg_begin", .sql = "BEGIN"};
static const struct pg_statement commit = {.name = "pg_commit", .sql = "COMMIT"};
static const struct pg_statement rollback = {.name = "pg_rollback", .sql = "ROLLBACK"};

/* Until the end of the batch: all of it is one transaction, explicit or not. */
static const struct pg_statement show = {.name = "pg_show",
                                         .sql = "SELECT set_config('application_name', $1, true)"};

/* The answer may still say no: batch_read then takes the statement out of the set again. */
static bool send_prepare(struct connection *connection, struct batch *batch,
                         const struct item *item, size_t count)
{
    if (connection_is_prepared(connection, item->statement))
        return true;
    connection_set_prepared(connection, item->statement);
    batch->items[batch->item_count] = *item;
    batch->items[batch->item_count++].kind = ITEM_PREPARE;
    return PQsendPrepare(connection->pg, item->statement->name, item->statement->sql, (int)count,
                         connection->encoded.types) == 1;
}

/* Its parameters are in connection->encoded. */
static bool send_item(struct connection *connection, struct batch *batch, struct item item,
                      size_t count)
{
    const struct pg_encoded *encoded = &connection->encoded;

    if (!send_prepare(connection, batch, &item, count))
        return false;
    batch->items[batch->item_count++] = item;
    return PQsendQueryPrepared(connection->pg, item.statement->name, (int)count, encoded->values,
                               encoded->lengths, encoded->formats, 1) == 1;
}

static bool send_control(struct connection *connection, struct batch *batch, enum item_kind kind,
                         const struct pg_statement *statement)
{
    return send_item(connection, batch, (struct item){.kind = kind, .statement = statement}, 0);
}

/*
 * What pg_stat_activity and the server's log show of what comes next: the trace of a call that is
 * followed, else the lane.
 */
static bool send_show(struct connection *connection, struct batch *batch, const struct op *op)
{
    const struct item item = {.kind = ITEM_CONTROL, .statement = &show};
    char text[APPLICATION_SIZE];

    if (!op->call->sampled && !batch->shows_trace)
        return true;
    batch->shows_trace = op->call->sampled;
    if (op->call->sampled)
        snprintf(text, sizeof(text), "dues %s", op->call->trace);
    else
        snprintf(text, sizeof(text), "%s", connection->application);
    pg_encode(&PG_PARAMS(pg_text(text)), &connection->encoded);
    return send_item(connection, batch, item, 1);
}

static bool send_op(struct connection *connection, struct batch *batch, struct op *op)
{
    const struct item item = {.kind = ITEM_OP, .statement = op->statement, .op = op};

    if (!send_show(connection, batch, op))
        return false;
    batch->statement_count++;
    pg_encode(&op->params, &connection->encoded);
    return send_item(connection, batch, item, op->params.count);
}

static bool may_join(const struct op *op)
{
    return op->statement->is_lookup && !op->apart && !op->call->sampled;
}

/* Links the ops from the i-th on that may be asked together with it.  Answers how many they are. */
static size_t gather_set(struct batch *batch, size_t i)
{
    struct op *last = batch->ops[i];
    size_t count = 1;

    last->next_in_set = NULL;
    if (!may_join(last))
        return 1;
    for (size_t j = i + 1; j < batch->count; j++) {
        struct op *op = batch->ops[j];

        if (op->statement != last->statement || !may_join(op) || batch->sent[j])
            continue;
        batch->sent[j] = true;
        op->next_in_set = NULL;
        last->next_in_set = op;
        last = op;
        count++;
    }
    return count;
}

static bool send_set(struct connection *connection, struct batch *batch, struct op *first,
                     size_t count)
{
    struct item item = {.kind = ITEM_SET, .op = first, .set_count = count};
    bool sent = true;

    item.statement = set_statement(connection->sets, first->statement, &first->params);
    if (item.statement != NULL &&
        set_encode(connection->sets, first, count, &connection->encoded)) {
        batch->statement_count++;
        return send_item(connection, batch, item, first->params.count);
    }
    for (struct op *op = first; sent && op != NULL; op = op->next_in_set)
        sent = send_op(connection, batch, op);
    return sent;
}

/* Those that are followed come last: what they show would have to be taken back. */
static bool send_reads(struct connection *connection, struct batch *batch)
{
    bool sent = true;

    for (size_t i = 0; sent && i < batch->count; i++) {
        if (batch->sent[i] || batch->ops[i]->call->sampled)
            continue;
        size_t count = gather_set(batch, i);
        sent = count == 1 ? send_op(connection, batch, batch->ops[i])
                          : send_set(connection, batch, batch->ops[i], count);
    }
    for (size_t i = 0; sent && i < batch->count; i++)
        if (batch->ops[i]->call->sampled)
            sent = send_op(connection, batch, batch->ops[i]);
    sets_reset(connection->sets);
    return sent;
}

static bool send_writes(struct connection *connection, struct batch *batch)
{
    bool sent = send_control(connection, batch, ITEM_CONTROL, &begin);

    for (size_t i = 0; sent && i < batch->count; i++)
        sent = send_op(connection, batch, batch->ops[i]);
    return sent && send_control(connection, batch, ITEM_COMMIT, &commit);
}

bool batch_send(struct connection *connection, struct batch *batch)
{
    bool sent = true;

    if (connection->must_roll_back)
        sent = send_control(connection, batch, ITEM_CONTROL, &rollback);
    connection->must_roll_back = false;
    sent =
        sent && (batch->is_write ? send_writes(connection, batch) : send_reads(connection, batch));
    batch->items[batch->item_count++] = (struct item){.kind = ITEM_SYNC};
    return sent && PQpipelineSync(connection->pg) == 1 && PQflush(connection->pg) >= 0;
}

/* Keeps the first error; those behind it are only its shadow. */
static void note_problem(struct batch *batch, const struct item *item, PGresult *result)
{
    if (batch->problem != NULL) {
        PQclear(result);
        return;
    }
    batch->problem = result;
    batch->culprit = item->set_count == 0 ? item->op : NULL;
    /* Whose fault it was will be seen when each is asked by itself. */
    if (item->set_count > 0)
        for (struct op *op = item->op; op != NULL; op = op->next_in_set)
            op->apart = true;
    batch->failure = sqlstate_failure(PQresultErrorField(result, PG_DIAG_SQLSTATE));
}

static void note_success(struct batch *batch, struct item *item, PGresult *result)
{
    switch (item->kind) {
    case ITEM_OP:
        op_drop_result(item->op);
        item->op->result = result;
        return;
    case ITEM_SET:
        item->dealt = result;
        set_deal(item->op, item->set_count, result);
        return;
    case ITEM_COMMIT:
        /* COMMIT of a failed transaction answers ROLLBACK. */
        batch->committed = strcmp(PQcmdStatus(result), "COMMIT") == 0;
        break;
    case ITEM_PREPARE:
    case ITEM_CONTROL:
    case ITEM_SYNC:
        break;
    }
    PQclear(result);
}

static bool is_error(ExecStatusType status)
{
    return status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK &&
           status != PGRES_PIPELINE_ABORTED;
}

/* False: the connection is lost. */
static bool take_answer(struct connection *connection, struct batch *batch, struct item *item,
                        PGresult *result)
{
    ExecStatusType status = PQresultStatus(result);

    if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK && item->kind == ITEM_PREPARE)
        connection_forget_prepared(connection, item->statement);
    if (is_error(status)) {
        note_problem(batch, item, result);
        return batch->failure != FAILURE_LOST && PQstatus(connection->pg) == CONNECTION_OK;
    }
    if (status == PGRES_PIPELINE_ABORTED)
        PQclear(result);
    else
        note_success(batch, item, result);
    return true;
}

enum batch_progress batch_read(struct connection *connection, struct batch *batch)
{
    while (batch->item_next < batch->item_count) {
        struct item *item = &batch->items[batch->item_next];

        if (PQisBusy(connection->pg))
            return BATCH_WAITING;
        PGresult *result = PQgetResult(connection->pg);
        if (result == NULL) {
            if (!batch->item_answered)
                return BATCH_LOST;
            batch->item_answered = false;
            batch->item_next++;
        } else if (PQresultStatus(result) == PGRES_PIPELINE_SYNC) {
            PQclear(result);
            if (item->kind != ITEM_SYNC)
                return BATCH_LOST;
            batch->item_next++;
        } else {
            batch->item_answered = true;
            if (!take_answer(connection, batch, item, result))
                return BATCH_LOST;
        }
    }
    if (batch->is_write)
        connection->must_roll_back = !batch->committed;
    return BATCH_ANSWERED;
}

void batch_release(struct batch *batch)
{
    for (size_t i = 0; i < batch->item_count; i++)
        PQclear(batch->items[i].dealt);
    PQclear(batch->problem);
    batch->problem = NULL;
}
