/*
 * Running what a membership owes, and the obligations that end one: a cancellation at the period's
 * end, the end of the dunning, a first payment that did not come.
 */
#include "membership/due.h"

#include "base/settings.h"
#include "base/text.h"
#include "base/time.h"
#include "payment/payment.h"

#define DUE_TRIES_MAX 5

/* An expiry waits for money whose fate is being found out: longer and longer, people may have to.
 */
#define EXPIRY_WAIT_MIN_US US_PER_MINUTE
#define EXPIRY_WAIT_MAX_US US_PER_DAY

static bool is_owed(struct call *call, const struct membership *membership,
                    const struct obligation *obligation)
{
    struct owed owed = membership_owed(call->arena, membership, call->house->settings);

    for (size_t i = 0; i < ARRAY_LENGTH(owed.kind); i++) {
        if (owed.kind[i] != NULL && text_equal(owed.kind[i], obligation->kind) &&
            text_equal(owed.business_key[i], obligation->business_key))
            return true;
    }
    return false;
}

const struct error *run_due(struct call *call, const struct obligation *obligation, due_step *step)
{
    for (int i = 0; i < DUE_TRIES_MAX; i++) {
        enum step_outcome outcome = STEP_DONE;
        struct membership_due due;

        TRY(membership_due_load(call, obligation->customer, obligation->subject, &due));
        if (!is_owed(call, &due.membership, obligation))
            return jobs_finish(call, obligation);
        TRY(step(call, obligation, &due, &outcome));
        if (outcome != STEP_STALE)
            return NULL;
    }
    return refuse(call, STATUS_ABORTED, "CONCURRENT_CHANGE",
                  "membership is being changed by others");
}

const struct error *end_due(struct call *call, const struct obligation *obligation,
                            const struct membership_due *due, enum step_outcome *outcome)
{
    struct decision decision = membership_ended(&due->membership, due->now_us);

    return membership_step_move(call, obligation, &decision, NULL, (struct bytes){NULL, 0},
                                due->now_us, outcome);
}

static int64_t next_expiry_us(const struct call *call, const struct membership_due *due)
{
    int64_t incomplete_us = call->house->settings->incomplete_seconds * US_PER_SECOND;
    int64_t wait_us = due->now_us - (due->membership.create_us + incomplete_us);

    if (wait_us < EXPIRY_WAIT_MIN_US)
        wait_us = EXPIRY_WAIT_MIN_US;
    if (wait_us > EXPIRY_WAIT_MAX_US)
        wait_us = EXPIRY_WAIT_MAX_US;
    return due->now_us + wait_us;
}

/* The customer may have authenticated it already: who drives it asks, and at last lets go of it. */
static const struct error *is_with_customer(struct call *call, const struct membership *membership,
                                            bool *is_so)
{
    struct invoice invoice;
    struct payment payment;

    TRY(invoice_load(call, membership->customer, membership->latest_invoice, &invoice));
    TRY(payment_load(call, membership->customer, invoice.payment, &payment));
    *is_so = payment.state == PAYMENT_REQUIRES_ACTION;
    return NULL;
}

static const struct error *expire_due(struct call *call, const struct obligation *obligation,
                                      const struct membership_due *due, enum step_outcome *outcome)
{
    bool in_doubt = !uuid_is_nil(due->membership.pending_payment);

    if (!in_doubt)
        TRY(is_with_customer(call, &due->membership, &in_doubt));
    if (in_doubt)
        return jobs_move(call, obligation, next_expiry_us(call, due));
    return end_due(call, obligation, due, outcome);
}

static const struct error *run_end(struct call *call, const struct obligation *obligation)
{
    return run_due(call, obligation, end_due);
}

static const struct error *run_expire(struct call *call, const struct obligation *obligation)
{
    return run_due(call, obligation, expire_due);
}

const struct job_kind membership_end_job = {
    .name = "membership.end", .run = run_end, .is_guarded = true};
const struct job_kind membership_expire_job = {
    .name = "membership.expire", .run = run_expire, .is_guarded = true};
