/*
 * RotateWebhookSecret gives an endpoint another secret, or another key pair.  The one before signs
 * too for a while, so that the receiver can take up the new one without refusing anything.
 */

#include "payment/payment_internal.h"

#include "base/time.h"
#include "payment/webhook_proto.h"
#include "pg/replay.h"
#include "webhook/signature.h"

typedef Dues__Payment__V1__RotateWebhookSecretRequest Request;

#define CHANGED_TRIES_MAX 3

#define OVERLAP_DEFAULT_SECONDS (24LL * 3600)
#define OVERLAP_MAX_SECONDS     (7LL * 24 * 3600)

static int64_t check_overlap(struct field_errors *errors, const Google__Protobuf__Duration *overlap)
{
    if (overlap == NULL)
        return OVERLAP_DEFAULT_SECONDS;
    if (overlap->seconds < 0 || overlap->seconds > OVERLAP_MAX_SECONDS || overlap->nanos != 0)
        field_error_add(errors, "overlap", "must be 0 to 7 days, in whole seconds");
    return overlap->seconds;
}

static const struct error *rotate(struct call *call, struct uuid id, int64_t overlap_s, void *reply,
                                  bool *changed, bool *replayed)
{
    struct webhook_endpoint endpoint;
    struct bytes answer;
    const char *secret;

    TRY(webhook_endpoint_load(call, id, &endpoint));
    int64_t before_us = endpoint.update_time_us;
    endpoint.previous = endpoint.key;
    endpoint.previous_expire_us = overlap_s == 0 ? 0 : call->now_us + overlap_s * US_PER_SECOND;
    endpoint.update_time_us = call->now_us;
    TRY(webhook_key_make(call, id, endpoint.is_ed25519, &endpoint.key, &secret));
    webhook_endpoint_to_proto(call->arena, &endpoint, secret, call->now_us, reply);
    TRY(webhook_answer_seal(call, id, reply, &answer));
    return webhook_endpoint_rotate(call, &endpoint, before_us, answer, changed, replayed);
}

const struct error *rotate_webhook_secret(struct call *call, const void *request, void *reply)
{
    const Request *req = request;
    struct field_errors errors = {.call = call};
    struct uuid id;
    bool replayed;
    bool changed = true;

    check_name(&errors, "name", req->name, WEBHOOK_ENDPOINT_PATTERN, &id, 1);
    int64_t overlap_s = check_overlap(&errors, req->overlap);
    TRY(field_errors_result(&errors));
    TRY(replay_find(call, id, &replayed, NULL));
    if (replayed)
        return webhook_answer_open(call, id);
    for (int tries = 0; changed && tries < CHANGED_TRIES_MAX; tries++)
        TRY(rotate(call, id, overlap_s, reply, &changed, &replayed));
    if (changed)
        return refuse(call, STATUS_ABORTED, "CONCURRENT_CHANGE",
                      "other calls changed the endpoint at the same time");
    return replayed ? webhook_answer_open(call, id) : NULL;
}
