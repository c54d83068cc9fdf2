/*
 * What the house owes for each gateway: every day a run over the last days ("reconcile.daily"), and
 * every minute a look at what succeeded lately ("reconcile.confirm").
 *
 * Confirming follows the time of the first send, so it needs no mark on what was confirmed.  What
 * was resolved was asked about by that; what is not settled yet has its resolver.
 */

#include "base/fail_point.h"
#include "base/settings.h"
#include "base/text.h"
#include "base/time.h"
#include "base/watch.h"
#include "jobs/jobs.h"
#include "payment/reconcile.h"

#define DAY_BEGINS_US   (2 * US_PER_HOUR) /* after midnight: gateways' days are closed by then */
#define CONFIRM_EACH_US US_PER_MINUTE
#define CONFIRM_AGE_US  (2 * US_PER_MINUTE)
#define CONFIRM_PAST_US US_PER_DAY
#define CONFIRM_SPAN_US (10 * US_PER_MINUTE)
/* Nothing is begun with less of the call's time left. */
#define CONFIRM_STEP_US (25 * US_PER_SECOND)
/* What a gateway cannot tell about for so long is left to the daily run. */
#define CONFIRM_SKIP_US US_PER_HOUR

static const struct error *begin_day(struct call *call, const struct obligation *obligation)
{
    int64_t days = call->house->settings->reconcile_days;
    int64_t midnight_us = obligation->now_us - obligation->now_us % US_PER_DAY;
    const struct reconciliation run = {
        .gateway = obligation->business_key,
        .from_us = midnight_us - days * US_PER_DAY,
        .until_us = midnight_us,
        .requester = "daily",
    };
    bool replayed;

    if (days == 0)
        return jobs_finish(call, obligation);
    TRY(reconciliation_begin(call, &run, (struct bytes){NULL, 0}, &replayed));
    return jobs_move(call, obligation, midnight_us + US_PER_DAY + DAY_BEGINS_US);
}

const struct job_kind reconcile_daily_job = {.name = "reconcile.daily", .run = begin_day};

/* ---- Confirming ---- */

struct mark {
    int64_t time_us;
    struct uuid attempt;
};

const struct pg_statement reconcile_mark_statement = {
    .name = "reconcile_mark",
    .sql = "SELECT confirm_time, attempt_id FROM reconciliation_watch WHERE gateway = $1",
};

static const struct error *load_mark(struct call *call, const char *gateway, int64_t now_us,
                                     struct mark *mark)
{
    struct pg_rows rows;

    *mark = (struct mark){.time_us = now_us - CONFIRM_PAST_US};
    TRY(pg_read(call, UUID_NIL, &reconcile_mark_statement, PG_PARAMS(pg_text(gateway)), &rows));
    if (rows.count > 0 && pg_get_time(&rows, 0, "confirm_time") > mark->time_us)
        *mark = (struct mark){pg_get_time(&rows, 0, "confirm_time"),
                              pg_get_uuid(&rows, 0, "attempt_id")};
    return NULL;
}

const struct pg_statement reconcile_confirmed_statement = {
    .name = "reconciliation_confirmed",
    .sql = "SELECT reconciliation_confirmed($1, $2, $3, $4)",
};

static const struct error *move_mark(struct call *call, const char *gateway,
                                     const struct mark *mark)
{
    struct pg_rows rows;

    return FAIL_STEP(call, "reconcile.mark", gateway,
                     pg_write(call, UUID_NIL, &reconcile_confirmed_statement,
                              PG_PARAMS(pg_text(gateway), pg_time(mark->time_us),
                                        pg_uuid(mark->attempt), pg_time(call->now_us)),
                              &rows));
}

const struct pg_statement reconcile_unconfirmed_statement = {
    .name = "reconcile_unconfirmed",
    .sql = "SELECT customer_id, attempt_id, first_sent_time FROM attempt"
           " WHERE gateway = $1 AND state = 'SUCCEEDED' AND operation IN ('CHARGE', 'REFUND')"
           "   AND epoch = 1 AND first_sent_time >= $2 AND first_sent_time < $3"
           "   AND (first_sent_time, attempt_id) > ($2, $4)"
           " ORDER BY first_sent_time, attempt_id LIMIT $5",
};

