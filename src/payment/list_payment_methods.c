/*
 * ListPaymentMethods: a customer's means of payment, newest first.
 */

#include "payment/payment_internal.h"

#include "crypto/page_token.h"
#include "payment/payment_proto.h"

const struct error *list_payment_methods(struct call *call, const void *request, void *reply)
{
    const Dues__Payment__V1__ListPaymentMethodsRequest *req = request;
    Dues__Payment__V1__ListPaymentMethodsResponse *res = reply;
    struct field_errors errors = {.call = call};
    struct payment_method *methods;
    struct customer customer;
    struct uuid id;
    struct uuid before;
    size_t count;

    check_owned_name(&errors, "parent", req->parent, "customers/{}", &id, 1);
    int32_t page_size = check_page_size(&errors, "page_size", req->page_size);
    TRY(field_errors_result(&errors));
    TRY(owner_check(call, id, "CUSTOMER_NOT_FOUND", req->parent));
    const char *arguments = uuid_text(call->arena, id);
    TRY(page_token_read_id(call, arguments, req->page_token, &before));
    TRY(customer_load(call, id, &customer));
    TRY(payment_method_list(call, id, before, page_size + 1, &methods, &count));

    if (count > (size_t)page_size) {
        count = (size_t)page_size;
        res->next_page_token = page_token_make_id(call, arguments, methods[count - 1].id);
    }
    res->payment_methods = arena_array(call->arena, count + 1, sizeof(void *));
    for (size_t i = 0; i < count; i++) {
        res->payment_methods[i] = arena_alloc(call->arena, sizeof **res->payment_methods);
        dues__payment__v1__payment_method__init(res->payment_methods[i]);
        payment_method_to_proto(call->arena, &methods[i], res->payment_methods[i]);
    }
    res->n_payment_methods = count;
    return NULL;
}
