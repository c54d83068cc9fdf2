/*
 * The rules of memberships: pure functions from how a membership stands to how it stands next.
 * Nothing here reads a clock or a database; the steps record what these decide.
 */
#pragma once

#include "base/settings.h"
#include "membership/membership.h"

/* Also a move that stays: ACTIVE to ACTIVE is a renewal. */
bool membership_may_move(enum membership_state from, enum membership_state to);
bool membership_has_ended(enum membership_state state);
bool invoice_may_move(enum invoice_state from, enum invoice_state to);

/* The period of the next invoice, by the anchor. */
struct period {
    int64_t start_us;
    int64_t end_us;
};
struct period membership_next_period(const struct membership *membership);

/* What was decided: how it stands then, and what to call that. */
struct decision {
    struct membership after;
    struct period period; /* what the invoice then bills */
    const char *event;    /* "membership.renewed"; NULL: nobody need hear of it */
    bool open_invoice_ends;
    enum invoice_state open_invoice; /* what becomes of it then */
};

/* A new one: INCOMPLETE until paid, TRIALING for `trial_days`, or ACTIVE when it costs nothing. */
struct decision membership_begin(const struct membership *membership, int32_t trial_days,
                                 int64_t now_us);

/* A renewal or a retry is being sent. */
struct decision membership_charging(const struct membership *membership, struct uuid payment,
                                    struct uuid invoice, struct uuid payment_method);

/* Paid: inside the grace the renewal dates stay, after it the recovery is the new anchor. */
struct decision membership_paid(const struct membership *membership, const struct invoice *invoice,
                                const struct settings *settings, int64_t now_us);

/* Declined; `code` as in gateway/decline.h. */
struct decision membership_declined(const struct membership *membership, const char *code,
                                    const struct settings *settings, int64_t now_us);

/* A retry that is not sent, because the bank would refuse the same method again. */
struct decision membership_retry_skipped(const struct membership *membership,
                                         const struct settings *settings, int64_t now_us);

/* Asked for by the customer. */
struct decision membership_cancel_later(const struct membership *membership, int64_t now_us);
struct decision membership_cancel_now(const struct membership *membership, int64_t now_us);

/* Fell due: the cancellation at the period's end, the end of the dunning, 23 hours unpaid. */
struct decision membership_ended(const struct membership *membership, int64_t now_us);

/* The last refusal means that nothing is to be sent until there is another payment method. */
bool membership_needs_other_method(const struct membership *membership);

/* When the retry that comes next is due; 0: none is to come. */
int64_t membership_retry_us(const struct membership *membership, const struct settings *settings);

/* What a membership owes: at most two obligations, by its state alone. */
struct owed {
    const char *kind[2]; /* NULL: none */
    const char *business_key[2];
    int64_t due_us[2];
};
struct owed membership_owed(struct arena *arena, const struct membership *membership,
                            const struct settings *settings);

/* May this customer use X now?  The facts are those of SQL entitlement_facts. */
struct entitlement_facts {
    int64_t now_us;
    const char *open_tier; /* a tier open to everybody grants it; "" when none does */
    bool has_membership;
    bool granted; /* by the membership's tier */
    struct uuid membership;
    const char *tier;
    enum membership_state state;
    int64_t period_end_us;
    int64_t access_end_us;
    bool cancel_at_period_end;
};

enum access_cause {
    ACCESS_GRANTED_BY_TIER,
    ACCESS_TRIAL,
    ACCESS_IN_GRACE,
    ACCESS_NO_MEMBERSHIP,
    ACCESS_NOT_IN_TIER,
    ACCESS_INCOMPLETE,
    ACCESS_PAST_DUE,
    ACCESS_CANCELED,
};

struct access {
    bool allowed;
    enum access_cause cause;
    bool by_membership; /* the answer rests on it; otherwise on the open tier, or on nothing */
    int64_t until_us;   /* 0: no end known, or denied */
};
struct access membership_access(const struct entitlement_facts *facts,
                                const struct settings *settings);
