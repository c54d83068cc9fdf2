/*
 * A membership: a customer's subscription to a plan, and the invoices that it writes.
 *
 *                   paid
 *   INCOMPLETE ──────────────► ACTIVE ◄──────┐ renewed
 *       │ not paid in 23 h     │ │ └─────────┘
 *       ▼           declined   │ │ cancelled ▲
 *    EXPIRED          ┌────────┘ │           │ recovered
 *                     ▼          ▼           │
 *   TRIALING ────► PAST_DUE ──► CANCELED     │
 *       │             └──────────────────────┘
 *       └──► ACTIVE, CANCELED
 *
 * While a payment is in flight (pending_payment) nothing ends, renews or is cancelled at once: what
 * became of the money is found out first.
 */
#pragma once

#include "base/method.h"
#include "base/money.h"
#include "pg/pg.h"

enum membership_state {
    MEMBERSHIP_INCOMPLETE, /* the first payment has not succeeded; no access */
    MEMBERSHIP_TRIALING,   /* access, nothing charged yet */
    MEMBERSHIP_ACTIVE,     /* paid; access */
    MEMBERSHIP_PAST_DUE,   /* the renewal was declined; access until access_end */
    MEMBERSHIP_CANCELED,   /* ended */
    MEMBERSHIP_EXPIRED,    /* ended before it began */
    MEMBERSHIP_STATE_COUNT
};

struct membership {
    struct uuid customer;
    struct uuid id;
    int64_t version; /* guard of the next change */
    enum membership_state state;
    const char *plan;
    const char *tier;
    struct money price;    /* as the plan was when it was taken */
    int32_t period_months; /* 0: costs nothing and has no end */
    struct uuid payment_method;
    int64_t anchor_us;    /* period n begins n * period_months after it */
    int32_t period_index; /* of the current period; -1: the trial */
    int64_t period_start_us;
    int64_t period_end_us; /* 0: without end */
    int64_t trial_end_us;  /* times below: 0 is none */
    int64_t access_end_us;
    int64_t next_charge_us;
    bool cancel_at_period_end;
    int64_t cancel_us;
    int64_t end_us;
    int32_t retry_number;        /* the retry that comes next; 0: none */
    struct uuid pending_payment; /* UUID_NIL: no money in flight */
    struct uuid latest_invoice;
    const char *decline_code;         /* of the latest charge; "" unless it was refused */
    const char *network_decline_code; /* of the same, as struct payment has them */
    const char *advice;
    int64_t decline_us;
    int64_t create_us;
    int64_t update_us;
};

enum invoice_state {
    INVOICE_OPEN,
    INVOICE_PAID,
    INVOICE_VOID,          /* never to be paid, as if never written */
    INVOICE_UNCOLLECTIBLE, /* owed, but given up */
    INVOICE_STATE_COUNT
};

struct invoice {
    struct uuid customer;
    struct uuid id;
    int64_t number;
    struct uuid membership;
    enum invoice_state state;
    struct money total;
    int64_t due_us; /* start of the period that it was written for; never changes */
    int64_t period_start_us;
    int64_t period_end_us;
    struct uuid payment; /* the latest; UUID_NIL: none */
    int64_t create_us;
    int64_t paid_us; /* 0 unless PAID */
};

struct invoice_line {
    const char *description;
    struct money amount;
    int64_t period_start_us;
    int64_t period_end_us;
};

const char *membership_state_name(enum membership_state state);
const char *invoice_state_name(enum invoice_state state);
/* A name that is not one of ours is a bug. */
enum membership_state membership_state_from_name(const char *name);
enum invoice_state invoice_state_from_name(const char *name);

extern const struct rpc_service membership_service;
extern pg_statement_list membership_statements;

struct job_kind;
struct payment_purpose;

/* Obligations of memberships. */
extern const struct job_kind membership_renew_job;
extern const struct job_kind membership_retry_job;
extern const struct job_kind membership_end_job;
extern const struct job_kind membership_expire_job;

/* What follows from the payment of an invoice. */
extern const struct payment_purpose payment_purpose_invoice;
