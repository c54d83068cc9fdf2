/*
 * Webhooks in the words of the contract, and what the handlers check alike.
 */
#pragma once

#include "base/check.h"
#include "dues/payment/v1/payment_service.pb-c.h"
#include "webhook/webhook.h"

/* `secret`: "whsec_…" in the answers that tell it, else "". */
void webhook_endpoint_to_proto(struct arena *arena, const struct webhook_endpoint *endpoint,
                               const char *secret, int64_t now_us,
                               Dues__Payment__V1__WebhookEndpoint *proto);
void webhook_delivery_to_proto(struct arena *arena, const struct webhook_delivery *delivery,
                               Dues__Payment__V1__WebhookDelivery *proto);

void check_webhook_url(struct field_errors *errors, const char *field, const char *url);
/* "payment.succeeded payment.*": blank-separated, each once. */
const char *check_webhook_event_types(struct field_errors *errors, const char *field,
                                      char *const *types, size_t count);

/* What is right in form may be no type of any event: those are refused.  For a request that was not
 * answered before. */
const struct error *check_webhook_event_types_exist(struct call *call, const char *field,
                                                    char *const *types, size_t count) MUST_CHECK;

/* webhook_answer.c */

/* What to record of an answer that tells a secret; no bytes when the request has no request_id. */
const struct error *webhook_answer_seal(struct call *call, struct uuid endpoint,
                                        const ProtobufCMessage *answer, struct bytes *sealed)
    MUST_CHECK;
/* Opens the recorded answer that call->recorded holds. */
const struct error *webhook_answer_open(struct call *call, struct uuid endpoint) MUST_CHECK;
