/*
 * RedeliverWebhook puts an event into its queue once more, at its old place: before whatever is
 * pending behind it.
 */

#include "payment/payment_internal.h"

#include <stdlib.h>

#include "contract/message.h"
#include "payment/webhook_proto.h"
#include "pg/replay.h"

typedef Dues__Payment__V1__RedeliverWebhookRequest Request;

#define SEQUENCE_LENGTH_MAX 18

/* The name without its "-{sequence}"; NULL when it has none. */
static const char *cut_sequence(struct arena *arena, const char *name, int64_t *sequence)
{
    const char *dash = strrchr(name, '-');

    if (dash == NULL)
        return NULL;
    size_t length = strlen(dash + 1);
    if (length == 0 || length > SEQUENCE_LENGTH_MAX || dash[1] == '0' ||
        strspn(dash + 1, "0123456789") != length)
        return NULL;
    *sequence = strtoll(dash + 1, NULL, 10);
    return arena_strndup(arena, name, (size_t)(dash - name));
}

static const struct error *validate(struct call *call, const Request *req, struct uuid ids[2],
                                    int64_t *sequence)
{
    struct field_errors errors = {.call = call};
    const char *front = cut_sequence(call->arena, req->name, sequence);

    if (front == NULL || !name_parse(WEBHOOK_DELIVERY_PATTERN, front, ids, 2))
        field_error_add(&errors, "name",
                        "must be webhookEndpoints/{webhook_endpoint}/deliveries/"
                        "{customer}-{sequence}");
    return field_errors_result(&errors);
}

const struct error *redeliver_webhook(struct call *call, const void *request, void *reply)
{
    struct webhook_delivery delivery;
    struct webhook_endpoint endpoint;
    int64_t sequence = 0;
    struct uuid ids[2]; /* endpoint, customer */
    bool replayed;

    TRY(validate(call, request, ids, &sequence));
    TRY(owner_check(call, ids[1], "WEBHOOK_DELIVERY_NOT_FOUND", ((const Request *)request)->name));
    TRY(replay_find(call, ids[1], &replayed, NULL));
    if (replayed)
        return NULL;
    TRY(webhook_endpoint_load(call, ids[0], &endpoint));
    TRY(webhook_delivery_load(call, ids[0], ids[1], sequence, &delivery));
    delivery.state = WEBHOOK_PENDING;
    delivery.next_attempt_us = 0;
    webhook_delivery_to_proto(call->arena, &delivery, reply);
    return webhook_redeliver(call, &delivery, message_pack(call->arena, reply), &replayed);
}
