/*
 * The obligation "payment.expire": an authorization holds no longer.
 */

#include "payment/payment_internal.h"

#include "base/time.h"
#include "jobs/jobs.h"

/* A capture that is on its way ends by itself or through its resolver. */
#define LOOK_AGAIN_US (10 * US_PER_MINUTE)

static const struct error *look_later(struct call *call, const struct obligation *obligation)
{
    return jobs_move(call, obligation, obligation->now_us + LOOK_AGAIN_US);
}

static const struct error *expire(struct call *call, const struct obligation *obligation)
{
    struct payment payment;
    bool refused;

    TRY(payment_load(call, obligation->customer, obligation->subject, &payment));
    if (payment.state != PAYMENT_REQUIRES_CAPTURE)
        return jobs_finish(call, obligation);
    if (payment.capture_pending_minor > 0)
        return look_later(call, obligation);
    TRY(hold_let_go(call, &payment, obligation->now_us, &refused));
    /* Where it is over, its step has ended the obligation. */
    if (payment.state == PAYMENT_REQUIRES_CAPTURE && !refused)
        return look_later(call, obligation);
    return jobs_finish(call, obligation);
}

const struct job_kind payment_expire_job = {.name = "payment.expire", .run = expire};
