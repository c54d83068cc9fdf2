/*
 * A refund on its way to the gateway.
 */

#include "payment/payment_internal.h"

struct gateway_request refund_request(struct call *call, const struct refund *refund,
                                      const struct refund_attempt *attempt)
{
    return (struct gateway_request){
        .operation = GATEWAY_REFUND,
        .idempotency_key = attempt->gateway_key,
        .reference = uuid_text(call->arena, attempt->id),
        .amount = refund->amount,
        .token = "",
        .transaction = attempt->acted_on,
        .payment = uuid_text(call->arena, refund->payment),
        .customer = uuid_text(call->arena, refund->customer),
        .off_session = true,
    };
}

void refund_send(struct call *call, const struct refund *refund,
                 const struct refund_attempt *attempt, struct gateway_answer *answer)
{
    struct attempt_ask ask = {
        .gateway = attempt->gateway,
        .request = refund_request(call, refund, attempt),
        .armed_us = attempt->armed_us,
    };

    attempt_ask(call, &ask, answer);
}
