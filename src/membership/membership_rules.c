/*
 * The rules of memberships: first payment, renewal, dunning, end.  A
 * decision is a copy of the membership as it stands next; the version guard of the step decides
 * whether it still holds when it is written.
 */
#include "membership/membership_rules.h"

#include "base/bug.h"
#include "base/text.h"
#include "base/time.h"
#include "gateway/decline.h"
#include "membership/period.h"

#define ALL_ENDS ((1U << MEMBERSHIP_CANCELED) | (1U << MEMBERSHIP_EXPIRED))

/* Bit n of row s: s may become state n. */
static const unsigned membership_moves[MEMBERSHIP_STATE_COUNT] = {
    [MEMBERSHIP_INCOMPLETE] =
        1U << MEMBERSHIP_INCOMPLETE | 1U << MEMBERSHIP_ACTIVE | 1U << MEMBERSHIP_EXPIRED,
    [MEMBERSHIP_TRIALING] = 1U << MEMBERSHIP_TRIALING | 1U << MEMBERSHIP_ACTIVE |
                            1U << MEMBERSHIP_PAST_DUE | 1U << MEMBERSHIP_CANCELED,
    [MEMBERSHIP_ACTIVE] =
        1U << MEMBERSHIP_ACTIVE | 1U << MEMBERSHIP_PAST_DUE | 1U << MEMBERSHIP_CANCELED,
    [MEMBERSHIP_PAST_DUE] =
        1U << MEMBERSHIP_PAST_DUE | 1U << MEMBERSHIP_ACTIVE | 1U << MEMBERSHIP_CANCELED,
    [MEMBERSHIP_CANCELED] = 0,
    [MEMBERSHIP_EXPIRED] = 0,
};

static const unsigned invoice_moves[INVOICE_STATE_COUNT] = {
    [INVOICE_OPEN] =
        1U << INVOICE_OPEN | 1U << INVOICE_PAID | 1U << INVOICE_VOID | 1U << INVOICE_UNCOLLECTIBLE,
    [INVOICE_PAID] = 0,
    [INVOICE_VOID] = 0,
    [INVOICE_UNCOLLECTIBLE] = 0,
};

bool membership_may_move(enum membership_state from, enum membership_state to)
{
    return (membership_moves[from] >> to & 1U) != 0;
}

bool invoice_may_move(enum invoice_state from, enum invoice_state to)
{
    return (invoice_moves[from] >> to & 1U) != 0;
}

bool membership_has_ended(enum membership_state state)
{
    return (ALL_ENDS >> state & 1U) != 0;
}

static struct decision decide(const struct membership *membership)
{
    return (struct decision){.after = *membership};
}

static void move(struct decision *decision, enum membership_state to, const char *event)
{
    if (!membership_may_move(decision->after.state, to))
        bug("membership cannot become %s from %s", membership_state_name(to),
            membership_state_name(decision->after.state));
    decision->after.state = to;
    decision->event = event;
}

struct period membership_next_period(const struct membership *membership)
{
    int32_t index = membership->period_index + 1;

    return (struct period){
        .start_us = period_start(membership->anchor_us, membership->period_months, index),
        .end_us = period_start(membership->anchor_us, membership->period_months, index + 1),
    };
}

static void enter_period(struct membership *after, struct period period)
{
    after->period_start_us = period.start_us;
    after->period_end_us = period.end_us;
    after->access_end_us = period.end_us;
    after->next_charge_us = after->cancel_at_period_end ? 0 : period.end_us;
}

struct decision membership_begin(const struct membership *membership, int32_t trial_days,
                                 int64_t now_us)
{
    struct decision decision = decide(membership);
    struct membership *after = &decision.after;

    after->anchor_us = now_us;
    after->period_start_us = now_us;
    after->create_us = now_us;
    after->update_us = now_us;
    if (after->price.minor_units == 0) {
        after->state = MEMBERSHIP_ACTIVE;
        after->period_months = 0;
        decision.event = "membership.started";
    } else if (trial_days > 0) {
        after->state = MEMBERSHIP_TRIALING;
        after->trial_end_us = now_us + trial_days * US_PER_DAY;
        after->anchor_us = after->trial_end_us;
        after->period_index = -1;
        enter_period(after, (struct period){now_us, after->trial_end_us});
        decision.event = "membership.trial_started";
    } else {
        after->state = MEMBERSHIP_INCOMPLETE;
        after->period_end_us = period_start(now_us, after->period_months, 1);
        decision.event = "membership.created";
    }
    decision.period = (struct period){after->period_start_us, after->period_end_us};
    return decision;
}

