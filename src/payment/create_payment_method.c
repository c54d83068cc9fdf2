/*
 * CreatePaymentMethod stores the gateway's token of a card; nothing is charged.  The first method
 * of a customer becomes the default.
 */

#include "payment/payment_internal.h"

#include "payment/mandate.h"
#include "payment/payment_proto.h"
#include "pg/replay.h"

#define CHANGED_TRIES_MAX 3
#define GATEWAY_RETRY_MS  60000
#define MANDATE_FIELD     "payment_method.mandate"

typedef Dues__Payment__V1__CreatePaymentMethodRequest Request;
typedef Dues__Payment__V1__PaymentMethod Reply;

static void check_gateway_token(struct field_errors *errors, const char *field, const char *token)
{
    size_t length = token == NULL ? 0 : strlen(token);

    if (length == 0) {
        field_error_add(errors, field, "must not be empty");
        return;
    }
    if (length > GATEWAY_TOKEN_LENGTH_MAX)
        field_error_add(errors, field, "must have 1 to %d characters", GATEWAY_TOKEN_LENGTH_MAX);
    for (size_t i = 0; i < length; i++) {
        if (token[i] < ' ' || token[i] > '~') {
            field_error_add(errors, field, "may hold only printable ASCII characters");
            return;
        }
    }
}

static const struct error *validate(struct call *call, const Request *req, struct uuid *customer,
                                    struct mandate *mandate)
{
    struct field_errors errors = {.call = call};

    check_owned_name(&errors, "parent", req->parent, "customers/{}", customer, 1);
    if (req->payment_method == NULL) {
        field_error_add(&errors, "payment_method", "must be given");
        return field_errors_result(&errors);
    }
    check_gateway_token(&errors, "payment_method.gateway_token",
                        req->payment_method->gateway_token);
    mandate_from_proto(&errors, MANDATE_FIELD, req->payment_method->mandate, mandate);
    return field_errors_result(&errors);
}

static struct payment_method method_from(struct call *call, const struct customer *customer,
                                         const struct gateway *gateway,
                                         const struct gateway_card *card,
                                         const struct mandate *mandate)
{
    return (struct payment_method){
        .customer = customer->id,
        .id = uuid_make(call->house->random, call->now_us),
        .gateway = gateway->name,
        .brand = arena_strdup(call->arena, card->brand),
        .last4 = arena_strdup(call->arena, card->last4),
        .exp_month = card->exp_month,
        .exp_year = card->exp_year,
        .fingerprint = arena_strdup(call->arena, card->fingerprint),
        .state = PAYMENT_METHOD_ACTIVE,
        .is_usable = true,
        .mandate = *mandate,
        .create_time_us = customer->now_us,
    };
}

/* Another method may become the default while this one is stored; then its answer would be wrong.
 */
static const struct error *record(struct call *call, struct payment_method *method, Reply *reply,
                                  bool *replayed)
{
    bool changed = true;

    for (int tries = 0; changed && tries < CHANGED_TRIES_MAX; tries++) {
        struct customer customer;
        TRY(customer_load(call, method->customer, &customer));
        method->is_default = uuid_is_nil(customer.default_payment_method);
        payment_method_to_proto(call->arena, method, reply);
        TRY(payment_method_record(call, method, message_pack(call->arena, &reply->base),
                                  method->create_time_us, &changed, replayed));
    }
    if (changed)
        return refuse(call, STATUS_ABORTED, "CONCURRENT_CHANGE",
                      "other calls changed the customer at the same time");
    return NULL;
}

const struct error *create_payment_method(struct call *call, const void *request, void *reply)
{
    const Request *req = request;
    const struct gateways *gateways = call->house->gateways;
    struct gateway_card card;
    struct customer customer;
    struct mandate mandate;
    struct uuid id;
    bool replayed;

    TRY(validate(call, req, &id, &mandate));
    TRY(owner_check(call, id, "CUSTOMER_NOT_FOUND", req->parent));
    TRY(replay_find(call, id, &replayed, NULL));
    if (replayed)
        return NULL;
    TRY(payer_load(call, id, &customer));
    TRY(mandate_begin(call, MANDATE_FIELD, customer.now_us, &mandate));
    if (gateways->count == 0)
        return error_retry(refuse(call, STATUS_UNAVAILABLE, "GATEWAY_UNAVAILABLE",
                                  "no payment gateway is configured"),
                           GATEWAY_RETRY_MS);
    const struct gateway *gateway = gateways->list[0];
    TRY(gateway->describe(gateway, call, req->payment_method->gateway_token, &card));

    struct payment_method method = method_from(call, &customer, gateway, &card, &mandate);
    TRY(payment_method_seal(call, &method, card.token));
    return record(call, &method, reply, &replayed);
}
