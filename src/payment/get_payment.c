/*
 * GetPayment: one payment of a customer, by name.
 */

#include "payment/payment_internal.h"

#include "payment/payment_proto.h"

const struct error *get_payment(struct call *call, const void *request, void *reply)
{
    const Dues__Payment__V1__GetPaymentRequest *req = request;
    struct field_errors errors = {.call = call};
    struct payment payment;
    struct uuid ids[2];

    check_owned_name(&errors, "name", req->name, PAYMENT_PATTERN, ids, 2);
    TRY(field_errors_result(&errors));
    TRY(owner_check(call, ids[0], "PAYMENT_NOT_FOUND", req->name));
    TRY(payment_load(call, ids[0], ids[1], &payment));
    TRY(payment_action_load(call, &payment));
    payment_to_proto(call->arena, &payment, reply);
    return NULL;
}
