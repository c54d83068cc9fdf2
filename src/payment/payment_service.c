/*
 * dues.payment.v1.PaymentService: one row a method, and what the handlers share.
 */

#include "payment/payment_internal.h"

#include "dues/payment/v1/payment_service.pb-c.h"
#include "jobs/jobs.h"

#define SERVICE_OR_USER (CALLER_SERVICE | CALLER_DEVICE_USER)

static const struct rpc_method methods[] = {
    {.name = "CreatePaymentMethod",
     .handler = create_payment_method,
     .scope = "payments.write",
     .callers = SERVICE_OR_USER,
     .request_id = REQUEST_ID_OPTIONAL},
    {.name = "GetPaymentMethod",
     .handler = get_payment_method,
     .scope = "payments.read",
     .callers = SERVICE_OR_USER},
    {.name = "ListPaymentMethods",
     .handler = list_payment_methods,
     .scope = "payments.read",
     .callers = SERVICE_OR_USER},
    {.name = "CreatePayment",
     .handler = create_payment,
     .scope = "payments.write",
     .callers = SERVICE_OR_USER,
     .request_id = REQUEST_ID_REQUIRED},
    {.name = "GetPayment",
     .handler = get_payment,
     .scope = "payments.read",
     .callers = SERVICE_OR_USER | CALLER_OPERATOR},
    {.name = "ListPayments",
     .handler = list_payments,
     .scope = "payments.read",
     .callers = SERVICE_OR_USER | CALLER_OPERATOR},
    {.name = "CreateRefund",
     .handler = create_refund,
     .scope = "payments.refund",
     .callers = CALLER_SERVICE | CALLER_OPERATOR,
     .request_id = REQUEST_ID_REQUIRED},
    {.name = "GetRefund",
     .handler = get_refund,
     .scope = "payments.read",
     .callers = CALLER_SERVICE | CALLER_OPERATOR},
    {.name = "ListRefunds",
     .handler = list_refunds,
     .scope = "payments.read",
     .callers = CALLER_SERVICE | CALLER_OPERATOR},
    {.name = "ListEvents",
     .handler = list_events,
     .scope = "events.read",
     .callers = CALLER_SERVICE},
    {.name = "WatchEvents",
     .stream = watch_events,
     .scope = "events.read",
     .callers = CALLER_SERVICE},
    {.name = "WatchPayments",
     .stream = watch_payments,
     .scope = "payments.read",
     .callers = SERVICE_OR_USER},
};

const struct rpc_service payment_service = {
    .descriptor = &dues__payment__v1__payment_service__descriptor,
    .methods = methods,
    .method_count = ARRAY_LENGTH(methods),
};

pg_statement_list payment_statements = {
    &payment_load_statement,
    &payment_list_statement,
    &attempt_find_statement,
    &attempt_driven_statement,
    &attempt_claim_statement,
    &attempt_give_up_statement,
    &payment_ground_statement,
    &charge_record_statement,
    &charge_settle_statement,
    &charge_restore_statement,
    &refund_load_statement,
    &refund_list_statement,
    &refund_prepare_statement,
    &refund_record_statement,
    &refund_settle_statement,
    &payment_method_load_statement,
    &payment_method_list_statement,
    &payment_method_record_statement,
    NULL,
};
