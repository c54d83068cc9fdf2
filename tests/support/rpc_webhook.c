/*
 * The requests, and waiting for what the engine does.
 */
#include "support/rpc_webhook.h"

#include <unistd.h>

#include "base/bug.h"
#include "base/text.h"
#include "webhook/signature.h"

#define WAIT_STEPS 2000
#define STEP_US    10000

struct endpoint_wish wished_endpoint(void)
{
    return (struct endpoint_wish){
        .as = AS(SERVICE_BILLING),
        .url = "https://example.com/hook",
        .description = "",
        .request_id = "",
    };
}

static void fill(struct rpc_fixture *f, const struct endpoint_wish *wish, Endpoint *endpoint,
                 char **types)
{
    endpoint->url = member_text(f, wish->url);
    endpoint->description = member_text(f, wish->description);
    endpoint->signing = (Dues__Payment__V1__WebhookEndpoint__Signing)wish->signing;
    endpoint->state = (Dues__Payment__V1__WebhookEndpoint__State)wish->state;
    if (wish->event_type == NULL)
        return;
    types[0] = member_text(f, wish->event_type);
    endpoint->event_types = types;
    endpoint->n_event_types = 1;
}

const struct dues_answer *ask_endpoint(struct rpc_fixture *f, const struct endpoint_wish *wish)
{
    Dues__Payment__V1__CreateWebhookEndpointRequest request =
        DUES__PAYMENT__V1__CREATE_WEBHOOK_ENDPOINT_REQUEST__INIT;
    Endpoint endpoint = DUES__PAYMENT__V1__WEBHOOK_ENDPOINT__INIT;
    char *types[1];

    fill(f, wish, &endpoint, types);
    request.webhook_endpoint = &endpoint;
    request.request_id = member_text(f, wish->request_id);
    return ask_payment_service(f, wish->as, "CreateWebhookEndpoint", &request.base);
}

const char *given_endpoint(struct rpc_fixture *f, const struct receiver *receiver,
                           const char *event_type)
{
    struct endpoint_wish wish = wished_endpoint();

    wish.url = rpc_printf(f, "http://127.0.0.1:%d/hook", receiver_port(receiver));
    wish.event_type = event_type;
    return ((const Endpoint *)must_reply(ask_endpoint(f, &wish)))->name;
}

const struct dues_answer *ask_update(struct rpc_fixture *f, const char *name,
                                     const struct endpoint_wish *wish, const char *path)
{
    Dues__Payment__V1__UpdateWebhookEndpointRequest request =
        DUES__PAYMENT__V1__UPDATE_WEBHOOK_ENDPOINT_REQUEST__INIT;
    Google__Protobuf__FieldMask mask = GOOGLE__PROTOBUF__FIELD_MASK__INIT;
    Endpoint endpoint = DUES__PAYMENT__V1__WEBHOOK_ENDPOINT__INIT;
    char *paths[1];
    char *types[1];

    fill(f, wish, &endpoint, types);
    endpoint.name = member_text(f, name);
    request.webhook_endpoint = &endpoint;
    request.request_id = member_text(f, wish->request_id);
    if (path != NULL) {
        paths[0] = member_text(f, path);
        mask.paths = paths;
        mask.n_paths = 1;
        request.update_mask = &mask;
    }
    return ask_payment_service(f, wish->as, "UpdateWebhookEndpoint", &request.base);
}

const struct dues_answer *ask_webhook_by_name(struct rpc_fixture *f, struct rpc_as as,
                                              const char *method, const char *name,
                                              const char *request_id)
{
    Dues__Payment__V1__GetWebhookEndpointRequest get =
        DUES__PAYMENT__V1__GET_WEBHOOK_ENDPOINT_REQUEST__INIT;
    Dues__Payment__V1__DeleteWebhookEndpointRequest delete =
        DUES__PAYMENT__V1__DELETE_WEBHOOK_ENDPOINT_REQUEST__INIT;
    Dues__Payment__V1__RedeliverWebhookRequest redeliver =
        DUES__PAYMENT__V1__REDELIVER_WEBHOOK_REQUEST__INIT;

    get.name = delete.name = redeliver.name = member_text(f, name);
    delete.request_id = redeliver.request_id = member_text(f, request_id);
    if (strcmp(method, "GetWebhookEndpoint") == 0)
        return ask_payment_service(f, as, method, &get.base);
    if (strcmp(method, "DeleteWebhookEndpoint") == 0)
        return ask_payment_service(f, as, method, &delete.base);
    return ask_payment_service(f, as, method, &redeliver.base);
}