struct decision membership_charging(const struct membership *membership, struct uuid payment,
                                    struct uuid invoice, struct uuid payment_method)
{
    struct decision decision = decide(membership);

    decision.after.pending_payment = payment;
    decision.after.latest_invoice = invoice;
    decision.after.payment_method = payment_method;
    return decision;
}

static bool is_after_grace(const struct membership *membership, const struct settings *settings,
                           int64_t now_us)
{
    return membership->state != MEMBERSHIP_INCOMPLETE &&
           now_us >= membership->period_end_us + settings->grace_days * US_PER_DAY;
}

struct decision membership_paid(const struct membership *membership, const struct invoice *invoice,
                                const struct settings *settings, int64_t now_us)
{
    struct decision decision = decide(membership);
    struct membership *after = &decision.after;

    after->pending_payment = UUID_NIL;
    after->decline_code = "";
    after->decline_us = 0;
    after->retry_number = 0;
    decision.period = (struct period){invoice->period_start_us, invoice->period_end_us};
    if (membership_has_ended(membership->state))
        return decision;
    if (is_after_grace(membership, settings, now_us)) {
        after->anchor_us = now_us;
        after->period_index = 0;
        decision.period =
            (struct period){now_us, period_start(now_us, membership->period_months, 1)};
    } else if (membership->state != MEMBERSHIP_INCOMPLETE) {
        after->period_index++;
    }
    enter_period(after, decision.period);
    move(&decision, MEMBERSHIP_ACTIVE,
         membership->state == MEMBERSHIP_INCOMPLETE ? "membership.started"
         : membership->state == MEMBERSHIP_PAST_DUE ? "membership.recovered"
                                                    : "membership.renewed");
    return decision;
}

bool membership_needs_other_method(const struct membership *membership)
{
    if (membership->decline_code[0] == '\0')
        return false;
    /* Corrected by entering the number again, and that makes another method. */
    if (text_equal(membership->decline_code, "incorrect_number"))
        return true;
    switch (decline_find(membership->decline_code)->class) {
    case DECLINE_NEW_METHOD:
    case DECLINE_STEP_UP:
    case DECLINE_STOP:
        return true;
    case DECLINE_RETRY_NOW:
    case DECLINE_RETRY_LATER:
    case DECLINE_FIX_DATA:
    case DECLINE_CLASS_COUNT:
        return false;
    }
    return false;
}

int64_t membership_retry_us(const struct membership *membership, const struct settings *settings)
{
    if (membership->retry_number < 1 || membership->retry_number > settings->dunning_retry_count)
        return 0;
    return membership->period_end_us +
           settings->dunning_retry_days[membership->retry_number - 1] * US_PER_DAY;
}

/* The first retry that is still to come: those that fell into an outage are not made up for. */
static void schedule_retry(struct membership *after, const struct settings *settings,
                           int64_t now_us)
{
    int32_t number = after->retry_number;

    for (;;) {
        after->retry_number = ++number;
        int64_t due_us = membership_retry_us(after, settings);
        if (due_us == 0) {
            after->retry_number = 0;
            after->next_charge_us = 0;
            return;
        }
        if (due_us > now_us) {
            after->next_charge_us = membership_needs_other_method(after) ? 0 : due_us;
            return;
        }
    }
}

static void end(struct decision *decision, int64_t now_us)
{
    struct membership *after = &decision->after;
    bool has_begun = after->state != MEMBERSHIP_INCOMPLETE;

    move(decision, has_begun ? MEMBERSHIP_CANCELED : MEMBERSHIP_EXPIRED,
         has_begun ? "membership.canceled" : "membership.expired");
    after->end_us = now_us;
    after->next_charge_us = 0;
    after->retry_number = 0;
    if (has_begun && (after->access_end_us == 0 || after->access_end_us > now_us))
        after->access_end_us = now_us;
}

