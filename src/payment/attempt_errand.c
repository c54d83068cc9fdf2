/*
 * Attempts that are taken up again.  Each operation has its own steps; who resolves, confirms or
 * reconciles does not care which.
 */

#include "payment/attempt_errand.h"

#include "base/time.h"

static struct capture capture_restore(const struct customer *customer,
                                      const struct attempt *attempt, int64_t armed_us)
{
    return (struct capture){
        .customer = customer->id,
        .payment = attempt->payment,
        .id = attempt->id,
        .operation = attempt->operation,
        .amount = attempt->amount,
        .is_final = attempt->is_final,
        .gateway = attempt->gateway,
        .gateway_key = attempt->gateway_key,
        .transaction = attempt->acted_on,
        .epoch = attempt->epoch,
        .now_us = customer->now_us,
        .armed_us = armed_us,
    };
}

const struct error *attempt_errand_restore(struct call *call, const struct customer *customer,
                                           const struct attempt *attempt, int64_t armed_us,
                                           struct attempt_errand *errand)
{
    errand->attempt = attempt;
    switch (attempt->operation) {
    case GATEWAY_CHARGE:
    case GATEWAY_AUTHORIZE:
        TRY(charge_restore(call, customer, attempt, &errand->as.charge));
        errand->as.charge.armed_us = armed_us;
        if (errand->as.charge.is_with_customer) {
            bool over;
            return action_is_over(call, &errand->as.charge, &over);
        }
        return NULL;
    case GATEWAY_CAPTURE:
    case GATEWAY_VOID:
        errand->as.capture = capture_restore(customer, attempt, armed_us);
        return NULL;
    case GATEWAY_REFUND:
        errand->as.refund.attempt = (struct refund_attempt){
            .id = attempt->id,
            .gateway = attempt->gateway,
            .gateway_key = attempt->gateway_key,
            .acted_on = attempt->acted_on,
            .epoch = attempt->epoch,
            .now_us = customer->now_us,
            .armed_us = armed_us,
        };
        return refund_load(call, customer->id, attempt->payment, attempt->refund,
                           &errand->as.refund.refund);
    case GATEWAY_OPERATION_COUNT:
        break;
    }
    return NULL;
}

struct gateway_request attempt_errand_request(struct call *call,
                                              const struct attempt_errand *errand)
{
    switch (errand->attempt->operation) {
    case GATEWAY_CAPTURE:
    case GATEWAY_VOID:
        return capture_request(call, &errand->as.capture);
    case GATEWAY_REFUND:
        return refund_request(call, &errand->as.refund.refund, &errand->as.refund.attempt);
    case GATEWAY_CHARGE:
    case GATEWAY_AUTHORIZE:
    case GATEWAY_OPERATION_COUNT:
        break;
    }
    return charge_request(call, &errand->as.charge);
}

void attempt_errand_query(struct call *call, const struct attempt_errand *errand,
                          struct gateway_answer *answer)
{
    const struct attempt_ask ask = {
        .gateway = errand->attempt->gateway,
        .request = attempt_errand_request(call, errand),
        .armed_us = clock_monotonic_us(call->house->clock),
        .query_only = true,
    };

    attempt_ask(call, &ask, answer);
}

const struct error *attempt_errand_settle(struct call *call, struct attempt_errand *errand,
                                          const struct gateway_answer *answer)
{
    struct payment payment;
    bool refused;

    switch (errand->attempt->operation) {
    case GATEWAY_CHARGE:
    case GATEWAY_AUTHORIZE:
        return charge_settle(call, &errand->as.charge, answer, &payment);
    case GATEWAY_CAPTURE:
    case GATEWAY_VOID:
        TRY(capture_settle(call, &errand->as.capture, answer, &payment, &refused));
        return refused && answer->is_hold_gone
                   ? hold_end(call, payment.customer, payment.id, &payment)
                   : NULL;
    case GATEWAY_REFUND:
        return refund_settle(call, &errand->as.refund.attempt, answer, &errand->as.refund.refund);
    case GATEWAY_OPERATION_COUNT:
        break;
    }
    return NULL;
}
