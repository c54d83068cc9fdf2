/*
 * dues.payment.v1.PaymentService: one row a method, and what the handlers share.
 */

#include "payment/payment_internal.h"

#include "crypto/page_token.h"
#include "dues/payment/v1/payment_service.pb-c.h"
#include "jobs/jobs.h"

/* A charge waits for the gateway, and its result is recorded after that. */
#define GATEWAY_CALL_LIMIT_MS 60000

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
     .request_id = REQUEST_ID_REQUIRED,
     .time_limit_ms = GATEWAY_CALL_LIMIT_MS},
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
     .request_id = REQUEST_ID_REQUIRED,
     .time_limit_ms = GATEWAY_CALL_LIMIT_MS},
    {.name = "GetRefund",
     .handler = get_refund,
     .scope = "payments.read",
     .callers = CALLER_SERVICE | CALLER_OPERATOR},
    {.name = "ListRefunds",
     .handler = list_refunds,
     .scope = "payments.read",
     .callers = CALLER_SERVICE | CALLER_OPERATOR},
};

const struct rpc_service payment_service = {
    .descriptor = &dues__payment__v1__payment_service__descriptor,
    .methods = methods,
    .method_count = ARRAY_LENGTH(methods),
};

pg_statement_list payment_statements = {
    &payment_load_statement,          &payment_list_statement,
    &attempt_find_statement,          &attempt_driven_statement,
    &attempt_claim_statement,         &attempt_give_up_statement,
    &charge_record_statement,         &charge_settle_statement,
    &charge_restore_statement,        &refund_load_statement,
    &refund_list_statement,           &refund_prepare_statement,
    &refund_record_statement,         &refund_settle_statement,
    &payment_method_load_statement,   &payment_method_list_statement,
    &payment_method_record_statement, NULL,
};

const struct error *page_read(struct call *call, const char *arguments, const char *token,
                              struct uuid *before)
{
    uint8_t position[PAGE_POSITION_SIZE_MAX];
    size_t size;

    *before = UUID_NIL;
    TRY(page_token_read(call, arguments, token, position, &size));
    if (size == sizeof before->bytes)
        memcpy(before->bytes, position, size);
    return NULL;
}

char *page_next(struct call *call, const char *arguments, struct uuid last)
{
    return page_token_make(call, arguments, last.bytes, sizeof last.bytes);
}