/* `*is_told` false: the gateway cannot say now. */
static const struct error *confirm(struct call *call, struct uuid customer, struct uuid id,
                                   bool *is_told)
{
    struct attempt_errand errand;
    struct gateway_answer answer;
    struct attempt attempt;
    bool found;

    *is_told = true;
    TRY(attempt_find(call, customer, id, &attempt, &found));
    if (!found || attempt.state != ATTEMPT_SUCCEEDED)
        return NULL;
    TRY(reconcile_ask(call, customer, &attempt, &errand, &answer));
    bool is_same = text_equal(answer.transaction, attempt.transaction);
    if (answer.outcome == GATEWAY_SUCCEEDED && is_same)
        return NULL;
    if (answer.outcome == GATEWAY_DECLINED && is_same && attempt.operation == GATEWAY_REFUND)
        return refund_failed_later(call, customer, id, answer.decline_code,
                                   errand.as.refund.attempt.now_us);
    *is_told = answer.outcome == GATEWAY_DECLINED || answer.outcome == GATEWAY_FAILED ||
               answer.transaction[0] != '\0' || attempt.age_us > CONFIRM_SKIP_US;
    /* Late opposite evidence: the step itself hands it to people. */
    return *is_told ? attempt_errand_settle(call, &errand, &answer) : NULL;
}

/* One of those: it is dealt with, and the mark stands behind it, or `*is_told` is false. */
static const struct error *confirm_next(struct call *call, const char *gateway,
                                        const struct pg_rows *rows, size_t row, bool *is_told)
{
    const struct mark mark = {pg_get_time(rows, row, "first_sent_time"),
                              pg_get_uuid(rows, row, "attempt_id")};

    TRY(confirm(call, pg_get_uuid(rows, row, "customer_id"), mark.attempt, is_told));
    return *is_told ? move_mark(call, gateway, &mark) : NULL;
}

/* What was first sent from the mark to `until_us`, as far as the gateway tells and time goes. */
static const struct error *confirm_some(struct call *call, const char *gateway, int64_t until_us,
                                        const struct mark *mark)
{
    int64_t limit = call->house->settings->reconcile_confirm_max;
    struct pg_rows rows;
    bool is_told;

    TRY(pg_read(call, UUID_NIL, &reconcile_unconfirmed_statement,
                PG_PARAMS(pg_text(gateway), pg_time(mark->time_us), pg_time(until_us),
                          pg_uuid(mark->attempt), pg_int64(limit)),
                &rows));
    for (size_t i = 0; i < rows.count; i++) {
        if (i > 0 && call_time_left_us(call) < CONFIRM_STEP_US)
            return NULL;
        struct call part = call_part_begin(call, CALL_PART_SIZE_MAX);
        const struct error *error = confirm_next(&part, gateway, &rows, i, &is_told);
        TRY(call_part_end(call, &part, error));
        if (!is_told)
            return NULL;
    }
    const struct mark end = {.time_us = until_us};
    return (int64_t)rows.count < limit ? move_mark(call, gateway, &end) : NULL;
}

static const struct error *confirm_round(struct call *call, const struct obligation *obligation)
{
    const char *gateway = obligation->business_key;
    int64_t until_us = obligation->now_us - CONFIRM_AGE_US;
    struct mark mark;

    if (call->house->settings->reconcile_confirm_max == 0 ||
        gateway_find(call->house->gateways, gateway) == NULL)
        return jobs_finish(call, obligation);
    TRY(load_mark(call, gateway, obligation->now_us, &mark));
    if (mark.time_us + CONFIRM_SPAN_US < until_us)
        until_us = mark.time_us + CONFIRM_SPAN_US;
    if (mark.time_us < until_us)
        TRY(confirm_some(call, gateway, until_us, &mark));
    bool is_behind = until_us < obligation->now_us - CONFIRM_AGE_US;
    return jobs_move(call, obligation,
                     obligation->now_us + (is_behind ? US_PER_SECOND : CONFIRM_EACH_US));
}

const struct job_kind reconcile_confirm_job = {.name = "reconcile.confirm", .run = confirm_round};

/* ---- Owing it ---- */

const struct pg_statement reconciliation_schedule_statement = {
    .name = "reconciliation_schedule",
    .sql = "SELECT reconciliation_schedule($1, $2, $3, $4, $5)",
};

static const struct error *schedule(void *owner, struct call *call)
{
    const struct gateways *gateways = call->house->gateways;
    const struct settings *settings = call->house->settings;
    struct pg_rows rows;

    (void)owner;
    for (int32_t i = 0; i < gateways->count; i++) {
        if (gateways->list[i]->list_transactions == NULL)
            continue;
        TRY(pg_write(call, HOUSE_CUSTOMER, &reconciliation_schedule_statement,
                     PG_PARAMS(pg_uuid(HOUSE_CUSTOMER), pg_text(gateways->list[i]->name),
                               pg_bool(settings->reconcile_confirm_max > 0),
                               pg_bool(settings->reconcile_days > 0), pg_time(call->now_us)),
                     &rows));
    }
    return NULL;
}

struct watch *reconcile_watch_open(const struct house *house)
{
    return watch_open(&(struct watch_question){
        .house = house,
        .caller = "system/reconcile",
        .method = "reconcile/schedule",
        .every_us = US_PER_HOUR,
        .limit_us = 10 * US_PER_SECOND,
        .arena_size = 65536,
        .ask = schedule,
        .trouble_event = "reconcile.cannot_schedule",
    });
}
