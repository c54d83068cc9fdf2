/*
 * ListWebhookDeliveries: the log of an endpoint, newest first, of all customers or of one.
 */

#include "payment/payment_internal.h"

#include "crypto/page_token.h"
#include "payment/webhook_proto.h"

typedef Dues__Payment__V1__ListWebhookDeliveriesRequest Request;
typedef Dues__Payment__V1__ListWebhookDeliveriesResponse Reply;

static enum webhook_state state_of(Dues__Payment__V1__WebhookDelivery__State state)
{
    switch (state) {
    case DUES__PAYMENT__V1__WEBHOOK_DELIVERY__STATE__STATE_PENDING:
        return WEBHOOK_PENDING;
    case DUES__PAYMENT__V1__WEBHOOK_DELIVERY__STATE__STATE_SUCCEEDED:
        return WEBHOOK_SUCCEEDED;
    case DUES__PAYMENT__V1__WEBHOOK_DELIVERY__STATE__STATE_FAILED:
        return WEBHOOK_FAILED;
    case DUES__PAYMENT__V1__WEBHOOK_DELIVERY__STATE__STATE_UNSPECIFIED:
    case _DUES__PAYMENT__V1__WEBHOOK_DELIVERY__STATE_IS_INT_SIZE:
        break;
    }
    return WEBHOOK_ANY;
}

static const struct error *validate(struct call *call, const Request *req,
                                    struct webhook_delivery_filter *filter, int32_t *page_size)
{
    struct field_errors errors = {.call = call};

    *filter = (struct webhook_delivery_filter){.state = state_of(req->state)};
    check_name(&errors, "parent", req->parent, WEBHOOK_ENDPOINT_PATTERN, &filter->endpoint, 1);
    if (req->customer[0] != '\0')
        check_name(&errors, "customer", req->customer, "customers/{}", &filter->customer, 1);
    *page_size = check_page_size(&errors, "page_size", req->page_size);
    if (*page_size > WEBHOOK_DELIVERIES_MAX)
        *page_size = WEBHOOK_DELIVERIES_MAX;
    return field_errors_result(&errors);
}

static struct webhook_position position_of(const struct webhook_delivery *delivery)
{
    return (struct webhook_position){
        .create_time_us = delivery->create_time_us,
        .customer = delivery->customer,
        .sequence = delivery->sequence,
    };
}

const struct error *list_webhook_deliveries(struct call *call, const void *request, void *reply)
{
    const Request *req = request;
    Reply *res = reply;
    struct webhook_position behind = {0};
    struct webhook_delivery_filter filter;
    struct webhook_delivery *deliveries;
    struct webhook_endpoint endpoint;
    struct customer customer;
    size_t position_size = sizeof(behind);
    int32_t page_size;
    size_t count;

    TRY(validate(call, req, &filter, &page_size));
    const char *arguments =
        arena_printf(call->arena, "%s|%s|%d", req->parent, req->customer, (int)req->state);
    TRY(page_token_read(call, arguments, req->page_token, &behind, &position_size));
    TRY(webhook_endpoint_load(call, filter.endpoint, &endpoint));
    if (!uuid_is_nil(filter.customer))
        TRY(customer_load(call, filter.customer, &customer));
    TRY(webhook_delivery_list(call, &filter, &behind, page_size + 1, &deliveries, &count));

    if (count > (size_t)page_size) {
        count = (size_t)page_size;
        struct webhook_position last = position_of(&deliveries[count - 1]);
        res->next_page_token = page_token_make(call, arguments, &last, sizeof(last));
    }
    res->webhook_deliveries = arena_array(call->arena, count + 1, sizeof(void *));
    for (size_t i = 0; i < count; i++) {
        res->webhook_deliveries[i] = arena_alloc(call->arena, sizeof **res->webhook_deliveries);
        dues__payment__v1__webhook_delivery__init(res->webhook_deliveries[i]);
        /* Nothing is sent to it until it is enabled. */
        if (!endpoint.is_enabled)
            deliveries[i].next_attempt_us = 0;
        webhook_delivery_to_proto(call->arena, &deliveries[i], res->webhook_deliveries[i]);
    }
    res->n_webhook_deliveries = count;
    return NULL;
}
