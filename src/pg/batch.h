/*
 * A batch: ops that go to PostgreSQL in one flush and are answered together.
 *
 *   write   [ROLLBACK] BEGIN  op  op  …  COMMIT  Sync
 *   read    op  op  set of ops  op  …  Sync
 *
 * A statement's PREPARE travels in front of its first use on the connection.
 */
#pragma once

#include "pg/connection.h"
#include "pg/op.h"
#include "pg/sqlstate.h"

#define BATCH_OPS_MAX 64

enum item_kind { ITEM_PREPARE, ITEM_CONTROL, ITEM_OP, ITEM_SET, ITEM_COMMIT, ITEM_SYNC };

/* One command of the pipeline, answered in the order of sending. */
struct item {
    enum item_kind kind;
    const struct pg_statement *statement;
    struct op *op;    /* ITEM_OP, the first of ITEM_SET, and the ITEM_PREPARE in front of it */
    size_t set_count; /* of ITEM_SET and the ITEM_PREPARE in front of it; 0: no set */
    PGresult *dealt;  /* ITEM_SET: what its ops have their rows of */
};

/* ROLLBACK, BEGIN, the ops and COMMIT, each with a PREPARE and what it shows, and the Sync. */
#define BATCH_ITEMS_MAX (3 * (BATCH_OPS_MAX + 3) + 2)

struct batch {
    bool is_write;
    struct op *ops[BATCH_OPS_MAX];
    bool sent[BATCH_OPS_MAX]; /* as part of a set already */
    size_t count;

    struct item items[BATCH_ITEMS_MAX];
    size_t item_count;
    size_t statement_count; /* that carry ops */
    bool shows_trace;       /* application_name is a call's trace */
    size_t item_next;       /* whose answer is read next */
    bool item_answered;     /* only its closing NULL is missing */

    bool committed;       /* COMMIT was answered */
    PGresult *problem;    /* the first error */
    struct op *culprit;   /* whose error it is; NULL: BEGIN or COMMIT, or a set's */
    enum failure failure; /* what kind, when there is a problem */
};

enum batch_progress { BATCH_WAITING, BATCH_ANSWERED, BATCH_LOST };

/* Queues the commands and begins to flush.  False: the connection is lost. */
bool batch_send(struct connection *connection, struct batch *batch);

/* Reads what has arrived, without blocking. */
enum batch_progress batch_read(struct connection *connection, struct batch *batch);

/* Releases the results that it holds. */
void batch_release(struct batch *batch);
