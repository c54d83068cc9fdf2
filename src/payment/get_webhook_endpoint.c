/*
 * GetWebhookEndpoint shows an endpoint; its secret was told when it was made.
 */

#include "payment/payment_internal.h"

#include "payment/webhook_proto.h"

const struct error *get_webhook_endpoint(struct call *call, const void *request, void *reply)
{
    const Dues__Payment__V1__GetWebhookEndpointRequest *req = request;
    struct field_errors errors = {.call = call};
    struct webhook_endpoint endpoint;
    struct uuid id;

    check_name(&errors, "name", req->name, WEBHOOK_ENDPOINT_PATTERN, &id, 1);
    TRY(field_errors_result(&errors));
    TRY(webhook_endpoint_load(call, id, &endpoint));
    webhook_endpoint_to_proto(call->arena, &endpoint, "", call->now_us, reply);
    return NULL;
}
