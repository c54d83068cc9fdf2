/*
 * The obligation "payment.expire": an authorization holds no longer.  The gateway is asked to let
 * go of it, which is true also when it has done so by itself, and only then is the payment
 * CANCELED: money that was taken after all is never called canceled.
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

const struct pg_statement release_refused_statement = {
    .name = "release_refused",
    .sql = "SELECT release_refused($1, $2, $3)",
};

/* People look. */
static const struct error *report(struct call *call, const struct capture *capture)
{
    struct pg_rows rows;

    return pg_write(
        call, capture->customer, &release_refused_statement,
        PG_PARAMS(pg_uuid(capture->customer), pg_uuid(capture->id), pg_time(capture->now_us)),
        &rows);
}

static const struct error *let_go(struct call *call, const struct obligation *obligation,
                                  const struct payment *payment)
{
    enum capture_recorded recorded;
    struct gateway_answer answer;
    struct capture capture;
    struct payment after;
    struct uuid object;
    bool refused;

    TRY(void_prepare(call, payment, obligation->now_us, &capture));
    TRY(capture_record(call, &capture, &recorded, &object));
    if (recorded != CAPTURE_RECORDED)
        return look_later(call, obligation);
    capture_send(call, &capture, &answer);
    TRY(capture_settle(call, &capture, &answer, &after, &refused));
    if (refused)
        TRY(report(call, &capture));
    /* Where it is over, its step has ended the obligation. */
    if (after.state == PAYMENT_REQUIRES_CAPTURE && !refused)
        return look_later(call, obligation);
    return jobs_finish(call, obligation);
}

static const struct error *expire(struct call *call, const struct obligation *obligation)
{
    struct payment payment;

    TRY(payment_load(call, obligation->customer, obligation->subject, &payment));
    if (payment.state != PAYMENT_REQUIRES_CAPTURE)
        return jobs_finish(call, obligation);
    if (payment.capture_pending_minor > 0)
        return look_later(call, obligation);
    return let_go(call, obligation, &payment);
}

const struct job_kind payment_expire_job = {.name = "payment.expire", .run = expire};
