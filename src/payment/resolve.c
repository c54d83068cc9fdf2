/*
 * The resolver: what became of an attempt whose result is not recorded?  It enters the same code
 * again as the first time, with the same key and request, under a new epoch; after the budget it
 * hands over to people.
 */

#include "base/settings.h"
#include "base/time.h"
#include "jobs/jobs.h"
#include "payment/attempt_errand.h"

/* After the lease's end by the database's clock, so that a claim a moment early does not fail. */
#define LEASE_SLACK_US (100 * US_PER_MS)

/* What a run does, by how far the attempt is. */
enum resolve_step { RESOLVE_FINISHED, RESOLVE_LATER, RESOLVE_GIVE_UP, RESOLVE_ASK };

static enum resolve_step step_of(const struct call *call, const struct attempt *attempt)
{
    int64_t budget_us = call->house->settings->unknown_budget_seconds * US_PER_SECOND;

    if (attempt_is_over(attempt->state))
        return RESOLVE_FINISHED;
    if (attempt->lease_left_us > 0)
        return RESOLVE_LATER;
    return attempt->age_us > budget_us ? RESOLVE_GIVE_UP : RESOLVE_ASK;
}

static const struct error *look_later(struct call *call, const struct obligation *obligation,
                                      int64_t lease_left_us)
{
    return jobs_move(call, obligation,
                     clock_wall_us(call->house->clock) + lease_left_us + LEASE_SLACK_US);
}

/* Within the gateway's window the same request is sent again; after it only a question is safe. */
static void ask_again(struct call *call, const struct attempt_errand *errand, int64_t armed_us,
                      struct gateway_answer *answer)
{
    const struct attempt *attempt = errand->attempt;
    const struct gateway *gateway = gateway_find(call->house->gateways, attempt->gateway);
    struct attempt_ask ask = {
        .gateway = attempt->gateway,
        .request = attempt_errand_request(call, errand),
        .armed_us = armed_us,
        .query_only = gateway != NULL && attempt->age_us > gateway->resend_window_us,
    };

    attempt_ask(call, &ask, answer);
}

static bool pays(const struct attempt *attempt)
{
    return attempt->operation == GATEWAY_CHARGE || attempt->operation == GATEWAY_AUTHORIZE;
}

static const struct error *drive(struct call *call, const struct obligation *obligation,
                                 struct attempt *attempt)
{
    int64_t armed_us = clock_monotonic_us(call->house->clock);
    int64_t lease_ms = attempt_lease_ms(call);
    struct attempt_errand errand;
    struct gateway_answer answer;
    struct customer customer;
    bool claimed;

    TRY(customer_load(call, obligation->customer, &customer));
    TRY(attempt_claim(call, customer.id, attempt, lease_ms, &claimed));
    if (!claimed)
        return look_later(call, obligation, lease_ms * US_PER_MS);
    TRY(attempt_errand_restore(call, &customer, attempt, armed_us, &errand));
    if (pays(attempt) && errand.as.charge.is_with_customer) {
        bool over;
        TRY(action_is_over(call, &errand.as.charge, &over));
        action_ask(call, &errand.as.charge, over, &answer);
    } else {
        ask_again(call, &errand, armed_us, &answer);
    }
    return attempt_errand_settle(call, &errand, &answer);
}

static const struct error *resolve(struct call *call, const struct obligation *obligation)
{
    struct attempt attempt;
    struct uuid id;
    bool found = false;
    bool gave_up;

    if (uuid_parse(obligation->business_key, &id))
        TRY(attempt_find(call, obligation->customer, id, &attempt, &found));
    if (!found)
        return jobs_finish(call, obligation);
    switch (step_of(call, &attempt)) {
    case RESOLVE_FINISHED:
        return jobs_finish(call, obligation);
    case RESOLVE_LATER:
        return look_later(call, obligation, attempt.lease_left_us);
    case RESOLVE_GIVE_UP:
        TRY(attempt_give_up(call, obligation->customer, &attempt, obligation->now_us, &gave_up));
        return gave_up ? NULL : look_later(call, obligation, 0);
    case RESOLVE_ASK:
        return drive(call, obligation, &attempt);
    }
    return NULL;
}

const struct job_kind payment_resolve_job = {.name = "payment.resolve", .run = resolve};
const struct job_kind refund_resolve_job = {.name = "refund.resolve", .run = resolve};
