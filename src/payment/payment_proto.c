/*
 * From our structs to the messages of the contract.  The same struct always packs to the same
 * bytes: recorded answers depend on it.
 */

#include "payment/payment_proto.h"

#include "payment/mandate.h"
#include "payment/payment_internal.h"

static Dues__Type__V1__Money *minor_to_proto(struct arena *arena, const struct payment *payment,
                                             int64_t minor_units)
{
    return money_to_proto(arena, money_make(payment->amount.currency, minor_units));
}

static Dues__Payment__V1__Payment__State state_to_proto(enum payment_state state)
{
    switch (state) {
    case PAYMENT_PROCESSING:
        return DUES__PAYMENT__V1__PAYMENT__STATE__STATE_PROCESSING;
    case PAYMENT_REQUIRES_ACTION:
        return DUES__PAYMENT__V1__PAYMENT__STATE__STATE_REQUIRES_ACTION;
    case PAYMENT_REQUIRES_CAPTURE:
        return DUES__PAYMENT__V1__PAYMENT__STATE__STATE_REQUIRES_CAPTURE;
    case PAYMENT_SUCCEEDED:
        return DUES__PAYMENT__V1__PAYMENT__STATE__STATE_SUCCEEDED;
    case PAYMENT_FAILED:
        return DUES__PAYMENT__V1__PAYMENT__STATE__STATE_FAILED;
    case PAYMENT_CANCELED:
        return DUES__PAYMENT__V1__PAYMENT__STATE__STATE_CANCELED;
    case PAYMENT_STATE_COUNT:
        break;
    }
    return DUES__PAYMENT__V1__PAYMENT__STATE__STATE_UNSPECIFIED;
}

void action_to_proto(struct arena *arena, const struct gateway_action *action,
                     Dues__Payment__V1__PaymentAction *proto)
{
    proto->kind = action->kind == GATEWAY_ACTION_SDK
                      ? DUES__PAYMENT__V1__PAYMENT_ACTION__KIND__KIND_SDK
                      : DUES__PAYMENT__V1__PAYMENT_ACTION__KIND__KIND_REDIRECT;
    proto->redirect_url = arena_strdup(arena, action->redirect_url);
    proto->client_secret = arena_strdup(arena, action->client_secret);
    proto->expire_time = time_to_proto(arena, action->expires_us);
}

/* What only an authorization, a waiting customer or a dispute brings along. */
static void payment_more_to_proto(struct arena *arena, const struct payment *payment,
                                  Dues__Payment__V1__Payment *proto)
{
    if (payment->is_manual)
        proto->amount_capturable = minor_to_proto(arena, payment, payment->capturable_minor);
    if (payment->capture_pending_minor > 0)
        proto->amount_capture_pending =
            minor_to_proto(arena, payment, payment->capture_pending_minor);
    if (payment->disputed_minor > 0)
        proto->amount_disputed = minor_to_proto(arena, payment, payment->disputed_minor);
    if (payment->authorization_expire_us != 0)
        proto->authorization_expire_time = time_to_proto(arena, payment->authorization_expire_us);
    if (payment->action != NULL) {
        proto->action = arena_alloc(arena, sizeof *proto->action);
        dues__payment__v1__payment_action__init(proto->action);
        action_to_proto(arena, payment->action, proto->action);
    }
}

void payment_to_proto(struct arena *arena, const struct payment *payment,
                      Dues__Payment__V1__Payment *proto)
{
    const struct uuid customer = payment->customer;

    proto->name = name_make(arena, PAYMENT_PATTERN, (struct uuid[]){customer, payment->id});
    proto->amount = money_to_proto(arena, payment->amount);
    proto->payment_method = name_make(arena, PAYMENT_METHOD_PATTERN,
                                      (struct uuid[]){customer, payment->payment_method});
    proto->state = state_to_proto(payment->state);
    proto->capture_mode = payment->is_manual
                              ? DUES__PAYMENT__V1__PAYMENT__CAPTURE_MODE__CAPTURE_MODE_MANUAL
                              : DUES__PAYMENT__V1__PAYMENT__CAPTURE_MODE__CAPTURE_MODE_AUTOMATIC;
    proto->decline = decline_to_proto(arena, payment->decline_code, payment->network_decline_code,
                                      payment->advice);
    proto->amount_captured = minor_to_proto(arena, payment, payment->captured_minor);
    proto->amount_refunded = minor_to_proto(arena, payment, payment->refunded_minor);
    proto->description = arena_strdup(arena, payment->description);
    if (!uuid_is_nil(payment->invoice))
        proto->invoice =
            name_make(arena, INVOICE_PATTERN, (struct uuid[]){customer, payment->invoice});
    proto->create_time = time_to_proto(arena, payment->create_time_us);
    proto->update_time = time_to_proto(arena, payment->update_time_us);
    payment_more_to_proto(arena, payment, proto);
}

