/*
 * What the database keeps of memberships and invoices: reads, and the recorded steps of
 * migrations/functions/membership.sql.
 */
#pragma once

#include "crypto/secrets.h"
#include "jobs/jobs.h"
#include "membership/membership_rules.h"
#include "payment/charge.h"
#include "payment/payment_method.h"

/* Fails with NOT_FOUND / MEMBERSHIP_NOT_FOUND. */
const struct error *membership_load(struct call *call, struct uuid customer, struct uuid id,
                                    struct membership *membership) MUST_CHECK;

/* All that what it owes is decided by, in one look. */
struct membership_due {
    struct membership membership;
    int64_t now_us;               /* the customer's present */
    const char *plan_name;        /* as the customer reads it */
    struct uuid invoice;          /* written for the period that ends; UUID_NIL: not yet */
    struct payment_method method; /* the membership's, as far as charging needs it */
};

/* Fails as membership_load. */
const struct error *membership_due_load(struct call *call, struct uuid customer, struct uuid id,
                                        struct membership_due *due) MUST_CHECK;

/* At most `limit` memberships older than `before` (UUID_NIL: from the newest), newest first. */
const struct error *membership_list(struct call *call, struct uuid customer, struct uuid before,
                                    int64_t limit, struct membership **memberships, size_t *count)
    MUST_CHECK;

/* An invoice that a payment points to exists; its absence is our bug. */
const struct error *invoice_load(struct call *call, struct uuid customer, struct uuid id,
                                 struct invoice *invoice) MUST_CHECK;

struct invoice_with_lines {
    struct invoice invoice;
    struct invoice_line *lines;
    size_t line_count;
};

/* At most `limit` invoices with a number below `before` (0: from the newest), newest first. */
const struct error *invoice_list(struct call *call, struct uuid customer, int64_t before,
                                 int64_t limit, struct invoice_with_lines **invoices, size_t *count)
    MUST_CHECK;

/* No such customer: CUSTOMER_NOT_FOUND. */
const struct error *entitlement_facts_load(struct call *call, struct uuid customer,
                                           const char *entitlement, struct entitlement_facts *facts)
    MUST_CHECK;

/* The same; `*is_on_clock`: the customer lives in the time of a test clock. */
const struct error *entitlement_facts_clocked_load(struct call *call, struct uuid customer,
                                                   const char *entitlement,
                                                   struct entitlement_facts *facts,
                                                   bool *is_on_clock) MUST_CHECK;

/* The customer's newest payment method made since that renewals may be charged to; UUID_NIL: none.
 */
const struct error *payment_method_newer(struct call *call, const struct membership *membership,
                                         struct uuid *method) MUST_CHECK;

/* An invoice that a step writes; `due_us` 0: it is there already, only `id` counts. */
struct invoice_intent {
    struct uuid id;
    int64_t due_us;
    struct period period;
    struct money total;
    const char *description;
};

/* The invoice for the period that falls due at `due_us`; `description` as the customer reads it. */
struct invoice_intent invoice_intent_make(struct call *call, const struct membership *membership,
                                          const char *description, int64_t due_us,
                                          struct period period);

enum step_outcome {
    STEP_DONE,
    STEP_REPLAYED, /* call->recorded holds the first answer */
    STEP_RUNNING,  /* `*object`: what the first request with this request_id made */
    STEP_EXISTS,   /* `*object`: another membership */
    STEP_TRIAL_USED,
    STEP_STALE,   /* somebody changed the membership: read and decide again */
    STEP_LOST,    /* the lease of the obligation or attempt is somebody else's */
    STEP_PENDING, /* the payment's outcome is not known */
    STEP_REFUSED, /* the payment method may not be charged any more: see charge_refused */
};

/* Open: a first payment on its way.  Start: nothing to pay now; `answer` is the packed reply. */
const struct error *membership_step_open(struct call *call, const struct decision *decision,
                                         const struct invoice_intent *invoice,
                                         const struct charge *charge, int64_t now_us,
                                         enum step_outcome *outcome, struct uuid *object)
    MUST_CHECK;
const struct error *membership_step_start(struct call *call, const struct decision *decision,
                                          struct bytes answer, int64_t now_us,
                                          enum step_outcome *outcome, struct uuid *object)
    MUST_CHECK;

/* A renewal (retry 0) or a retry on its way. */
const struct error *membership_step_charge(struct call *call, const struct obligation *obligation,
                                           const struct decision *decision,
                                           const struct invoice_intent *invoice, int32_t retry,
                                           const struct charge *charge, int64_t now_us,
                                           enum step_outcome *outcome) MUST_CHECK;

/* A payment's result and what follows; `decision` NULL: the result is not definitive. */
const struct error *membership_step_settle(struct call *call, const struct charge *charge,
                                           const struct gateway_answer *answer,
                                           const struct membership *before,
                                           const struct decision *decision,
                                           enum invoice_state invoice, struct bytes reply,
                                           int64_t now_us, enum step_outcome *outcome) MUST_CHECK;

/*
 * No money moves.  `obligation` NULL: a customer's request, whose `answer` is recorded; `invoice`
 * NULL: none is written.
 */
const struct error *membership_step_move(struct call *call, const struct obligation *obligation,
                                         const struct decision *decision,
                                         const struct invoice_intent *invoice, struct bytes answer,
                                         int64_t now_us, enum step_outcome *outcome) MUST_CHECK;

/* The method of CreateMembership: its recorded answers are completed by the settlement. */
#define CREATE_MEMBERSHIP_METHOD "/dues.membership.v1.MembershipService/CreateMembership"
