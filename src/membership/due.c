/*
 * Running what a membership owes, and the obligations that end one: a cancellation at the period's
 * end, the end of the dunning, a first payment that did not come.
 */
#include "membership/due.h"

#include "base/text.h"
#include "base/time.h"

#define DUE_TRIES_MAX 5

/* How long an expiry waits for money whose fate people have to find out. */
#define IN_FLIGHT_WAIT_US US_PER_DAY

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

static const struct error *expire_due(struct call *call, const struct obligation *obligation,
                                      const struct membership_due *due, enum step_outcome *outcome)
{
    if (!uuid_is_nil(due->membership.pending_payment))
        return jobs_move(call, obligation, due->now_us + IN_FLIGHT_WAIT_US);
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
