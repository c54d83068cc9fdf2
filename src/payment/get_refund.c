/*
 * GetRefund: one refund of a payment, by name.
 */

#include "payment/payment_internal.h"

#include "payment/payment_proto.h"

const struct error *get_refund(struct call *call, const void *request, void *reply)
{
    const Dues__Payment__V1__GetRefundRequest *req = request;
    struct field_errors errors = {.call = call};
    struct refund refund;
    struct uuid ids[3];

    check_owned_name(&errors, "name", req->name, REFUND_PATTERN, ids, 3);
    TRY(field_errors_result(&errors));
    TRY(owner_check(call, ids[0], "REFUND_NOT_FOUND", req->name));
    TRY(refund_load(call, ids[0], ids[1], ids[2], &refund));
    refund_to_proto(call->arena, &refund, reply);
    return NULL;
}
