/*
 * CreateWebhookEndpoint makes somebody who is told of events.  The secret is in this answer alone,
 * so the recorded one is sealed.
 */

#include "payment/payment_internal.h"

#include "crypto/request_id.h"
#include "payment/webhook_proto.h"
#include "pg/replay.h"
#include "webhook/signature.h"

typedef Dues__Payment__V1__CreateWebhookEndpointRequest Request;
typedef Dues__Payment__V1__WebhookEndpoint Reply;

/* Of calls that take the same free place at the same time one gets it. */
#define CHANGED_TRIES_MAX 3

static const struct error *validate(struct call *call, const Request *req,
                                    struct webhook_endpoint *endpoint)
{
    struct field_errors errors = {.call = call};
    const Reply *wanted = req->webhook_endpoint;

    if (wanted == NULL) {
        field_error_add(&errors, "webhook_endpoint", "must be given");
        return field_errors_result(&errors);
    }
    check_webhook_url(&errors, "webhook_endpoint.url", wanted->url);
    check_text(&errors, "webhook_endpoint.description", wanted->description, 0,
               WEBHOOK_DESCRIPTION_LENGTH_MAX);
    bool is_disabled = wanted->state == DUES__PAYMENT__V1__WEBHOOK_ENDPOINT__STATE__STATE_DISABLED;
    *endpoint = (struct webhook_endpoint){
        .url = wanted->url,
        .event_types = check_webhook_event_types(&errors, "webhook_endpoint.event_types",
                                                 wanted->event_types, wanted->n_event_types),
        .description = wanted->description,
        .is_ed25519 =
            wanted->signing == DUES__PAYMENT__V1__WEBHOOK_ENDPOINT__SIGNING__SIGNING_ED25519,
        .is_enabled = !is_disabled,
        .disable_reason = is_disabled ? "REQUESTED" : "",
        .create_time_us = call->now_us,
        .update_time_us = call->now_us,
    };
    return field_errors_result(&errors);
}

const struct error *create_webhook_endpoint(struct call *call, const void *request, void *reply)
{
    struct webhook_endpoint endpoint;
    bool replayed = false;
    bool changed = true;
    struct bytes answer;
    const char *secret;

    TRY(validate(call, request, &endpoint));
    if (call->request_id[0] != '\0') {
        endpoint.id = uuid_of_request(call);
        TRY(replay_find(call, endpoint.id, &replayed, NULL));
    } else {
        endpoint.id = uuid_make(call->house->random, call->now_us);
    }
    if (replayed)
        return webhook_answer_open(call, endpoint.id);
    const Reply *wanted = ((const Request *)request)->webhook_endpoint;
    TRY(check_webhook_event_types_exist(call, "webhook_endpoint.event_types", wanted->event_types,
                                        wanted->n_event_types));
    TRY(webhook_key_make(call, endpoint.id, endpoint.is_ed25519, &endpoint.key, &secret));
    webhook_endpoint_to_proto(call->arena, &endpoint, secret, call->now_us, reply);
    TRY(webhook_answer_seal(call, endpoint.id, reply, &answer));
    for (int tries = 0; changed && tries < CHANGED_TRIES_MAX; tries++)
        TRY(webhook_endpoint_create(call, &endpoint, answer, &changed, &replayed));
    if (changed)
        return refuse(call, STATUS_ABORTED, "CONCURRENT_CHANGE",
                      "other calls made endpoints at the same time");
    return replayed ? webhook_answer_open(call, endpoint.id) : NULL;
}
