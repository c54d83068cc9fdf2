/*
 * ListRefunds of one payment, newest first.
 */

#include "payment/payment_internal.h"

#include "crypto/page_token.h"
#include "payment/payment_proto.h"

const struct error *list_refunds(struct call *call, const void *request, void *reply)
{
    const Dues__Payment__V1__ListRefundsRequest *req = request;
    Dues__Payment__V1__ListRefundsResponse *res = reply;
    struct field_errors errors = {.call = call};
    struct payment payment;
    struct refund *refunds;
    struct uuid ids[2];
    struct uuid before;
    size_t count;

    check_owned_name(&errors, "parent", req->parent, PAYMENT_PATTERN, ids, 2);
    int32_t page_size = check_page_size(&errors, "page_size", req->page_size);
    TRY(field_errors_result(&errors));
    TRY(owner_check(call, ids[0], "PAYMENT_NOT_FOUND", req->parent));
    const char *arguments = name_make(call->arena, PAYMENT_PATTERN, ids);
    TRY(page_token_read_id(call, arguments, req->page_token, &before));
    TRY(payment_load(call, ids[0], ids[1], &payment));
    TRY(refund_list(call, ids[0], ids[1], before, page_size + 1, &refunds, &count));

    if (count > (size_t)page_size) {
        count = (size_t)page_size;
        res->next_page_token = page_token_make_id(call, arguments, refunds[count - 1].id);
    }
    res->refunds = arena_array(call->arena, count + 1, sizeof(void *));
    for (size_t i = 0; i < count; i++) {
        res->refunds[i] = arena_alloc(call->arena, sizeof **res->refunds);
        dues__payment__v1__refund__init(res->refunds[i]);
        refund_to_proto(call->arena, &refunds[i], res->refunds[i]);
    }
    res->n_refunds = count;
    return NULL;
}
