/*
 * DeleteWebhookEndpoint: nobody is told there any more.  What was pending is forgotten by its own
 * obligation, which finds no endpoint.
 */

#include "payment/payment_internal.h"

#include "payment/webhook_proto.h"
#include "pg/replay.h"

const struct error *delete_webhook_endpoint(struct call *call, const void *request, void *reply)
{
    const Dues__Payment__V1__DeleteWebhookEndpointRequest *req = request;
    struct field_errors errors = {.call = call};
    struct uuid id;
    bool replayed;

    (void)reply; /* google.protobuf.Empty */
    check_name(&errors, "name", req->name, WEBHOOK_ENDPOINT_PATTERN, &id, 1);
    TRY(field_errors_result(&errors));
    TRY(replay_find(call, id, &replayed, NULL));
    if (replayed)
        return NULL;
    TRY(webhook_endpoint_delete(call, id, &replayed));
    return replayed ? NULL : webhook_wake(call, id);
}
