/*
 * Payments, refunds and payment methods in the words of the contract.
 */
#pragma once

#include "base/check.h"
#include "contract/message.h"
#include "dues/payment/v1/payment_service.pb-c.h"
#include "gateway/gateway.h"
#include "payment/payment.h"
#include "payment/payment_method.h"
#include "payment/refund.h"

/* The reply is initialised already; strings go to the arena. */
void payment_to_proto(struct arena *arena, const struct payment *payment,
                      Dues__Payment__V1__Payment *proto);

void action_to_proto(struct arena *arena, const struct gateway_action *action,
                     Dues__Payment__V1__PaymentAction *proto);

/* NULL when the code is "".  `advice` as gateways tell it; NULL is "". */
Dues__Payment__V1__Decline *decline_to_proto(struct arena *arena, const char *code,
                                             const char *network_code, const char *advice);

void refund_to_proto(struct arena *arena, const struct refund *refund,
                     Dues__Payment__V1__Refund *proto);

/* "REQUESTED_BY_CUSTOMER"; "" when none was given. */
const char *refund_reason_name(Dues__Payment__V1__Refund__Reason reason);

void payment_method_to_proto(struct arena *arena, const struct payment_method *method,
                             Dues__Payment__V1__PaymentMethod *proto);

/* An optional `read_time`; `*time_us` is written when it is there and right. */
void check_read_time(struct field_errors *errors, const Google__Protobuf__Timestamp *time,
                     int64_t *time_us);
