/*
 * ListPayments, newest first, filtered by state and time.
 */

#include "payment/payment_internal.h"

#include "crypto/page_token.h"
#include "payment/payment_proto.h"

const struct error *list_payments(struct call *call, const void *request, void *reply)
{
    const Dues__Payment__V1__ListPaymentsRequest *req = request;
    Dues__Payment__V1__ListPaymentsResponse *res = reply;
    struct field_errors errors = {.call = call};
    struct payment_filter filter;
    struct payment *payments;
    struct customer customer;
    struct uuid id;
    struct uuid before;
    size_t count;

    check_owned_name(&errors, "parent", req->parent, "customers/{}", &id, 1);
    int32_t page_size = check_page_size(&errors, "page_size", req->page_size);
    TRY(field_errors_result(&errors));
    TRY(owner_check(call, id, "CUSTOMER_NOT_FOUND", req->parent));
    TRY(payment_filter_parse(call, req->filter, &filter));
    const char *arguments =
        arena_printf(call->arena, "%s|%s", uuid_text(call->arena, id), req->filter);
    TRY(page_token_read_id(call, arguments, req->page_token, &before));
    TRY(customer_load(call, id, &customer));
    TRY(payment_list(call, id, &filter, before, page_size + 1, &payments, &count));

    if (count > (size_t)page_size) {
        count = (size_t)page_size;
        res->next_page_token = page_token_make_id(call, arguments, payments[count - 1].id);
    }
    res->payments = arena_array(call->arena, count + 1, sizeof(void *));
    for (size_t i = 0; i < count; i++) {
        res->payments[i] = arena_alloc(call->arena, sizeof **res->payments);
        dues__payment__v1__payment__init(res->payments[i]);
        payment_to_proto(call->arena, &payments[i], res->payments[i]);
    }
    res->n_payments = count;
    return NULL;
}
