/*
 * Requests made from operations, and what their answers mean for somebody who must know for certain
 * what became of the money.
 */
#include "operation.h"

#include "dues/membership/v1/membership_service.pb-c.h"
#include "dues/payment/v1/payment_service.pb-c.h"
#include "dues/sandbox/v1/sandbox_service.pb-c.h"

#define DEADLINE_MS 5000
/* An advance does months of renewals, each through the gateway. */
#define ADVANCE_DEADLINE_MS 20000

static const struct {
    const char *rpc;
    const ProtobufCServiceDescriptor *service;
    bool is_read;
} kinds[OPERATION_KIND_COUNT] = {
    [CREATE_TEST_CLOCK] = {"CreateTestClock", &dues__sandbox__v1__sandbox_service__descriptor,
                           false},
    [CREATE_CUSTOMER] = {"CreateCustomer", &dues__membership__v1__membership_service__descriptor,
                         false},
    [CREATE_PAYMENT_METHOD] = {"CreatePaymentMethod",
                               &dues__payment__v1__payment_service__descriptor, false},
    [CREATE_PAYMENT] = {"CreatePayment", &dues__payment__v1__payment_service__descriptor, false},
    [CAPTURE_PAYMENT] = {"CapturePayment", &dues__payment__v1__payment_service__descriptor, false},
    [CANCEL_PAYMENT] = {"CancelPayment", &dues__payment__v1__payment_service__descriptor, false},
    [CONFIRM_PAYMENT] = {"ConfirmPayment", &dues__payment__v1__payment_service__descriptor, true},
    [CREATE_REFUND] = {"CreateRefund", &dues__payment__v1__payment_service__descriptor, false},
    [CREATE_MEMBERSHIP] = {"CreateMembership",
                           &dues__membership__v1__membership_service__descriptor, false},
    [CANCEL_MEMBERSHIP] = {"CancelMembership",
                           &dues__membership__v1__membership_service__descriptor, false},
    [ADVANCE_TEST_CLOCK] = {"AdvanceTestClock", &dues__sandbox__v1__sandbox_service__descriptor,
                            false},
    [GET_PAYMENT] = {"GetPayment", &dues__payment__v1__payment_service__descriptor, true},
    [GET_REFUND] = {"GetRefund", &dues__payment__v1__payment_service__descriptor, true},
    [GET_MEMBERSHIP] = {"GetMembership", &dues__membership__v1__membership_service__descriptor,
                        true},
};

const char *operation_kind_rpc(enum operation_kind kind)
{
    return kinds[kind].rpc;
}

bool operation_kind_is_read(enum operation_kind kind)
{
    return kinds[kind].is_read;
}

/* protobuf-c's strings are not const; nothing writes to them. */
static char *text(const char *value)
{
    return (char *)(uintptr_t)value;
}

/* Every message that a request of ours can need, so that one function needs no allocation. */
struct request {
    Dues__Sandbox__V1__CreateTestClockRequest create_clock;
    Dues__Sandbox__V1__AdvanceTestClockRequest advance_clock;
    Dues__Sandbox__V1__TestClock clock;
    Google__Protobuf__Timestamp time;
    Dues__Membership__V1__CreateCustomerRequest create_customer;
    Dues__Membership__V1__Customer customer;
    Dues__Membership__V1__CreateMembershipRequest create_membership;
    Dues__Membership__V1__CancelMembershipRequest cancel_membership;
    Dues__Membership__V1__GetMembershipRequest get_membership;
    Dues__Membership__V1__Membership membership;
    Dues__Payment__V1__CreatePaymentMethodRequest create_method;
    Dues__Payment__V1__PaymentMethod method;
    Dues__Payment__V1__Mandate mandate;
    Dues__Payment__V1__CreatePaymentRequest create_payment;
    Dues__Payment__V1__CapturePaymentRequest capture_payment;
    Dues__Payment__V1__CancelPaymentRequest cancel_payment;
    Dues__Payment__V1__ConfirmPaymentRequest confirm_payment;
    Dues__Payment__V1__GetPaymentRequest get_payment;
    Dues__Payment__V1__Payment payment;
    Dues__Payment__V1__CreateRefundRequest create_refund;
    Dues__Payment__V1__GetRefundRequest get_refund;
    Dues__Payment__V1__Refund refund;
    Dues__Type__V1__Money money;
};

