/*
 * ListWebhookEndpoints: all that are told of events, newest first.
 */

#include "payment/payment_internal.h"

#include "crypto/page_token.h"
#include "payment/webhook_proto.h"

const struct error *list_webhook_endpoints(struct call *call, const void *request, void *reply)
{
    const Dues__Payment__V1__ListWebhookEndpointsRequest *req = request;
    Dues__Payment__V1__ListWebhookEndpointsResponse *res = reply;
    struct field_errors errors = {.call = call};
    struct webhook_endpoint *endpoints;
    struct uuid before;
    size_t count;

    int32_t page_size = check_page_size(&errors, "page_size", req->page_size);
    TRY(field_errors_result(&errors));
    TRY(page_token_read_id(call, "", req->page_token, &before));
    TRY(webhook_endpoint_list(call, before, page_size + 1, &endpoints, &count));

    if (count > (size_t)page_size) {
        count = (size_t)page_size;
        res->next_page_token = page_token_make_id(call, "", endpoints[count - 1].id);
    }
    res->webhook_endpoints = arena_array(call->arena, count + 1, sizeof(void *));
    for (size_t i = 0; i < count; i++) {
        res->webhook_endpoints[i] = arena_alloc(call->arena, sizeof **res->webhook_endpoints);
        dues__payment__v1__webhook_endpoint__init(res->webhook_endpoints[i]);
        webhook_endpoint_to_proto(call->arena, &endpoints[i], "", call->now_us,
                                  res->webhook_endpoints[i]);
    }
    res->n_webhook_endpoints = count;
    return NULL;
}
