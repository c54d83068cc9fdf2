/*
 * Renewals, and the retries of those that were declined.  Each try is one payment of the period's
 * one invoice: the step that opens it also finishes the obligation, and from there on the payment's
 * own obligation carries it, so that a crash never leads to a second charge.
 */
#include "base/text.h"
#include "membership/due.h"
#include "membership/settle.h"

/* A period's charge: which invoice, by which method, which try. */
struct period_charge {
    const struct obligation *obligation;
    const struct membership_due *due;
    const struct payment_method *method;
    int32_t retry_number;
    struct invoice_intent invoice;
};

/* The period's invoice: the one of an earlier try, or a new one. */
static void prepare_invoice(struct call *call, struct period_charge *period)
{
    const struct membership_due *due = period->due;

    period->invoice =
        invoice_intent_make(call, &due->membership, due->plan_name, due->membership.period_end_us,
                            membership_next_period(&due->membership));
    if (!uuid_is_nil(due->invoice)) {
        period->invoice.id = due->invoice;
        period->invoice.due_us = 0;
    }
}

/*
 * Why the method may not be charged, in the language of declines; NULL: the error is about
 * something else.  A card with too many declines may do again at a later retry; without consent the
 * customer has to come.
 */
static const char *decline_for(const struct error *error)
{
    static const struct {
        const char *reason;
        const char *code;
    } known[] = {
        {"PAYMENT_METHOD_UNUSABLE", "invalid_account"},
        {"PAYMENT_METHOD_NOT_FOUND", "invalid_account"},
        {"PAYMENT_METHOD_RETRY_LIMIT", "card_velocity_exceeded"},
        {"PAYMENT_METHOD_MANDATE_REQUIRED", "authentication_required"},
    };

    for (size_t i = 0; i < ARRAY_LENGTH(known); i++) {
        if (text_equal(known[i].reason, error->reason))
            return known[i].code;
    }
    return NULL;
}

/* Nothing to charge: as a decline, but nothing was sent.  What the bank said last says more. */
static const struct error *record_unsent(struct call *call, const struct period_charge *period,
                                         const char *code, enum step_outcome *outcome)
{
    const struct membership_due *due = period->due;
    const char *last = due->membership.decline_code;
    struct decision decision = membership_declined(&due->membership, last[0] != '\0' ? last : code,
                                                   call->house->settings, due->now_us);

    decision.after.latest_invoice = period->invoice.id;
    return membership_step_move(call, period->obligation, &decision, &period->invoice,
                                (struct bytes){NULL, 0}, due->now_us, outcome);
}

/* How the step has left it, so that its settlement need not read it again. */
static struct invoice_known what_is_known(const struct period_charge *period,
                                          const struct decision *decision)
{
    struct invoice_known known = {
        .now_us = period->due->now_us,
        .membership = decision->after,
        .invoice =
            {
                .id = period->invoice.id,
                .membership = decision->after.id,
                .period_start_us = period->invoice.period.start_us,
                .period_end_us = period->invoice.period.end_us,
            },
    };

    known.membership.version++;
    return known;
}

static const struct error *charge_period(struct call *call, struct period_charge *period,
                                         enum step_outcome *outcome)
{
    const struct membership_due *due = period->due;

    prepare_invoice(call, period);

    struct charge charge = {.invoice = period->invoice.id,
                            .amount = due->membership.price,
                            .description = period->invoice.description,
                            .off_session = true};
    const struct error *error = charge_prepare_by(call, period->method, due->now_us, &charge);
    if (error != NULL && decline_for(error) != NULL)
        return record_unsent(call, period, decline_for(error), outcome);
    TRY(error);

    struct decision decision = membership_charging(&due->membership, charge.payment,
                                                   period->invoice.id, period->method->id);
    TRY(membership_step_charge(call, period->obligation, &decision, &period->invoice,
                               period->retry_number, &charge, due->now_us, outcome));
    if (*outcome != STEP_DONE)
        return NULL;

    struct invoice_known known = what_is_known(period, &decision);
    struct gateway_answer answer;
    struct membership after;
    charge_send(call, &charge, &answer);
    /* An invoice of an earlier try was written by somebody else. */
    return invoice_settle(call, &charge, &answer, period->invoice.due_us != 0 ? &known : NULL,
                          &after);
}

static const struct error *renew(struct call *call, const struct obligation *obligation,
                                 const struct membership_due *due, enum step_outcome *outcome)
{
    if (due->membership.cancel_at_period_end)
        return end_due(call, obligation, due, outcome);

    struct period_charge period = {.obligation = obligation, .due = due, .method = &due->method};
    return charge_period(call, &period, outcome);
}

/* A method stored since the decline is what the customer now wants to pay with. */
static const struct error *retry(struct call *call, const struct obligation *obligation,
                                 const struct membership_due *due, enum step_outcome *outcome)
{
    struct period_charge period = {.obligation = obligation,
                                   .due = due,
                                   .method = &due->method,
                                   .retry_number = due->membership.retry_number};
    struct payment_method newer;
    struct uuid newer_id = UUID_NIL;

    /* Without a decline the customer has chosen another method since: that one. */
    if (due->membership.decline_code[0] != '\0')
        TRY(payment_method_newer(call, &due->membership, &newer_id));
    if (!uuid_is_nil(newer_id)) {
        TRY(payment_method_load(call, obligation->customer, newer_id, &newer));
        period.method = &newer;
        return charge_period(call, &period, outcome);
    }
    if (!membership_needs_other_method(&due->membership))
        return charge_period(call, &period, outcome);
    struct decision decision =
        membership_retry_skipped(&due->membership, call->house->settings, due->now_us);
    return membership_step_move(call, obligation, &decision, NULL, (struct bytes){NULL, 0},
                                due->now_us, outcome);
}

static const struct error *run_renew(struct call *call, const struct obligation *obligation)
{
    return run_due(call, obligation, renew);
}

static const struct error *run_retry(struct call *call, const struct obligation *obligation)
{
    return run_due(call, obligation, retry);
}

const struct job_kind membership_renew_job = {
    .name = "membership.renew", .run = run_renew, .is_guarded = true};
const struct job_kind membership_retry_job = {
    .name = "membership.retry", .run = run_retry, .is_guarded = true};