static const ProtobufCMessage *make_sandbox(struct request *r, const struct operation *operation)
{
    google__protobuf__timestamp__init(&r->time);
    r->time.seconds = operation->amount;
    if (operation->kind == CREATE_TEST_CLOCK) {
        dues__sandbox__v1__test_clock__init(&r->clock);
        r->clock.clock_time = &r->time;
        dues__sandbox__v1__create_test_clock_request__init(&r->create_clock);
        r->create_clock.test_clock = &r->clock;
        r->create_clock.request_id = text(operation->request_id);
        return &r->create_clock.base;
    }
    dues__sandbox__v1__advance_test_clock_request__init(&r->advance_clock);
    r->advance_clock.name = text(operation->parent);
    r->advance_clock.target_time = &r->time;
    r->advance_clock.request_id = text(operation->request_id);
    return &r->advance_clock.base;
}

static const ProtobufCMessage *make_membership(struct request *r, const struct operation *operation)
{
    if (operation->kind == CREATE_CUSTOMER) {
        dues__membership__v1__customer__init(&r->customer);
        r->customer.display_name = text("Fault");
        r->customer.test_clock = text(operation->method);
        dues__membership__v1__create_customer_request__init(&r->create_customer);
        r->create_customer.customer = &r->customer;
        r->create_customer.request_id = text(operation->request_id);
        return &r->create_customer.base;
    }
    if (operation->kind == CANCEL_MEMBERSHIP) {
        dues__membership__v1__cancel_membership_request__init(&r->cancel_membership);
        r->cancel_membership.name = text(operation->parent);
        r->cancel_membership.request_id = text(operation->request_id);
        return &r->cancel_membership.base;
    }
    if (operation->kind == GET_MEMBERSHIP) {
        dues__membership__v1__get_membership_request__init(&r->get_membership);
        r->get_membership.name = text(operation->parent);
        return &r->get_membership.base;
    }
    dues__membership__v1__membership__init(&r->membership);
    r->membership.plan = text(operation->plan);
    r->membership.payment_method = text(operation->method);
    dues__membership__v1__create_membership_request__init(&r->create_membership);
    r->create_membership.parent = text(operation->parent);
    r->create_membership.membership = &r->membership;
    r->create_membership.skip_trial = true;
    r->create_membership.request_id = text(operation->request_id);
    return &r->create_membership.base;
}

static const ProtobufCMessage *make_method(struct request *r, const struct operation *operation)
{
    dues__payment__v1__mandate__init(&r->mandate);
    r->mandate.type = DUES__PAYMENT__V1__MANDATE__TYPE__TYPE_RECURRING;
    r->mandate.text_version = text("fault");
    dues__payment__v1__payment_method__init(&r->method);
    r->method.gateway_token = text(operation->token);
    r->method.mandate = &r->mandate;
    dues__payment__v1__create_payment_method_request__init(&r->create_method);
    r->create_method.parent = text(operation->parent);
    r->create_method.payment_method = &r->method;
    r->create_method.request_id = text(operation->request_id);
    return &r->create_method.base;
}

static const ProtobufCMessage *make_payment(struct request *r, const struct operation *operation)
{
    dues__payment__v1__payment__init(&r->payment);
    r->payment.amount = &r->money;
    r->payment.payment_method = text(operation->method);
    if (operation->manual)
        r->payment.capture_mode = DUES__PAYMENT__V1__PAYMENT__CAPTURE_MODE__CAPTURE_MODE_MANUAL;
    dues__payment__v1__create_payment_request__init(&r->create_payment);
    r->create_payment.parent = text(operation->parent);
    r->create_payment.payment = &r->payment;
    r->create_payment.request_id = text(operation->request_id);
    return &r->create_payment.base;
}

static const ProtobufCMessage *make_capture(struct request *r, const struct operation *operation)
{
    dues__payment__v1__capture_payment_request__init(&r->capture_payment);
    r->capture_payment.name = text(operation->parent);
    if (operation->amount > 0)
        r->capture_payment.amount = &r->money;
    r->capture_payment.final_capture = operation->final;
    r->capture_payment.request_id = text(operation->request_id);
    return &r->capture_payment.base;
}

