/*
 * A capture or a void on its way to the gateway.
 */

#include "payment/payment_internal.h"

#include "payment/payment_proto.h"
#include "pg/replay.h"

#define RETRY_IN_PROGRESS_MS 1000

struct gateway_request capture_request(struct call *call, const struct capture *capture)
{
    return (struct gateway_request){
        .operation = capture->operation,
        .idempotency_key = capture->gateway_key,
        .reference = uuid_text(call->arena, capture->id),
        .payment = uuid_text(call->arena, capture->payment),
        .amount = capture->amount,
        .token = "",
        .transaction = capture->transaction,
        .final = capture->is_final,
        .off_session = true,
    };
}

void capture_send(struct call *call, const struct capture *capture, struct gateway_answer *answer)
{
    struct attempt_ask ask = {
        .gateway = capture->gateway,
        .request = capture_request(call, capture),
        .armed_us = capture->armed_us,
    };

    attempt_ask(call, &ask, answer);
}

const struct error *capture_in_progress(struct call *call)
{
    return error_retry(refuse(call, STATUS_ABORTED, "CAPTURE_IN_PROGRESS",
                              "another capture or cancellation of the payment is on its way"),
                       RETRY_IN_PROGRESS_MS);
}

const struct error *capture_as_it_stands(struct call *call, struct uuid customer,
                                         struct uuid attempt_id, Dues__Payment__V1__Payment *reply)
{
    struct attempt attempt;
    struct payment payment;
    bool answered;
    bool found;

    TRY(attempt_await_one(call, customer, attempt_id, &answered));
    if (answered)
        return NULL;
    TRY(attempt_find(call, customer, attempt_id, &attempt, &found));
    /* Settled between two looks: its answer was recorded, or forgotten, in the same commit. */
    if (!found || attempt.state == ATTEMPT_DECLINED || attempt.state == ATTEMPT_FAILED)
        return capture_in_progress(call);
    if (attempt.state == ATTEMPT_SUCCEEDED)
        TRY(replay_find(call, customer, &answered, NULL));
    if (answered)
        return NULL;
    TRY(payment_load(call, customer, attempt.payment, &payment));
    payment_to_proto(call->arena, &payment, reply);
    return NULL;
}

static const struct error *ask_and_settle(struct call *call, const struct capture *capture,
                                          const struct capture_rules *rules,
                                          Dues__Payment__V1__Payment *reply)
{
    struct gateway_answer answer;
    struct payment payment;
    bool is_refused;

    capture_send(call, capture, &answer);
    TRY(capture_settle(call, capture, &answer, &payment, &is_refused));
    if (is_refused && answer.is_hold_gone)
        TRY(hold_end(call, capture->customer, capture->payment, &payment));
    if (is_refused)
        return rules->refused(call, &answer, &payment);
    payment_to_proto(call->arena, &payment, reply);
    return NULL;
}

const struct error *capture_run(struct call *call, const struct capture *capture,
                                const struct capture_rules *rules,
                                Dues__Payment__V1__Payment *reply)
{
    enum capture_recorded recorded;
    struct payment present;
    struct uuid first;

    TRY(capture_record(call, capture, &recorded, &first));
    switch (recorded) {
    case CAPTURE_RECORDED:
        return ask_and_settle(call, capture, rules, reply);
    case CAPTURE_RUNNING:
        return capture_as_it_stands(call, capture->customer, first, reply);
    case CAPTURE_EXCEEDS:
        TRY(payment_load(call, capture->customer, capture->payment, &present));
        TRY(rules->check(call, &present, rules->intent));
        return capture_in_progress(call); /* it has changed twice */
    case CAPTURE_REPLAYED:
        break;
    }
    return NULL;
}
