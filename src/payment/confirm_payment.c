/*
 * ConfirmPayment asks the gateway what the customer did about a payment that requires action.
 *
 * It needs no request_id: asking moves nothing, and what has happened is recorded once, whoever
 * asks.  A payment in any other state is answered as it stands.
 */

#include "payment/payment_internal.h"

#include "payment/payment_proto.h"

const struct error *confirm_payment(struct call *call, const void *request, void *reply)
{
    const Dues__Payment__V1__ConfirmPaymentRequest *req = request;
    struct field_errors errors = {.call = call};
    struct payment payment;
    struct uuid ids[2];

    check_owned_name(&errors, "name", req->name, PAYMENT_PATTERN, ids, 2);
    TRY(field_errors_result(&errors));
    TRY(owner_check(call, ids[0], "PAYMENT_NOT_FOUND", req->name));
    TRY(payment_load(call, ids[0], ids[1], &payment));
    if (payment.state == PAYMENT_REQUIRES_ACTION)
        TRY(action_confirm(call, &payment));
    TRY(payment_action_load(call, &payment));
    payment_to_proto(call->arena, &payment, reply);
    return NULL;
}
