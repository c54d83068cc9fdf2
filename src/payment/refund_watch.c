/*
 * Refunds that fail after they had succeeded: a closed account, a card that was replaced.  Gateways
 * that say so later are asked again for some time ("refund.watch"); their messages come through
 * refund_failed_later as well.
 */

#include "payment/payment_internal.h"

#include "base/fail_point.h"
#include "base/text.h"
#include "base/time.h"
#include "jobs/jobs.h"

#define LOOK_FIRST_US US_PER_HOUR

int64_t refund_watch_from_us(const struct call *call, const char *gateway_name, int64_t now_us)
{
    const struct gateway *gateway = gateway_find(call->house->gateways, gateway_name);

    if (gateway == NULL || gateway->refund_watch_us == 0)
        return 0;
    return now_us +
           (gateway->refund_watch_us < LOOK_FIRST_US ? gateway->refund_watch_us : LOOK_FIRST_US);
}

const struct pg_statement refund_reverse_statement = {
    .name = "refund_reverse",
    .sql = "SELECT refund_reverse($1, $2, $3, $4) AS is_news",
};

const struct error *refund_failed_later(struct call *call, struct uuid customer,
                                        struct uuid attempt, const char *failure_code,
                                        int64_t now_us)
{
    struct pg_rows rows;

    return pg_write(
        call, customer, &refund_reverse_statement,
        PG_PARAMS(pg_uuid(customer), pg_uuid(attempt), pg_text(failure_code), pg_time(now_us)),
        &rows);
}

const struct pg_statement refund_came_back_statement = {
    .name = "refund_came_back",
    .sql = "SELECT refund_came_back($1, $2, $3, $4, $5, $6) AS is_news",
};

const struct error *refund_came_back(struct call *call, const struct refund_came_back *refund,
                                     bool *is_news)
{
    const struct uuid customer = customer_or_house(refund->customer);
    struct pg_rows rows;

    TRY(FAIL_STEP(call, "refund.came_back", "",
                  pg_write(call, customer, &refund_came_back_statement,
                           PG_PARAMS(pg_uuid(customer), pg_text(refund->gateway),
                                     pg_text(refund->transaction), pg_text(refund->failure_code),
                                     pg_text(refund->detail), pg_time(refund->now_us)),
                           &rows)));
    *is_news = pg_get_bool(&rows, 0, "is_news");
    return NULL;
}

/*
 * Each look is twice as far from the refund as the one before; 0: it can fail no more.  How long it
 * can, only the gateway knows: NULL while it is not configured, and it may be again.
 */
static int64_t next_look_us(const struct gateway *gateway, const struct refund *refund,
                            int64_t now_us)
{
    int64_t age_us = now_us - refund->update_time_us;
    int64_t next_us = age_us < LOOK_FIRST_US ? LOOK_FIRST_US : 2 * age_us;

    if (gateway != NULL && age_us >= gateway->refund_watch_us)
        return 0;
    if (gateway != NULL && next_us > gateway->refund_watch_us)
        next_us = gateway->refund_watch_us;
    return refund->update_time_us + next_us;
}

static void ask(struct call *call, const struct refund *refund, const struct attempt *attempt,
                struct gateway_answer *answer)
{
    const struct refund_attempt refund_attempt = {
        .id = attempt->id,
        .gateway = attempt->gateway,
        .gateway_key = attempt->gateway_key,
        .acted_on = attempt->acted_on,
    };
    struct attempt_ask question = {
        .gateway = attempt->gateway,
        .request = refund_request(call, refund, &refund_attempt),
        .armed_us = clock_monotonic_us(call->house->clock),
        .query_only = true,
    };

    attempt_ask(call, &question, answer);
}

/* Of this very transaction, or it says nothing about it. */
bool refund_has_failed(const struct attempt *attempt, const struct gateway_answer *answer)
{
    return answer->outcome == GATEWAY_DECLINED &&
           text_equal(answer->transaction, attempt->transaction);
}

static const struct error *watch(struct call *call, const struct obligation *obligation)
{
    struct gateway_answer answer;
    struct attempt attempt;
    struct refund refund;
    struct uuid id;
    bool found = false;

    if (uuid_parse(obligation->business_key, &id))
        TRY(attempt_find(call, obligation->customer, id, &attempt, &found));
    if (!found)
        return jobs_finish(call, obligation);
    const struct gateway *gateway = gateway_find(call->house->gateways, attempt.gateway);
    TRY(refund_load(call, obligation->customer, attempt.payment, attempt.refund, &refund));
    if (refund.state != REFUND_SUCCEEDED)
        return jobs_finish(call, obligation);
    if (gateway != NULL) {
        ask(call, &refund, &attempt, &answer);
        if (refund_has_failed(&attempt, &answer))
            return refund_failed_later(call, obligation->customer, id, answer.decline_code,
                                       obligation->now_us);
    }
    int64_t next_us = next_look_us(gateway, &refund, obligation->now_us);
    return next_us == 0 ? jobs_finish(call, obligation) : jobs_move(call, obligation, next_us);
}

const struct job_kind refund_watch_job = {.name = "refund.watch", .run = watch};