static const ProtobufCMessage *make_refund(struct request *r, const struct operation *operation)
{
    dues__payment__v1__refund__init(&r->refund);
    if (operation->amount > 0)
        r->refund.amount = &r->money;
    dues__payment__v1__create_refund_request__init(&r->create_refund);
    r->create_refund.parent = text(operation->parent);
    r->create_refund.refund = &r->refund;
    r->create_refund.request_id = text(operation->request_id);
    return &r->create_refund.base;
}

/* A message that says which payment or refund, and nothing else but perhaps the request_id. */
static const ProtobufCMessage *make_named(struct request *r, const struct operation *operation)
{
    if (operation->kind == CANCEL_PAYMENT) {
        dues__payment__v1__cancel_payment_request__init(&r->cancel_payment);
        r->cancel_payment.name = text(operation->parent);
        r->cancel_payment.request_id = text(operation->request_id);
        return &r->cancel_payment.base;
    }
    if (operation->kind == CONFIRM_PAYMENT) {
        dues__payment__v1__confirm_payment_request__init(&r->confirm_payment);
        r->confirm_payment.name = text(operation->parent);
        return &r->confirm_payment.base;
    }
    if (operation->kind == GET_REFUND) {
        dues__payment__v1__get_refund_request__init(&r->get_refund);
        r->get_refund.name = text(operation->parent);
        return &r->get_refund.base;
    }
    dues__payment__v1__get_payment_request__init(&r->get_payment);
    r->get_payment.name = text(operation->parent);
    return &r->get_payment.base;
}

static const ProtobufCMessage *make_money_request(struct request *r,
                                                  const struct operation *operation)
{
    dues__type__v1__money__init(&r->money);
    r->money.currency_code = text(operation->currency);
    r->money.minor_units = operation->amount;
    if (operation->kind == CREATE_PAYMENT_METHOD)
        return make_method(r, operation);
    if (operation->kind == CREATE_PAYMENT)
        return make_payment(r, operation);
    if (operation->kind == CAPTURE_PAYMENT)
        return make_capture(r, operation);
    if (operation->kind == CREATE_REFUND)
        return make_refund(r, operation);
    return make_named(r, operation);
}

static const ProtobufCMessage *make_request(struct request *r, const struct operation *operation)
{
    const ProtobufCServiceDescriptor *service = kinds[operation->kind].service;
    if (service == &dues__sandbox__v1__sandbox_service__descriptor)
        return make_sandbox(r, operation);
    if (service == &dues__membership__v1__membership_service__descriptor)
        return make_membership(r, operation);
    return make_money_request(r, operation);
}

/* "SUCCEEDED" for STATE_SUCCEEDED. */
static const char *state_text(const ProtobufCEnumDescriptor *descriptor, int value)
{
    const ProtobufCEnumValue *known = protobuf_c_enum_descriptor_get_value(descriptor, value);
    const char *prefix = "STATE_";
    if (known == NULL || strncmp(known->name, prefix, strlen(prefix)) != 0)
        return "";
    return known->name + strlen(prefix);
}

static int64_t units(const Dues__Type__V1__Money *money)
{
    return money == NULL ? 0 : money->minor_units;
}

static void read_payment(const Dues__Payment__V1__Payment *payment, struct outcome *outcome)
{
    outcome->name = payment->name;
    outcome->state =
        state_text(&dues__payment__v1__payment__state__descriptor, (int)payment->state);
    outcome->waits = payment->state == DUES__PAYMENT__V1__PAYMENT__STATE__STATE_REQUIRES_ACTION;
    outcome->definitive =
        payment->state != DUES__PAYMENT__V1__PAYMENT__STATE__STATE_PROCESSING && !outcome->waits;
    outcome->captured = units(payment->amount_captured);
    outcome->capturable = units(payment->amount_capturable);
    outcome->refunded = units(payment->amount_refunded);
}

