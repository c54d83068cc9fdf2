/*
 * A payment: one amount charged to one payment method, once.
 *
 *   PROCESSING ──┬──► SUCCEEDED         the money was taken; refunds are beside it
 *                ├──► FAILED            no money was taken, decline_code says why
 *                └──► REQUIRES_ACTION   the bank wants the customer to authenticate
 *
 * Attempts (what was asked of the gateway) are below; both tables of moves are in payment_rules.c.
 */
#pragma once

#include "base/method.h"
#include "base/money.h"
#include "pg/pg.h"

enum payment_state {
    PAYMENT_PROCESSING,
    PAYMENT_REQUIRES_ACTION,
    PAYMENT_SUCCEEDED,
    PAYMENT_FAILED,
    PAYMENT_STATE_COUNT
};

enum attempt_state {
    ATTEMPT_SENDING,   /* a request may have left; somebody holds the lease, or died */
    ATTEMPT_UNKNOWN,   /* it may have happened; nobody drives it until the next check */
    ATTEMPT_RESOLVING, /* the resolver holds the lease */
    ATTEMPT_SUCCEEDED,
    ATTEMPT_DECLINED,
    ATTEMPT_FAILED, /* not executed and never will be */
    ATTEMPT_REQUIRES_ACTION,
    ATTEMPT_MANUAL, /* people decide */
    ATTEMPT_STATE_COUNT
};

struct payment {
    struct uuid customer;
    struct uuid id;
    struct uuid payment_method;
    struct uuid invoice; /* UUID_NIL: a payment of its own */
    struct money amount;
    const char *description;
    enum payment_state state;
    const char *decline_code; /* "" unless FAILED or REQUIRES_ACTION */
    int64_t captured_minor;
    int64_t refunded_minor;
    int64_t refund_pending_minor; /* reserved by refunds on their way */
    int64_t create_time_us;
    int64_t update_time_us;
};

const char *payment_state_name(enum payment_state state);
/* False leaves `*state` alone. */
bool payment_state_parse(const char *name, enum payment_state *state);
bool payment_may_move(enum payment_state from, enum payment_state to);

const char *attempt_state_name(enum attempt_state state);
bool attempt_state_parse(const char *name, enum attempt_state *state);
bool attempt_may_move(enum attempt_state from, enum attempt_state to);
/* A result or a person's business: no machine moves it on. */
bool attempt_is_over(enum attempt_state state);

/* Minor units that can still be refunded; 0 unless SUCCEEDED. */
int64_t payment_refundable(const struct payment *payment);

/* Fails with NOT_FOUND / PAYMENT_NOT_FOUND. */
const struct error *payment_load(struct call *call, struct uuid customer, struct uuid id,
                                 struct payment *payment) MUST_CHECK;

/* The columns of SQL type payment_result. */
void payment_from_row(struct call *call, struct uuid customer, const struct pg_rows *rows,
                      size_t row, struct payment *payment);

extern const struct rpc_service payment_service;
extern pg_statement_list payment_statements;

/* Obligations "payment.resolve" and "refund.resolve": what became of an attempt? */
extern const struct job_kind payment_resolve_job;
extern const struct job_kind refund_resolve_job;
