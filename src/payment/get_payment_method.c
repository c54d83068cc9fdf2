/*
 * GetPaymentMethod shows what is known of a card; its token never leaves.
 */

#include "payment/payment_internal.h"

#include "payment/payment_proto.h"

const struct error *get_payment_method(struct call *call, const void *request, void *reply)
{
    const Dues__Payment__V1__GetPaymentMethodRequest *req = request;
    struct field_errors errors = {.call = call};
    struct payment_method method;
    struct uuid ids[2];

    check_owned_name(&errors, "name", req->name, PAYMENT_METHOD_PATTERN, ids, 2);
    TRY(field_errors_result(&errors));
    TRY(owner_check(call, ids[0], "PAYMENT_METHOD_NOT_FOUND", req->name));
    TRY(payment_method_load(call, ids[0], ids[1], &method));
    payment_method_to_proto(call->arena, &method, reply);
    return NULL;
}
