/*
 * An op on its way: what pg_read and pg_write hand to a lane.  It lives on the stack of the parked
 * fiber, together with its parameters, so the lane answers it exactly once and never looks at it
 * again afterwards.
 */
#pragma once

#include "pg/libpq.h"

#include "base/fiber.h"
#include "pg/pg.h"

/* Tries of an op that lost against a concurrent transaction (40001, 40P01). */
#define PG_TRIES_MAX 3

struct op {
    struct op *next;
    struct op *next_in_set; /* pg/set.h */
    struct call *call;
    const struct pg_statement *statement;
    struct pg_params params;
    struct fiber *fiber;
    int64_t queued_us;  /* monotonic */
    int64_t give_up_us; /* monotonic: when its caller must be told, a little before the deadline */
    /* Set by the lane: */
    bool alone;       /* its batch was rolled back: run it in a transaction of its own */
    bool apart;       /* its set failed: ask for it by itself */
    bool sent;        /* it was sent on a connection that was then lost */
    int32_t tries;    /* lost against a concurrent transaction so far */
    PGresult *result; /* held back until the commit is known */
    bool in_set;      /* the result is the whole set's, and not the op's to clear */
    int row;          /* in_set: its row of the result; -1: none */
    /* The answer: */
    struct pg_rows *rows;
    const struct error *error;
};

static inline void op_drop_result(struct op *op)
{
    if (!op->in_set)
        PQclear(op->result);
    op->result = NULL;
    op->in_set = false;
}

/* First in, first out; the lane's mutex guards it. */
struct op_list {
    struct op *first;
    struct op *last;
    size_t count;
};

static inline void op_list_append(struct op_list *list, struct op *op)
{
    op->next = NULL;
    if (list->last == NULL)
        list->first = op;
    else
        list->last->next = op;
    list->last = op;
    list->count++;
}

static inline struct op *op_list_take(struct op_list *list)
{
    struct op *op = list->first;

    if (op == NULL)
        return NULL;
    list->first = op->next;
    if (list->first == NULL)
        list->last = NULL;
    list->count--;
    op->next = NULL;
    return op;
}