static Dues__Payment__V1__Refund__State refund_state_to_proto(enum refund_state state)
{
    switch (state) {
    case REFUND_PENDING:
        return DUES__PAYMENT__V1__REFUND__STATE__STATE_PENDING;
    case REFUND_SUCCEEDED:
        return DUES__PAYMENT__V1__REFUND__STATE__STATE_SUCCEEDED;
    case REFUND_FAILED:
        return DUES__PAYMENT__V1__REFUND__STATE__STATE_FAILED;
    case REFUND_STATE_COUNT:
        break;
    }
    return DUES__PAYMENT__V1__REFUND__STATE__STATE_UNSPECIFIED;
}

/* The enum's own names, without their prefix, are what the database keeps. */
#define REASON_PREFIX "REASON_"

const char *refund_reason_name(Dues__Payment__V1__Refund__Reason reason)
{
    const ProtobufCEnumValue *value = protobuf_c_enum_descriptor_get_value(
        &dues__payment__v1__refund__reason__descriptor, (int)reason);

    if (value == NULL || reason == DUES__PAYMENT__V1__REFUND__REASON__REASON_UNSPECIFIED)
        return "";
    return value->name + strlen(REASON_PREFIX);
}

static Dues__Payment__V1__Refund__Reason reason_to_proto(struct arena *arena, const char *reason)
{
    const ProtobufCEnumValue *value = protobuf_c_enum_descriptor_get_value_by_name(
        &dues__payment__v1__refund__reason__descriptor,
        arena_printf(arena, REASON_PREFIX "%s", reason));

    if (value == NULL)
        return DUES__PAYMENT__V1__REFUND__REASON__REASON_UNSPECIFIED;
    return (Dues__Payment__V1__Refund__Reason)value->value;
}

void refund_to_proto(struct arena *arena, const struct refund *refund,
                     Dues__Payment__V1__Refund *proto)
{
    proto->name = name_make(arena, REFUND_PATTERN,
                            (struct uuid[]){refund->customer, refund->payment, refund->id});
    proto->amount = money_to_proto(arena, refund->amount);
    proto->state = refund_state_to_proto(refund->state);
    proto->reason = reason_to_proto(arena, refund->reason);
    proto->create_time = time_to_proto(arena, refund->create_time_us);
    proto->update_time = time_to_proto(arena, refund->update_time_us);
    proto->failure_code = arena_strdup(arena, refund->failure_code);
    proto->origin = refund->is_of_gateway ? DUES__PAYMENT__V1__REFUND__ORIGIN__ORIGIN_GATEWAY
                                          : DUES__PAYMENT__V1__REFUND__ORIGIN__ORIGIN_REQUEST;
}

static Dues__Payment__V1__PaymentMethod__State
method_state_to_proto(enum payment_method_state state)
{
    switch (state) {
    case PAYMENT_METHOD_ACTIVE:
        return DUES__PAYMENT__V1__PAYMENT_METHOD__STATE__STATE_ACTIVE;
    case PAYMENT_METHOD_STOPPED:
        return DUES__PAYMENT__V1__PAYMENT_METHOD__STATE__STATE_STOPPED;
    case PAYMENT_METHOD_UNUSABLE:
        return DUES__PAYMENT__V1__PAYMENT_METHOD__STATE__STATE_UNUSABLE;
    case PAYMENT_METHOD_DELETED:
        return DUES__PAYMENT__V1__PAYMENT_METHOD__STATE__STATE_DELETED;
    case PAYMENT_METHOD_STATE_COUNT:
        break;
    }
    return DUES__PAYMENT__V1__PAYMENT_METHOD__STATE__STATE_UNSPECIFIED;
}

void payment_method_to_proto(struct arena *arena, const struct payment_method *method,
                             Dues__Payment__V1__PaymentMethod *proto)
{
    proto->name =
        name_make(arena, PAYMENT_METHOD_PATTERN, (struct uuid[]){method->customer, method->id});
    proto->gateway = arena_strdup(arena, method->gateway);
    proto->brand = arena_strdup(arena, method->brand);
    proto->last4 = arena_strdup(arena, method->last4);
    proto->exp_month = method->exp_month;
    proto->exp_year = method->exp_year;
    proto->is_default = method->is_default;
    proto->create_time = time_to_proto(arena, method->create_time_us);
    proto->state = method_state_to_proto(method->state);
    proto->mandate = mandate_to_proto(arena, &method->mandate);
    proto->retry_time = time_to_proto(arena, method->retry_us);
    proto->delete_time = time_to_proto(arena, method->delete_time_us);
}

void check_read_time(struct field_errors *errors, const Google__Protobuf__Timestamp *time,
                     int64_t *time_us)
{
    if (time != NULL)
        check_timestamp(errors, "read_time", true, time->seconds, time->nanos, time_us);
}
