/*
 * What an authorization holds comes to its end without anybody's request: its time is over, or the
 * gateway has given it up before.  Either way the gateway is asked to let go of it, which is true
 * also when it has done so by itself, and only then is the payment CANCELED: money that was taken
 * after all is never called canceled.
 */

#include "payment/payment_internal.h"

#include "base/time.h"
#include "customer/customer.h"

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

const struct error *hold_let_go(struct call *call, struct payment *payment, int64_t now_us,
                                bool *refused)
{
    enum capture_recorded recorded;
    struct gateway_answer answer;
    struct capture capture;
    struct uuid object;
    struct call own = *call;

    /* A request may have shown that the hold is gone; it did not ask for this. */
    own.request_id = "";
    *refused = false;
    TRY(void_prepare(&own, payment, now_us, &capture));
    TRY(capture_record(&own, &capture, &recorded, &object));
    if (recorded != CAPTURE_RECORDED)
        return NULL;
    capture_send(&own, &capture, &answer);
    TRY(capture_settle(&own, &capture, &answer, payment, refused));
    return *refused ? report(&own, &capture) : NULL;
}

/* Something may be taken or let go of, and nothing is on its way that must end first. */
static bool is_free(const struct payment *payment)
{
    return payment->state == PAYMENT_REQUIRES_CAPTURE && payment->capture_pending_minor == 0;
}

const struct error *hold_end(struct call *call, struct uuid customer_id, struct uuid payment_id,
                             struct payment *payment)
{
    struct customer customer;
    bool refused;

    TRY(payment_load(call, customer_id, payment_id, payment));
    if (!is_free(payment))
        return NULL;
    TRY(customer_load(call, customer_id, &customer));
    return hold_let_go(call, payment, customer.now_us, &refused);
}

const struct error *hold_look(struct call *call, struct uuid customer,
                              const struct attempt *authorization, bool *heard)
{
    struct gateway_answer answer;
    struct payment payment;

    *heard = true;
    TRY(payment_load(call, customer, authorization->payment, &payment));
    if (!is_free(&payment))
        return NULL;
    const struct attempt_ask question = {
        .gateway = authorization->gateway,
        .request = {.operation = GATEWAY_VOID,
                    .idempotency_key = attempt_gateway_key(call, authorization->id, GATEWAY_VOID),
                    .reference = uuid_text(call->arena, authorization->id),
                    .payment = uuid_text(call->arena, payment.id),
                    .customer = uuid_text(call->arena, customer),
                    .amount = money_make(payment.amount.currency, payment.capturable_minor),
                    .token = "",
                    .transaction = authorization->transaction,
                    .final = true,
                    .off_session = true},
        .armed_us = clock_monotonic_us(call->house->clock),
        .query_only = true,
    };
    attempt_ask(call, &question, &answer);
    *heard = answer.outcome == GATEWAY_SUCCEEDED || answer.outcome == GATEWAY_FAILED;
    return answer.outcome == GATEWAY_SUCCEEDED
               ? hold_end(call, customer, authorization->payment, &payment)
               : NULL;
}
