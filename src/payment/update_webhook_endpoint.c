/*
 * UpdateWebhookEndpoint changes where and what an endpoint is told, and whether.  Enabled again, it
 * has no history of failures, and its queues go on at once.
 */

#include "payment/payment_internal.h"

#include "base/text.h"
#include "contract/message.h"
#include "payment/webhook_proto.h"
#include "pg/replay.h"

typedef Dues__Payment__V1__UpdateWebhookEndpointRequest Request;
typedef Dues__Payment__V1__WebhookEndpoint Endpoint;

#define CHANGED_TRIES_MAX 3

#define STATE(name) DUES__PAYMENT__V1__WEBHOOK_ENDPOINT__STATE__STATE_##name

/* What the request asks for; NULL and UNSPECIFIED: as it is. */
struct change {
    struct uuid id;
    const char *url;
    const char *event_types;
    const char *description;
    Dues__Payment__V1__WebhookEndpoint__State state;
};

enum { WANTS_URL = 1, WANTS_TYPES = 2, WANTS_DESCRIPTION = 4, WANTS_STATE = 8 };

static unsigned path_of(const char *path)
{
    if (text_equal(path, "url"))
        return WANTS_URL;
    if (text_equal(path, "event_types"))
        return WANTS_TYPES;
    if (text_equal(path, "description"))
        return WANTS_DESCRIPTION;
    return text_equal(path, "state") ? WANTS_STATE : 0;
}

static unsigned read_mask(struct field_errors *errors, const Request *req, const Endpoint *wanted)
{
    unsigned wants = 0;

    if (req->update_mask == NULL || req->update_mask->n_paths == 0)
        return (wanted->url[0] != '\0' ? WANTS_URL : 0U) |
               (wanted->n_event_types > 0 ? WANTS_TYPES : 0U) |
               (wanted->description[0] != '\0' ? WANTS_DESCRIPTION : 0U) |
               (wanted->state != STATE(UNSPECIFIED) ? WANTS_STATE : 0U);
    for (size_t i = 0; i < req->update_mask->n_paths; i++) {
        unsigned path = path_of(req->update_mask->paths[i]);
        if (path == 0)
            field_error_add(errors, arena_printf(errors->call->arena, "update_mask.paths[%zu]", i),
                            "must be url, event_types, description or state");
        wants |= path;
    }
    return wants;
}

static const struct error *validate(struct call *call, const Request *req, struct change *change)
{
    struct field_errors errors = {.call = call};
    const Endpoint *wanted = req->webhook_endpoint;

    *change = (struct change){.state = STATE(UNSPECIFIED)};
    if (wanted == NULL) {
        field_error_add(&errors, "webhook_endpoint", "must be given");
        return field_errors_result(&errors);
    }
    check_name(&errors, "webhook_endpoint.name", wanted->name, WEBHOOK_ENDPOINT_PATTERN,
               &change->id, 1);
    unsigned wants = read_mask(&errors, req, wanted);
    if ((wants & WANTS_URL) != 0 || wanted->url[0] != '\0')
        check_webhook_url(&errors, "webhook_endpoint.url", wanted->url);
    const char *types = check_webhook_event_types(&errors, "webhook_endpoint.event_types",
                                                  wanted->event_types, wanted->n_event_types);
    check_text(&errors, "webhook_endpoint.description", wanted->description, 0,
               WEBHOOK_DESCRIPTION_LENGTH_MAX);
    change->url = (wants & WANTS_URL) != 0 ? wanted->url : NULL;
    change->event_types = (wants & WANTS_TYPES) != 0 ? types : NULL;
    change->description = (wants & WANTS_DESCRIPTION) != 0 ? wanted->description : NULL;
    if ((wants & WANTS_STATE) != 0) {
        if (wanted->state == STATE(UNSPECIFIED))
            field_error_add(&errors, "webhook_endpoint.state", "must be ENABLED or DISABLED");
        change->state = wanted->state;
    }
    return field_errors_result(&errors);
}

static void apply(struct webhook_endpoint *endpoint, const struct change *change, int64_t now_us)
{
    if (change->url != NULL)
        endpoint->url = change->url;
    if (change->event_types != NULL)
        endpoint->event_types = change->event_types;
    if (change->description != NULL)
        endpoint->description = change->description;
    if (change->state == STATE(ENABLED) && !endpoint->is_enabled) {
        endpoint->is_enabled = true;
        endpoint->disable_reason = "";
        endpoint->failing_since_us = 0;
    } else if (change->state == STATE(DISABLED) && endpoint->is_enabled) {
        endpoint->is_enabled = false;
        endpoint->disable_reason = "REQUESTED";
    }
    endpoint->update_time_us = now_us;
}

const struct error *update_webhook_endpoint(struct call *call, const void *request, void *reply)
{
    struct webhook_endpoint endpoint;
    struct change change;
    bool replayed;
    bool changed = true;

    TRY(validate(call, request, &change));
    TRY(replay_find(call, change.id, &replayed, NULL));
    if (replayed)
        return NULL;
    const Endpoint *wanted = ((const Request *)request)->webhook_endpoint;
    TRY(check_webhook_event_types_exist(call, "webhook_endpoint.event_types", wanted->event_types,
                                        wanted->n_event_types));
    for (int tries = 0; changed && tries < CHANGED_TRIES_MAX; tries++) {
        TRY(webhook_endpoint_load(call, change.id, &endpoint));
        int64_t before_us = endpoint.update_time_us;
        apply(&endpoint, &change, call->now_us);
        webhook_endpoint_to_proto(call->arena, &endpoint, "", call->now_us, reply);
        TRY(webhook_endpoint_update(call, &endpoint, before_us, message_pack(call->arena, reply),
                                    &changed, &replayed));
    }
    if (changed)
        return refuse(call, STATUS_ABORTED, "CONCURRENT_CHANGE",
                      "other calls changed the endpoint at the same time");
    if (replayed || change.state != STATE(ENABLED))
        return NULL;
    return webhook_wake(call, change.id);
}
