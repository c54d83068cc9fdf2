/*
 * The obligation "webhook.deliver": one queue, worked off from its head until it is empty, an
 * attempt fails, or the time of the run is over.
 */

#include "webhook/body.h"

#include <inttypes.h>

#include "base/log.h"
#include "base/random.h"
#include "base/settings.h"
#include "base/time.h"
#include "webhook/courier.h"
#include "webhook/schedule.h"
#include "webhook/signature.h"
#include "webhook/store.h"

/* Of the run's time, what is left for recording an attempt. */
#define RECORD_MARGIN_MS 2000

/* Events of one run: what each leaves in the run's arena is at most some 100 kB. */
#define EVENTS_MAX 25

/* How often a queue is looked at whose endpoint is disabled: webhook_wake is what it waits for. */
#define DISABLED_LOOK_US US_PER_DAY

static int64_t now_of(const struct call *call)
{
    return clock_wall_us(call->house->clock);
}

/* There is time for an attempt as long as any. */
static bool has_time(const struct call *call)
{
    int64_t least_ms = call->house->settings->webhook_timeout_ms + RECORD_MARGIN_MS;

    return call_time_left_us(call) >= least_ms * US_PER_MS;
}

static int64_t time_limit_ms(const struct call *call)
{
    int64_t left_ms = call_time_left_us(call) / US_PER_MS - RECORD_MARGIN_MS;

    return has_time(call) ? call->house->settings->webhook_timeout_ms : left_ms > 1 ? left_ms : 1;
}

static const struct error *letter_of(struct call *call, const struct obligation *obligation,
                                     const struct webhook_head *head, struct courier_letter *letter)
{
    const char *id = webhook_id(call->arena, obligation->customer, head->sequence);
    const char *body = webhook_body(call, obligation->customer, head);
    int64_t timestamp_s = now_of(call) / US_PER_SECOND;
    const char *signatures;

    TRY(webhook_signatures(call, &head->endpoint, id, timestamp_s, body, &signatures));
    const char *headers[] = {
        "Content-Type: application/json",
        "User-Agent: dues-webhooks/1",
        arena_printf(call->arena, "webhook-id: %s", id),
        arena_printf(call->arena, "webhook-timestamp: %" PRId64, timestamp_s),
        arena_printf(call->arena, "webhook-signature: %s", signatures),
        arena_printf(call->arena, "webhook-sequence: %" PRId64, head->sequence),
    };
    *letter = (struct courier_letter){
        .endpoint = &head->endpoint,
        .headers = arena_copy(call->arena, headers, sizeof(headers)),
        .header_count = ARRAY_LENGTH(headers),
        .body = body,
        .time_limit_ms = time_limit_ms(call),
    };
    return NULL;
}

static struct webhook_result result_of(const struct call *call, const struct webhook_head *head,
                                       const struct courier_receipt *receipt, int64_t begin_us)
{
    struct webhook_result result = {
        .attempt = {.time_us = begin_us,
                    .status = receipt->status,
                    .latency_us = receipt->latency_us,
                    .problem = receipt->problem,
                    .answer = receipt->answer},
        .is_gone = receipt->outcome == COURIER_GONE,
    };
    if (receipt->outcome == COURIER_DELIVERED)
        return result;
    int64_t delay_us = webhook_retry_delay_us(head->try_count, call->house->random);
    if (result.is_gone && delay_us == 0)
        delay_us = DISABLED_LOOK_US;
    if (delay_us == 0)
        return result;
    if (delay_us < receipt->retry_after_us)
        delay_us = receipt->retry_after_us;
    result.retry_us = now_of(call) + delay_us;
    return result;
}

static void say_disabled(struct call *call, const struct webhook_head *head,
                         const struct courier_receipt *receipt)
{
    log_write(call->house->log, LOG_WARNING, "webhook.endpoint_disabled",
              LOG_FIELDS(LOG_TEXT("endpoint", uuid_text(call->arena, head->endpoint.id)),
                         LOG_TEXT("reason", receipt->outcome == COURIER_GONE
                                                ? "it answered 410"
                                                : "nothing was delivered for three days"),
                         LOG_TEXT("problem", receipt->problem)));
}

static const struct error *attempt(struct call *call, const struct obligation *obligation,
                                   const struct webhook_head *head, enum webhook_outcome *outcome)
{
    struct courier *courier = call->house->courier;
    struct courier_receipt receipt;
    struct courier_letter letter;
    int64_t begin_us = now_of(call);

    *outcome = WEBHOOK_OVER;
    int64_t wait_us = courier_wait_us(courier, head->endpoint.id);
    if (wait_us > 0)
        return jobs_move(call, obligation, begin_us + wait_us);
    const struct error *error = letter_of(call, obligation, head, &letter);
    if (error != NULL) {
        courier_leave(courier, head->endpoint.id);
        return error;
    }
    courier_carry(courier, call, &letter, &receipt);
    struct webhook_result result = result_of(call, head, &receipt, begin_us);
    if (receipt.outcome != COURIER_DELIVERED && result.retry_us == 0)
        courier_count_given_up(courier);
    TRY(webhook_record(call, obligation, head, &result, outcome));
    if (*outcome == WEBHOOK_DISABLED)
        say_disabled(call, head, &receipt);
    return NULL;
}

static const struct error *deliver(struct call *call, const struct obligation *obligation)
{
    enum webhook_outcome outcome = WEBHOOK_NEXT;
    struct webhook_head head;
    bool found;

    for (int events = 0; outcome == WEBHOOK_NEXT; events++) {
        if (events > 0 && (events == EVENTS_MAX || !has_time(call))) {
            jobs_wake(call->house->jobs);
            return jobs_move(call, obligation, now_of(call));
        }
        TRY(webhook_head_load(call, obligation->customer, obligation->subject, &head, &found));
        if (!found || !head.endpoint.is_enabled || !head.has_event)
            return webhook_rest(call, obligation, now_of(call) + DISABLED_LOOK_US);
        TRY(attempt(call, obligation, &head, &outcome));
    }
    return NULL;
}

const struct job_kind webhook_deliver_job = {.name = "webhook.deliver", .run = deliver};
