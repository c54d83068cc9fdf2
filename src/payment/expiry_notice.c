/*
 * The notice that a card is about to expire: 30 days before the end of the month that stands on it,
 * in the customer's time, once an expiry, for the card that a live membership renews with.  Owed by
 * SQL payment_method_watch; here it falls due and becomes the event payment_method.expiring.
 */

#include "payment/payment_internal.h"

#include "jobs/jobs.h"

const struct pg_statement payment_method_notice_statement = {
    .name = "payment_method_notice",
    .sql = "SELECT payment_method_notice($1, $2, $3, $4, $5) AS held",
};

/* Who lost the lease has nothing to do any more. */
static const struct error *run(struct call *call, const struct obligation *obligation)
{
    struct pg_rows rows;

    return pg_write(call, obligation->customer, &payment_method_notice_statement,
                    PG_PARAMS(pg_uuid(obligation->customer), pg_uuid(obligation->subject),
                              pg_text(obligation->business_key), pg_int64(obligation->epoch),
                              pg_time(obligation->now_us)),
                    &rows);
}

const struct job_kind payment_method_expiry_job = {
    .name = "payment_method.expiry", .run = run, .is_guarded = true};