/* What is pending may be of another capture: then the answer comes again, as a recorded one. */
static void read_capture(const Dues__Payment__V1__Payment *payment, struct outcome *outcome)
{
    read_payment(payment, outcome);
    outcome->definitive = outcome->replayed || units(payment->amount_capture_pending) == 0;
}

static void read_refund(const Dues__Payment__V1__Refund *refund, struct outcome *outcome)
{
    outcome->name = refund->name;
    outcome->state = state_text(&dues__payment__v1__refund__state__descriptor, (int)refund->state);
    outcome->definitive = refund->state != DUES__PAYMENT__V1__REFUND__STATE__STATE_PENDING;
    outcome->refunded = units(refund->amount);
}

/* INCOMPLETE without a decline: the first payment's outcome is being found out. */
static void read_membership(const Dues__Membership__V1__Membership *membership,
                            struct outcome *outcome)
{
    outcome->name = membership->name;
    outcome->state =
        state_text(&dues__membership__v1__membership__state__descriptor, (int)membership->state);
    outcome->definitive =
        membership->state != DUES__MEMBERSHIP__V1__MEMBERSHIP__STATE__STATE_INCOMPLETE ||
        membership->last_decline != NULL;
}

static void read_reply(enum operation_kind kind, const ProtobufCMessage *reply,
                       struct outcome *outcome)
{
    outcome->definitive = true;
    switch (kind) {
    case CREATE_TEST_CLOCK:
    case ADVANCE_TEST_CLOCK:
        outcome->name = ((const Dues__Sandbox__V1__TestClock *)reply)->name;
        break;
    case CREATE_CUSTOMER:
        outcome->name = ((const Dues__Membership__V1__Customer *)reply)->name;
        break;
    case CREATE_PAYMENT_METHOD:
        outcome->name = ((const Dues__Payment__V1__PaymentMethod *)reply)->name;
        break;
    case CREATE_PAYMENT:
    case CONFIRM_PAYMENT:
    case GET_PAYMENT:
        read_payment((const Dues__Payment__V1__Payment *)reply, outcome);
        break;
    case CAPTURE_PAYMENT:
    case CANCEL_PAYMENT:
        read_capture((const Dues__Payment__V1__Payment *)reply, outcome);
        break;
    case CREATE_REFUND:
    case GET_REFUND:
        read_refund((const Dues__Payment__V1__Refund *)reply, outcome);
        break;
    case CREATE_MEMBERSHIP:
    case CANCEL_MEMBERSHIP:
    case GET_MEMBERSHIP:
        read_membership((const Dues__Membership__V1__Membership *)reply, outcome);
        break;
    case OPERATION_KIND_COUNT:
        abort();
    }
}

/* The codes that say "what became of it is not known": everything else is an answer. */
static bool status_is_unknown(int status)
{
    switch (status) {
    case DUES_CANCELLED:
    case DUES_UNKNOWN:
    case DUES_DEADLINE_EXCEEDED:
    case DUES_RESOURCE_EXHAUSTED:
    case DUES_ABORTED:
    case DUES_INTERNAL:
    case DUES_UNAVAILABLE:
        return true;
    default:
        return false;
    }
}

void operation_send(struct dues_client *client, const struct operation *operation,
                    struct outcome *outcome, struct dues_answer **answer)
{
    struct request request;
    const ProtobufCMessage *message = make_request(&request, operation);
    /* Whether to send again is this program's business: each sending is a line of its log. */
    struct dues_call_options options = {
        .deadline_ms = operation->kind == ADVANCE_TEST_CLOCK ? ADVANCE_DEADLINE_MS : DEADLINE_MS,
        .attempts_max = 1,
    };
    int status = dues_call(client, kinds[operation->kind].service, kinds[operation->kind].rpc,
                           message, &options, answer);
    *outcome = (struct outcome){
        .status = dues_status_name(status),
        .reason = (*answer)->reason,
        .message = (*answer)->message,
        .name = "",
        .state = "",
        .replayed = (*answer)->replayed,
        .reply = (*answer)->reply_bytes,
        .reply_size = (*answer)->reply_size,
    };
    if (status == DUES_OK)
        read_reply(operation->kind, (*answer)->reply, outcome);
    else
        outcome->definitive = !status_is_unknown(status);
    outcome->may_repeat = !outcome->definitive;
}
