/*
 * What Stripe is told of a card that we know: that it is not to be charged any more, and the expiry
 * that its owner gave us.
 *
 *   detach  POST /v1/payment_methods/pm_…/detach
 *   update  POST /v1/payment_methods/pm_…         card[exp_month], card[exp_year]
 *
 * A refused detachment says nothing about why, so the card itself is looked at: without a customer
 * nobody can charge it.
 */

#include "gateway/stripe/errand.h"

#include "base/text.h"
#include "gateway/stripe/answer.h"
#include "gateway/stripe/error_reply.h"
#include "gateway/stripe/json.h"

#define PATH "/v1/payment_methods/%s"

#define NOT_FOUND 404

/* "pm_…" of "cus_…/pm_…"; NULL when the token is none of Stripe's. */
static const char *method_of(const char *token)
{
    const char *slash = strchr(token, '/');

    return slash != NULL && stripe_is_id(slash + 1, "pm_") ? slash + 1 : NULL;
}

/* `*method` is NULL unless the answer is the payment method that was asked for. */
static enum gateway_outcome read_reply(const struct http_exchange_reply *reply, const char *id,
                                       json_t **method)
{
    AUTO(stripe_json_release) json_t *body = NULL;

    *method = NULL;
    if (reply->result == HTTP_ANSWERED)
        body = stripe_json(reply->body, reply->body_size);
    enum gateway_outcome outcome = stripe_reply_outcome(reply, body);
    if (outcome != GATEWAY_SUCCEEDED)
        return outcome;
    if (!text_equal(stripe_text(body, "object"), "payment_method") ||
        !text_equal(stripe_text(body, "id"), id))
        return GATEWAY_UNKNOWN;
    *method = json_incref(body);
    return GATEWAY_SUCCEEDED;
}

static enum gateway_outcome look_whether_detached(const struct errand *errand, const char *id)
{
    const struct stripe_form none = {.arena = errand->arena};
    AUTO(stripe_json_release) json_t *method = NULL;
    struct http_exchange_reply reply;

    errand_get(errand, arena_printf(errand->arena, PATH, id), &none, &reply);
    enum gateway_outcome outcome = read_reply(&reply, id, &method);
    if (outcome == GATEWAY_FAILED && reply.status == NOT_FOUND)
        return GATEWAY_SUCCEEDED;
    if (outcome != GATEWAY_SUCCEEDED)
        return outcome;
    return json_is_null(json_object_get(method, "customer")) ? GATEWAY_SUCCEEDED : GATEWAY_FAILED;
}

enum gateway_outcome stripe_detach_card(const struct gateway *gateway, struct call *call,
                                        const char *token, const char *key)
{
    const struct errand errand = errand_begin(gateway->state, call);
    const struct stripe_form none = {.arena = call->arena};
    AUTO(stripe_json_release) json_t *method = NULL;
    const char *id = method_of(token);
    struct http_exchange_reply reply;

    if (id == NULL)
        return GATEWAY_FAILED;
    errand_post(&errand, arena_printf(call->arena, PATH "/detach", id), &none, key, &reply);
    enum gateway_outcome outcome = read_reply(&reply, id, &method);
    if (outcome == GATEWAY_FAILED)
        return look_whether_detached(&errand, id);
    if (outcome == GATEWAY_SUCCEEDED && !json_is_null(json_object_get(method, "customer")))
        return GATEWAY_UNKNOWN;
    return outcome;
}

enum gateway_outcome stripe_update_card(const struct gateway *gateway, struct call *call,
                                        const char *token, const struct gateway_expiry *expiry,
                                        const char *key)
{
    const struct errand errand = errand_begin(gateway->state, call);
    struct stripe_form form = {.arena = call->arena};
    AUTO(stripe_json_release) json_t *method = NULL;
    const char *id = method_of(token);
    struct http_exchange_reply reply;

    if (id == NULL)
        return GATEWAY_FAILED;
    form_add(&form, "card[exp_month]", arena_printf(call->arena, "%d", (int)expiry->month));
    form_add(&form, "card[exp_year]", arena_printf(call->arena, "%d", (int)expiry->year));
    errand_post(&errand, arena_printf(call->arena, PATH, id), &form, key, &reply);
    return read_reply(&reply, id, &method);
}
