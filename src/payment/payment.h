/*
 * A payment: one amount charged to one payment method, once.
 *
 *   PROCESSING ──┬──────────────────────────────► SUCCEEDED   money was taken; refunds are beside
 * it │         ├──► REQUIRES_CAPTURE ──┬──────► SUCCEEDED   all was captured, or the rest let go of
 *      │         │        (manual)       └──────► CANCELED    nothing was captured
 *      │         └──────────────────────────────► FAILED      nothing was taken; decline_code
 *      └──► REQUIRES_ACTION   the customer must authenticate; goes on as PROCESSING does, or is
 *                             CANCELED before
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
    PAYMENT_REQUIRES_CAPTURE,
    PAYMENT_SUCCEEDED,
    PAYMENT_FAILED,
    PAYMENT_CANCELED,
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

struct gateway_action;

struct payment {
    struct uuid customer;
    struct uuid id;
    struct uuid payment_method;
    struct uuid invoice; /* UUID_NIL: a payment of its own */
    struct money amount;
    const char *description;
    enum payment_state state;
    const char *decline_code;         /* "" unless FAILED or REQUIRES_ACTION; so are the next two */
    const char *network_decline_code; /* the card network's two characters, or "" */
    const char *advice;               /* the card network's, as in struct gateway_answer */
    bool is_manual;                   /* authorized first, captured by a later call */
    int64_t captured_minor;
    int64_t capturable_minor;      /* held and free to be captured */
    int64_t capture_pending_minor; /* reserved by captures or a void on their way */
    int64_t refunded_minor;
    int64_t refund_pending_minor;    /* reserved by refunds on their way */
    int64_t disputed_minor;          /* of disputes that are open or lost */
    int64_t authorization_expire_us; /* customer's time; 0: nothing was held */
    int64_t create_time_us;
    int64_t update_time_us;
    const struct gateway_action *action; /* REQUIRES_ACTION, where it was asked for; else NULL */
};

const char *payment_state_name(enum payment_state state);
/* False leaves `*state` alone. */
bool payment_state_parse(const char *name, enum payment_state *state);
bool payment_may_move(enum payment_state from, enum payment_state to);

const char *attempt_state_name(enum attempt_state state);
bool attempt_state_parse(const char *name, enum attempt_state *state);
bool attempt_may_move(enum attempt_state from, enum attempt_state to);
/* A result, the customer's or a person's business: no machine moves it on by itself. */
bool attempt_is_over(enum attempt_state state);

/* Minor units that can still be refunded, of which no bank wants any; 0 unless SUCCEEDED. */
int64_t payment_refundable(const struct payment *payment);

/* Fails with NOT_FOUND / PAYMENT_NOT_FOUND. */
const struct error *payment_load(struct call *call, struct uuid customer, struct uuid id,
                                 struct payment *payment) MUST_CHECK;

/* The columns of SQL type payment_result. */
void payment_from_row(struct call *call, struct uuid customer, const struct pg_rows *rows,
                      size_t row, struct payment *payment);

extern const struct rpc_service payment_service;
extern pg_statement_list payment_statements;

/* What the gateway tells the customer to do, when the payment is in state REQUIRES_ACTION. */
const struct error *payment_action_load(struct call *call, struct payment *payment) MUST_CHECK;

/*
 * Asks about the action of a payment in state REQUIRES_ACTION, unless somebody else is at it, and
 * has the gateway let go when nobody waits for the customer any more; `*payment` is then as it
 * stands, whether or not the gateway was heard.
 */
const struct error *action_look(struct call *call, struct payment *payment) MUST_CHECK;

/* Obligations "payment.resolve" and "refund.resolve": what became of an attempt? */
extern const struct job_kind payment_resolve_job;
extern const struct job_kind refund_resolve_job;
/* "payment.action": has the customer authenticated?  At last nobody waits any more. */
extern const struct job_kind payment_action_job;
/* "payment.expire": an authorization has ended. */
extern const struct job_kind payment_expire_job;
/* "refund.watch": has a refund failed after it had succeeded? */
extern const struct job_kind refund_watch_job;
/* "dispute.watch": how does a dispute stand now? */
extern const struct job_kind dispute_watch_job;
/* "dispute.respond": what became of evidence, or of giving in? */
extern const struct job_kind dispute_respond_job;
/* "payment_method.expiry": the card that a membership renews with is about to expire. */
extern const struct job_kind payment_method_expiry_job;

/* "payment_method.detach", "payment_method.update": a gateway must hear what became of a card. */
extern const struct job_kind payment_method_detach_job, payment_method_update_job;
/* "incident.resolve": what two operators asked for is done. */
extern const struct job_kind incident_resolve_job;
/* Our books against the gateways': a run; every day one; what succeeded lately. */
extern const struct job_kind reconcile_run_job, reconcile_daily_job, reconcile_confirm_job;

/* Sees to it that runs and confirmations are owed, while it is open. */
struct watch *reconcile_watch_open(const struct house *house);
