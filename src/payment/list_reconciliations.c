/*
 * ListReconciliations: how the comparisons with gateways' books went, newest first.
 */

#include "crypto/page_token.h"
#include "payment/reconcile.h"

typedef Dues__Payment__V1__ListReconciliationsRequest Request;
typedef Dues__Payment__V1__ListReconciliationsResponse Reply;

#define GATEWAY_LENGTH_MAX 32

const struct error *list_reconciliations(struct call *call, const void *request, void *reply)
{
    const Request *req = request;
    Reply *res = reply;
    struct reconciliation_position behind = {0};
    struct field_errors errors = {.call = call};
    struct reconciliation *runs;
    size_t position_size = sizeof behind;
    size_t count;

    check_token(&errors, "gateway", req->gateway, 0, GATEWAY_LENGTH_MAX);
    int32_t page_size = check_page_size(&errors, "page_size", req->page_size);
    TRY(field_errors_result(&errors));
    TRY(page_token_read(call, req->gateway, req->page_token, &behind, &position_size));
    TRY(reconciliation_list(call, req->gateway[0] == '\0' ? NULL : req->gateway, &behind,
                            page_size + 1, &runs, &count));

    if (count > (size_t)page_size) {
        count = (size_t)page_size;
        const struct reconciliation_position last = {runs[count - 1].create_time_us,
                                                     runs[count - 1].id};
        res->next_page_token = page_token_make(call, req->gateway, &last, sizeof last);
    }
    res->reconciliations = arena_array(call->arena, count + 1, sizeof(void *));
    for (size_t i = 0; i < count; i++) {
        res->reconciliations[i] = arena_alloc(call->arena, sizeof **res->reconciliations);
        dues__payment__v1__reconciliation__init(res->reconciliations[i]);
        reconciliation_to_proto(call->arena, &runs[i], res->reconciliations[i]);
    }
    res->n_reconciliations = count;
    return NULL;
}