const struct dues_answer *ask_rotate(struct rpc_fixture *f, const char *name, int64_t overlap_s,
                                     const char *request_id)
{
    Dues__Payment__V1__RotateWebhookSecretRequest request =
        DUES__PAYMENT__V1__ROTATE_WEBHOOK_SECRET_REQUEST__INIT;
    Google__Protobuf__Duration overlap = GOOGLE__PROTOBUF__DURATION__INIT;

    request.name = member_text(f, name);
    request.request_id = member_text(f, request_id);
    overlap.seconds = overlap_s;
    if (overlap_s != -1)
        request.overlap = &overlap;
    return ask_payment_service(f, AS(SERVICE_BILLING), "RotateWebhookSecret", &request.base);
}

const struct dues_answer *ask_deliveries(struct rpc_fixture *f, const struct deliveries_wish *wish)
{
    Dues__Payment__V1__ListWebhookDeliveriesRequest request =
        DUES__PAYMENT__V1__LIST_WEBHOOK_DELIVERIES_REQUEST__INIT;

    request.parent = member_text(f, wish->parent);
    request.customer = member_text(f, wish->customer);
    request.state = (Dues__Payment__V1__WebhookDelivery__State)wish->state;
    request.page_size = wish->page_size;
    request.page_token = member_text(f, wish->page_token);
    return ask_payment_service(f, AS(SERVICE_BILLING), "ListWebhookDeliveries", &request.base);
}

const Endpoint *endpoint_now(struct rpc_fixture *f, const char *name)
{
    return must_reply(ask_webhook_by_name(f, AS(SERVICE_BILLING), "GetWebhookEndpoint", name, ""));
}

const Deliveries *deliveries_of(struct rpc_fixture *f, const char *endpoint, const char *customer)
{
    return must_reply(ask_deliveries(
        f, &(struct deliveries_wish){.parent = endpoint, .customer = customer, .page_token = ""}));
}

const Delivery *await_delivery(struct rpc_fixture *f, const char *endpoint, const char *customer,
                               int state, int32_t attempts)
{
    for (int i = 0; i < WAIT_STEPS; i++) {
        const Deliveries *list = deliveries_of(f, endpoint, customer);
        if (list->n_webhook_deliveries > 0 && (int)list->webhook_deliveries[0]->state == state &&
            list->webhook_deliveries[0]->attempt_count == attempts)
            return list->webhook_deliveries[0];
        usleep(STEP_US);
    }
    bug("the delivery to %s did not come to state %d", endpoint, state);
}

void no_endpoints(struct rpc_fixture *f)
{
    db_execute(f->db, "DELETE FROM dues.webhook_endpoint");
    db_execute(f->db, "DELETE FROM dues.obligation WHERE kind = 'webhook.deliver'");
    db_execute(f->db, "DELETE FROM dues.webhook_delivery");
}

bool is_signed_with(struct rpc_fixture *f, const struct received *received, const char *secret)
{
    const char *hex = db_text(
        f->db, db_printf(f->db, "SELECT encode(decode('%s', 'base64'), 'hex')", secret + 6));
    uint8_t key[WEBHOOK_KEY_SIZE];

    if (!hex_decode(hex, key, sizeof(key)))
        bug("\"%s\" is no secret", secret);
    const char *signature =
        webhook_sign(f->arena, false, (struct bytes){key, sizeof(key)}, received->id,
                     strtoll(received->timestamp, NULL, 10), received->body);
    const char *found = strstr(received->signature, signature);
    return found != NULL && (found == received->signature || found[-1] == ' ') &&
           (found[strlen(signature)] == '\0' || found[strlen(signature)] == ' ');
}
