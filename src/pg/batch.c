/*
 * Sending a batch and reading its answers in libpq's pipeline mode.  What the answers mean for the
 * ops is decided in lane.c.
 */
#include "pg/batch.h"

#include "pg/params.h"

static const struct pg_statement begin = {"pg_begin", "BEGIN"};
static const struct pg_statement commit = {"pg_commit", "COMMIT"};
static const struct pg_statement rollback = {"pg_rollback", "ROLLBACK"};

static void item_add(struct batch *batch, enum item_kind kind, const struct pg_statement *statement,
                     struct op *op)
{
    batch->items[batch->item_count++] =
        (struct item){.kind = kind, .statement = statement, .op = op};
}

/* The answer may still say no: batch_read then takes the statement out of the set again. */
static bool send_prepare(struct connection *connection, struct batch *batch,
                         const struct pg_statement *statement, const struct pg_encoded *encoded,
                         size_t count, struct op *op)
{
    if (connection_is_prepared(connection, statement))
        return true;
    connection_set_prepared(connection, statement);
    item_add(batch, ITEM_PREPARE, statement, op);
    return PQsendPrepare(connection->pg, statement->name, statement->sql, (int)count,
                         encoded->types) == 1;
}

static bool send_statement(struct connection *connection, struct batch *batch, enum item_kind kind,
                           const struct pg_statement *statement, struct op *op)
{
    struct pg_encoded encoded;
    size_t count = op != NULL ? op->params.count : 0;

    if (op != NULL)
        pg_encode(&op->params, &encoded);
    if (!send_prepare(connection, batch, statement, &encoded, count, op))
        return false;
    item_add(batch, kind, statement, op);
    return PQsendQueryPrepared(connection->pg, statement->name, (int)count, encoded.values,
                               encoded.lengths, encoded.formats, 1) == 1;
}

bool batch_send(struct connection *connection, struct batch *batch)
{
    bool sent = true;

    if (connection->must_roll_back)
        sent = send_statement(connection, batch, ITEM_CONTROL, &rollback, NULL);
    connection->must_roll_back = false;
    if (batch->is_write)
        sent = sent && send_statement(connection, batch, ITEM_CONTROL, &begin, NULL);
    for (size_t i = 0; sent && i < batch->count; i++)
        sent = send_statement(connection, batch, ITEM_OP, batch->ops[i]->statement, batch->ops[i]);
    if (batch->is_write)
        sent = sent && send_statement(connection, batch, ITEM_COMMIT, &commit, NULL);
    item_add(batch, ITEM_SYNC, NULL, NULL);
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
    batch->culprit = item->op;
    batch->failure = sqlstate_failure(PQresultErrorField(result, PG_DIAG_SQLSTATE));
}

static void note_success(struct batch *batch, const struct item *item, PGresult *result)
{
    switch (item->kind) {
    case ITEM_OP:
        PQclear(item->op->result);
        item->op->result = result;
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
static bool take_answer(struct connection *connection, struct batch *batch, const struct item *item,
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
        const struct item *item = &batch->items[batch->item_next];

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
    PQclear(batch->problem);
    batch->problem = NULL;
}
