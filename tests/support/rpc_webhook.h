/*
 * Webhook endpoints asked for through the API, and what tests say about the answers.
 */
#pragma once

#include "support/rpc_payment.h"
#include "support/rpc_receiver.h"

typedef Dues__Payment__V1__WebhookEndpoint Endpoint;
typedef Dues__Payment__V1__WebhookDelivery Delivery;
typedef Dues__Payment__V1__ListWebhookDeliveriesResponse Deliveries;

#define ENDPOINT_STATE(state) DUES__PAYMENT__V1__WEBHOOK_ENDPOINT__STATE__STATE_##state
#define DELIVERY_STATE(state) DUES__PAYMENT__V1__WEBHOOK_DELIVERY__STATE__STATE_##state
#define DISABLED_BY(reason)                                                                        \
    DUES__PAYMENT__V1__WEBHOOK_ENDPOINT__DISABLE_REASON__DISABLE_REASON_##reason
#define SIGNED_BY(signing) DUES__PAYMENT__V1__WEBHOOK_ENDPOINT__SIGNING__SIGNING_##signing

struct endpoint_wish {
    struct rpc_as as;
    const char *url;
    const char *event_type; /* NULL: every one */
    const char *description;
    int signing;
    int state;
    const char *request_id;
};

/* "https://example.com/hook", by service-billing. */
struct endpoint_wish wished_endpoint(void);
const struct dues_answer *ask_endpoint(struct rpc_fixture *f, const struct endpoint_wish *wish);

/* At the receiver, for events of the type (NULL: every one); its name. */
const char *given_endpoint(struct rpc_fixture *f, const struct receiver *receiver,
                           const char *event_type);

/* Of the fields that `path` names; NULL: those that are set. */
const struct dues_answer *ask_update(struct rpc_fixture *f, const char *name,
                                     const struct endpoint_wish *wish, const char *path);
/* GetWebhookEndpoint, DeleteWebhookEndpoint, RedeliverWebhook. */
const struct dues_answer *ask_webhook_by_name(struct rpc_fixture *f, struct rpc_as as,
                                              const char *method, const char *name,
                                              const char *request_id);
/* `overlap_s` -1: not said. */
const struct dues_answer *ask_rotate(struct rpc_fixture *f, const char *name, int64_t overlap_s,
                                     const char *request_id);

struct deliveries_wish {
    const char *parent;
    const char *customer; /* "": every one's */
    int state;
    int32_t page_size;
    const char *page_token;
};
const struct dues_answer *ask_deliveries(struct rpc_fixture *f, const struct deliveries_wish *wish);

const Endpoint *endpoint_now(struct rpc_fixture *f, const char *name);
/* All of a customer at an endpoint, newest first. */
const Deliveries *deliveries_of(struct rpc_fixture *f, const char *endpoint, const char *customer);

/* Waits until the newest delivery of the customer is in this state; ends the program after a while.
 */
const Delivery *await_delivery(struct rpc_fixture *f, const char *endpoint, const char *customer,
                               int state, int32_t attempts);

/* Endpoints are of the whole house: the next test begins without. */
void no_endpoints(struct rpc_fixture *f);

/* True when one of the signatures of the request is that of the secret ("whsec_…"). */
bool is_signed_with(struct rpc_fixture *f, const struct received *received, const char *secret);
