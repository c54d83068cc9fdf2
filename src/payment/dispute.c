/*
 * Learning of disputes, and looking at those that are known again ("dispute.watch"): messages of
 * gateways get lost and come in any order, so none of them is believed; the gateway is asked.
 */

#include "payment/dispute_internal.h"

#include "base/fail_point.h"
#include "base/text.h"
#include "base/time.h"
#include "jobs/jobs.h"

/* Other steps on the dispute that may come between reading and writing. */
#define RECORD_TRIES_MAX 20
#define RETRY_MS         5000

#define LOOK_FIRST_US     US_PER_HOUR
#define LOOK_OPEN_MAX_US  US_PER_DAY         /* one that is open is looked at once a day at least */
#define LOOK_LATER_MAX_US (120 * US_PER_DAY) /* a bank that thinks again does so in this time */

static const struct error *says_nothing(struct call *call)
{
    return error_retry(refuse(call, STATUS_UNAVAILABLE, "GATEWAY_UNAVAILABLE",
                              "the gateway does not say how the dispute stands"),
                       RETRY_MS);
}

/* It names an attempt of ours that took money, at this gateway, in this currency. */
static bool fits(const struct gateway *gateway, const struct gateway_dispute *news,
                 const struct attempt *attempt)
{
    bool takes = attempt->operation == GATEWAY_CHARGE || attempt->operation == GATEWAY_AUTHORIZE;

    return takes && text_equal(attempt->gateway, gateway->name) &&
           (attempt->transaction[0] == '\0' ||
            text_equal(attempt->transaction, news->transaction)) &&
           money_same_currency(attempt->amount, news->amount);
}

static const struct error *find_attempt(struct call *call, const struct gateway *gateway,
                                        const struct gateway_dispute *news, struct uuid *customer,
                                        struct attempt *attempt, bool *found)
{
    struct uuid reference;

    *found = false;
    if (!uuid_parse(news->reference, &reference))
        return NULL;
    TRY(attempt_find_anywhere(call, reference, customer, attempt, found));
    *found = *found && fits(gateway, news, attempt);
    return NULL;
}

/* How the dispute stands at the gateway now.  `*is_there`: it has one of this id. */
static const struct error *ask(struct call *call, const struct gateway *gateway, const char *id,
                               struct gateway_dispute *news, int64_t *asked_us, bool *is_there)
{
    enum gateway_outcome outcome;

    *asked_us = clock_wall_us(call->house->clock);
    if (FAIL_DO("dispute.ask", "", outcome = gateway->get_dispute(gateway, call, id, news)))
        outcome = GATEWAY_UNKNOWN;
    *is_there = outcome != GATEWAY_FAILED;
    if (!*is_there)
        return NULL;
    if (outcome != GATEWAY_SUCCEEDED || !dispute_news_complete(call->arena, news) ||
        !text_equal(news->id, id))
        return says_nothing(call);
    return NULL;
}

static const struct error *apply(struct call *call, const struct gateway *gateway,
                                 struct gateway_dispute *news, const struct attempt *attempt,
                                 struct uuid customer_id, int64_t asked_us)
{
    struct customer customer;
    struct dispute before;
    struct dispute after;
    bool is_recorded = false;
    bool found;

    TRY(customer_load(call, customer_id, &customer));
    for (int i = 0; i < RECORD_TRIES_MAX && !is_recorded; i++) {
        TRY(dispute_find(call, customer_id, gateway->name, news->id, &before, &found));
        if (!found)
            before = (struct dispute){
                .customer = customer_id,
                .id = uuid_make(call->house->random, call->now_us),
                .payment = attempt->payment,
                .gateway = gateway->name,
                .gateway_dispute = news->id,
            };
        if (!dispute_after(&before, news, asked_us, customer.now_us, &after))
            return NULL;
        /* The row may be newer than what was heard, whatever the clocks say.  What is asked after
         * it was read is not older, and the version tells whether it was written since. */
        if (found) {
            const char *id = before.gateway_dispute;
            bool is_there;
            TRY(ask(call, gateway, id, news, &asked_us, &is_there));
            if (!is_there || !fits(gateway, news, attempt))
                return says_nothing(call);
            if (!dispute_after(&before, news, asked_us, customer.now_us, &after))
                return NULL;
        }
        TRY(dispute_record(call, &before, &after, &is_recorded));
    }
    if (!is_recorded)
        return error_retry(refuse(call, STATUS_ABORTED, "CONCURRENT_CHANGE",
                                  "the dispute changed while it was recorded"),
                           1000);
    return NULL;
}

const struct error *dispute_learned(struct call *call, const struct gateway *gateway,
                                    const char *id, bool *is_known)
{
    struct gateway_dispute news;
    struct attempt attempt;
    struct uuid customer;
    int64_t asked_us;
    bool is_there;

    *is_known = false;
    if (gateway->get_dispute == NULL)
        return NULL;
    TRY(ask(call, gateway, id, &news, &asked_us, &is_there));
    if (!is_there)
        return NULL;
    TRY(find_attempt(call, gateway, &news, &customer, &attempt, is_known));
    if (!*is_known)
        return NULL;
    call->customer = uuid_text(call->arena, customer);
    return apply(call, gateway, &news, &attempt, customer, asked_us);
}

/* Twice as far from the last change each time; 0: nobody looks any more. */
static int64_t next_look_us(const struct dispute *dispute, int64_t now_us)
{
    bool is_open = dispute_is_open(dispute->state);
    int64_t age_us = now_us - dispute->asked_us;
    int64_t wait_us = age_us < LOOK_FIRST_US ? LOOK_FIRST_US : age_us;

    if (!is_open && age_us >= LOOK_LATER_MAX_US)
        return 0;
    if (is_open && wait_us > LOOK_OPEN_MAX_US)
        wait_us = LOOK_OPEN_MAX_US;
    return now_us + wait_us;
}

static const struct error *watch(struct call *call, const struct obligation *obligation)
{
    struct dispute dispute;
    struct uuid id;
    bool is_known;

    if (!uuid_parse(obligation->business_key, &id))
        return jobs_finish(call, obligation);
    TRY(dispute_load(call, obligation->customer, id, &dispute));
    const struct gateway *gateway = gateway_find(call->house->gateways, dispute.gateway);
    /* A gateway that is not configured now may be again. */
    if (gateway != NULL)
        TRY(dispute_learned(call, gateway, dispute.gateway_dispute, &is_known));
    TRY(dispute_load(call, obligation->customer, id, &dispute));
    int64_t next_us = next_look_us(&dispute, clock_wall_us(call->house->clock));
    return next_us == 0 ? jobs_finish(call, obligation) : jobs_move(call, obligation, next_us);
}

const struct job_kind dispute_watch_job = {.name = "dispute.watch", .run = watch};
