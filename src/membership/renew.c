/*
 * Renewals, and the retries of those that were declined.  Each try is one payment of the period's
 * one invoice: the step that opens it also finishes the obligation, and from there on the payment's
 * own obligation carries it, so that a crash never leads to a second charge.
 */
#include "base/text.h"
#include "membership/catalogue.h"
#include "membership/due.h"
#include "membership/settle.h"

/* A period's charge: which invoice, by which method, which try. */
struct period_charge {
    const struct obligation *obligation;
    const struct customer *customer;
    const struct membership *membership;
    struct uuid payment_method;
    int32_t retry_number;
    struct invoice_intent invoice;
};

/* The period's invoice: the one of an earlier try, or a new one. */
static const struct error *prepare_invoice(struct call *call, struct period_charge *due)
{
    const struct membership *membership = due->membership;
    int64_t due_us = membership->period_end_us;
    struct invoice earlier;
    struct plan plan;

    TRY(plan_load(call, membership->plan, &plan));
    TRY(invoice_find_due(call, membership, due_us, &earlier));
    due->invoice = invoice_intent_make(call, membership, plan.display_name, due_us,
                                       membership_next_period(membership));
    if (!uuid_is_nil(earlier.id)) {
        due->invoice.id = earlier.id;
        due->invoice.due_us = 0;
    }
    return NULL;
}

/* Nothing to charge: as a decline, but nothing was sent. */
static const struct error *record_unusable(struct call *call, const struct period_charge *due,
                                           enum step_outcome *outcome)
{
    const char *code = due->membership->decline_code;
    struct decision decision =
        membership_declined(due->membership, code[0] != '\0' ? code : "invalid_account",
                            call->house->settings, due->customer->now_us);

    decision.after.latest_invoice = due->invoice.id;
    return membership_step_move(call, due->obligation, &decision, &due->invoice,
                                (struct bytes){NULL, 0}, due->customer->now_us, outcome);
}

static bool is_about_method(const struct error *error)
{
    return text_equal(error->reason, "PAYMENT_METHOD_UNUSABLE") ||
           text_equal(error->reason, "PAYMENT_METHOD_NOT_FOUND");
}

static const struct error *charge_period(struct call *call, struct period_charge *due,
                                         enum step_outcome *outcome)
{
    TRY(prepare_invoice(call, due));

    struct charge charge = {.invoice = due->invoice.id,
                            .amount = due->membership->price,
                            .description = due->invoice.description,
                            .off_session = true};
    const struct error *error = charge_prepare(call, due->customer, due->payment_method, &charge);
    if (error != NULL && is_about_method(error))
        return record_unusable(call, due, outcome);
    TRY(error);

    struct decision decision =
        membership_charging(due->membership, charge.payment, due->invoice.id, due->payment_method);
    TRY(membership_step_charge(call, due->obligation, &decision, &due->invoice, due->retry_number,
                               &charge, due->customer->now_us, outcome));
    if (*outcome != STEP_DONE)
        return NULL;

    struct gateway_answer answer;
    struct membership after;
    charge_send(call, &charge, &answer);
    return invoice_settle(call, &charge, &answer, &after);
}

static const struct error *renew(struct call *call, const struct obligation *obligation,
                                 const struct customer *customer,
                                 const struct membership *membership, enum step_outcome *outcome)
{
    if (membership->cancel_at_period_end)
        return end_due(call, obligation, customer, membership, outcome);

    struct period_charge due = {.obligation = obligation,
                                .customer = customer,
                                .membership = membership,
                                .payment_method = membership->payment_method};
    return charge_period(call, &due, outcome);
}

/* A method stored since the decline is what the customer now wants to pay with. */
static const struct error *retry(struct call *call, const struct obligation *obligation,
                                 const struct customer *customer,
                                 const struct membership *membership, enum step_outcome *outcome)
{
    struct period_charge due = {.obligation = obligation,
                                .customer = customer,
                                .membership = membership,
                                .retry_number = membership->retry_number};

    TRY(payment_method_newer(call, membership, &due.payment_method));
    if (!uuid_is_nil(due.payment_method))
        return charge_period(call, &due, outcome);
    if (!membership_needs_other_method(membership)) {
        due.payment_method = membership->payment_method;
        return charge_period(call, &due, outcome);
    }
    struct decision decision =
        membership_retry_skipped(membership, call->house->settings, customer->now_us);
    return membership_step_move(call, obligation, &decision, NULL, (struct bytes){NULL, 0},
                                customer->now_us, outcome);
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