struct decision membership_declined(const struct membership *membership, const char *code,
                                    const struct settings *settings, int64_t now_us)
{
    struct decision decision = decide(membership);
    struct membership *after = &decision.after;
    bool is_first = membership->state != MEMBERSHIP_PAST_DUE;

    after->pending_payment = UUID_NIL;
    after->decline_code = code[0] != '\0' ? code : "generic_decline";
    after->network_decline_code = "";
    after->advice = "";
    after->decline_us = now_us;
    if (membership_has_ended(membership->state))
        return decision;
    if (membership->cancel_at_period_end) {
        decision.open_invoice_ends = true;
        decision.open_invoice = INVOICE_VOID;
        end(&decision, now_us);
        return decision;
    }
    if (membership->state == MEMBERSHIP_INCOMPLETE) {
        decision.event = "membership.payment_declined";
        return decision;
    }
    after->access_end_us = membership->period_end_us + settings->grace_days * US_PER_DAY;
    schedule_retry(after, settings, now_us);
    move(&decision, MEMBERSHIP_PAST_DUE,
         is_first ? "membership.past_due" : "membership.payment_declined");
    return decision;
}

struct decision membership_retry_skipped(const struct membership *membership,
                                         const struct settings *settings, int64_t now_us)
{
    struct decision decision = decide(membership);

    schedule_retry(&decision.after, settings, now_us);
    return decision;
}

struct decision membership_cancel_now(const struct membership *membership, int64_t now_us)
{
    struct decision decision = decide(membership);

    if (decision.after.cancel_us == 0)
        decision.after.cancel_us = now_us;
    decision.open_invoice_ends = true;
    decision.open_invoice = INVOICE_VOID;
    end(&decision, now_us);
    return decision;
}

struct decision membership_cancel_later(const struct membership *membership, int64_t now_us)
{
    struct decision decision = decide(membership);
    bool is_paid_for =
        (membership->state == MEMBERSHIP_ACTIVE || membership->state == MEMBERSHIP_TRIALING) &&
        membership->period_end_us != 0;

    if (!is_paid_for && uuid_equal(membership->pending_payment, UUID_NIL))
        return membership_cancel_now(membership, now_us);
    if (membership->cancel_at_period_end)
        return decision;
    decision.after.cancel_at_period_end = true;
    decision.after.cancel_us = now_us;
    decision.after.next_charge_us = 0;
    decision.event = "membership.cancel_scheduled";
    return decision;
}

struct decision membership_ended(const struct membership *membership, int64_t now_us)
{
    struct decision decision = decide(membership);

    decision.open_invoice_ends = true;
    decision.open_invoice =
        membership->state == MEMBERSHIP_PAST_DUE ? INVOICE_UNCOLLECTIBLE : INVOICE_VOID;
    end(&decision, now_us);
    return decision;
}

static void owe(struct owed *owed, const char *kind, const char *business_key, int64_t due_us)
{
    int i = owed->kind[0] == NULL ? 0 : 1;

    owed->kind[i] = kind;
    owed->business_key[i] = business_key;
    owed->due_us[i] = due_us;
}

struct owed membership_owed(struct arena *arena, const struct membership *membership,
                            const struct settings *settings)
{
    struct owed owed = {0};
    const char *id = uuid_text(arena, membership->id);
    const char *key = arena_printf(arena, "%s:%lld", id, (long long)membership->period_end_us);
    bool in_flight = !uuid_equal(membership->pending_payment, UUID_NIL);

    switch (membership->state) {
    case MEMBERSHIP_INCOMPLETE:
        owe(&owed, "membership.expire", id,
            membership->create_us + settings->incomplete_seconds * US_PER_SECOND);
        break;
    case MEMBERSHIP_TRIALING:
    case MEMBERSHIP_ACTIVE:
        /* In flight, the payment's own obligation carries it; its settlement comes back here. */
        if (membership->period_end_us != 0 && !in_flight)
            owe(&owed, "membership.renew", key, membership->period_end_us);
        break;
    case MEMBERSHIP_PAST_DUE:
        if (in_flight)
            break;
        if (membership->retry_number > 0)
            owe(&owed, "membership.retry",
                arena_printf(arena, "%s:%d", key, (int)membership->retry_number),
                membership_retry_us(membership, settings));
        owe(&owed, "membership.end", key,
            membership->period_end_us + settings->dunning_cancel_days * US_PER_DAY);
        break;
    case MEMBERSHIP_CANCELED:
    case MEMBERSHIP_EXPIRED:
    case MEMBERSHIP_STATE_COUNT:
        break;
    }
    return owed;
}
