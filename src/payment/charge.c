/*
 * A charge, from the payment method to the gateway.  Nothing here is recorded: the step function of
 * whoever charges does that, before charge_send and after it.
 */

#include "payment/payment_internal.h"

#include "base/text.h"
#include "base/time.h"
#include "payment/payment_method.h"

#define GATEWAY_RETRY_MS 60000
#define BUSY_RETRY_MS    1000

const struct error *charge_prepare(struct call *call, const struct customer *customer,
                                   struct uuid payment_method, struct charge *charge)
{
    struct payment_method method;

    TRY(payment_method_load(call, customer->id, payment_method, &method));
    return charge_prepare_by(call, &method, customer->now_us, charge);
}

const struct error *charge_prepare_by(struct call *call, const struct payment_method *method,
                                      int64_t now_us, struct charge *charge)
{
    TRY(payment_method_check(call, method, charge->off_session || charge->begins_renewals, now_us));
    /* Our own lack, and no fault of the method: a renewal must not count it as a decline. */
    if (gateway_find(call->house->gateways, method->gateway) == NULL)
        return error_retry(refuse(call, STATUS_UNAVAILABLE, "GATEWAY_UNAVAILABLE",
                                  "the gateway of the payment method is not configured"),
                           GATEWAY_RETRY_MS);
    TRY(payment_method_open(call, method, &charge->token));

    charge->customer = method->customer;
    charge->payment = uuid_make(call->house->random, call->now_us);
    charge->attempt = uuid_make(call->house->random, call->now_us);
    charge->payment_method = method->id;
    charge->gateway = method->gateway;
    charge->gateway_key = attempt_gateway_key(
        call, charge->attempt, charge->is_manual ? GATEWAY_AUTHORIZE : GATEWAY_CHARGE);
    charge->lease_ms = attempt_lease_ms(call);
    charge->epoch = 1;
    charge->now_us = now_us;
    charge->create_time_us = now_us;
    charge->armed_us = clock_monotonic_us(call->house->clock);
    charge->transaction = "";
    if (charge->description == NULL)
        charge->description = "";
    return NULL;
}

const struct error *charge_refused(struct call *call, const struct charge *charge)
{
    struct payment_method method;

    TRY(payment_method_load(call, charge->customer, charge->payment_method, &method));
    TRY(payment_method_check(call, &method, charge->off_session || charge->begins_renewals,
                             charge->now_us));
    return error_retry(refuse(call, STATUS_ABORTED, "CONCURRENT_CHANGE",
                              "other charges of the card are on their way; the card networks allow"
                              " no more until their results are known"),
                       BUSY_RETRY_MS);
}

struct gateway_request charge_request(struct call *call, const struct charge *charge)
{
    return (struct gateway_request){
        .operation = charge->is_manual ? GATEWAY_AUTHORIZE : GATEWAY_CHARGE,
        .idempotency_key = charge->gateway_key,
        .reference = uuid_text(call->arena, charge->attempt),
        .payment = uuid_text(call->arena, charge->payment),
        .customer = uuid_text(call->arena, charge->customer),
        .amount = charge->amount,
        .token = charge->token,
        .transaction = charge->transaction,
        .off_session = charge->off_session,
    };
}

void charge_send(struct call *call, const struct charge *charge, struct gateway_answer *answer)
{
    struct attempt_ask ask = {
        .gateway = charge->gateway,
        .request = charge_request(call, charge),
        .armed_us = charge->armed_us,
    };

    attempt_ask(call, &ask, answer);
}

const struct error *charge_settle(struct call *call, const struct charge *charge,
                                  const struct gateway_answer *answer, struct payment *payment)
{
    const char *name = uuid_is_nil(charge->invoice) ? "direct" : "invoice";
    const struct payment_purpose *const *purpose = call->house->purposes;
    struct gateway_answer closed = *answer;

    while (*purpose != NULL && !text_equal((*purpose)->name, name))
        purpose++;
    if (*purpose == NULL)
        return error_cause(call->arena, refuse(call, STATUS_INTERNAL, "INTERNAL", "internal error"),
                           "no purpose \"%s\" in the house", name);
    action_close(call, charge, &closed);
    return (*purpose)->settle(call, charge, &closed, payment);
}
