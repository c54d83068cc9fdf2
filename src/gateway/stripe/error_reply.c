/*
 * charging's table of HTTP statuses, with what Stripe adds in `type` and `code`.  A refused key
 * (401, 403) is our own mistake and mended by a person: nothing was executed, and no payment is
 * declined for it.
 */

#include "gateway/stripe/error_reply.h"

#include "base/text.h"
#include "gateway/decline.h"
#include "gateway/stripe/decline.h"

#define NETWORK_CODE_LENGTH 2

enum stripe_error_kind stripe_error_kind(int32_t status, const json_t *error)
{
    const char *type = stripe_text(error, "type");
    const char *code = stripe_text(error, "code");

    if (status >= 500)
        return STRIPE_ERROR_SERVER;
    if (status >= 300 && status < 400)
        return STRIPE_ERROR_REQUEST;
    if (status == 429)
        return STRIPE_ERROR_LATER;
    if (status < 400 || type[0] == '\0')
        return STRIPE_ERROR_NONE;
    if (status == 401 || status == 403)
        return STRIPE_ERROR_LATER;
    if (status == 409)
        return STRIPE_ERROR_IN_USE;
    if (text_equal(type, "idempotency_error"))
        return STRIPE_ERROR_OTHER_REQUEST;
    if (text_equal(type, "card_error"))
        return STRIPE_ERROR_DECLINED;
    if (text_equal(code, "payment_intent_unexpected_state"))
        return STRIPE_ERROR_STATE;
    return STRIPE_ERROR_REQUEST;
}

enum gateway_outcome stripe_reply_outcome(const struct http_exchange_reply *reply,
                                          const json_t *body)
{
    switch (reply->result) {
    case HTTP_NOT_SENT:
    case HTTP_FORBIDDEN:
        return GATEWAY_NOT_SENT;
    case HTTP_UNKNOWN:
        return GATEWAY_UNKNOWN;
    case HTTP_ANSWERED:
        break;
    }
    if (reply->status == 200)
        return GATEWAY_SUCCEEDED;
    switch (stripe_error_kind(reply->status, stripe_object(body, "error"))) {
    case STRIPE_ERROR_LATER:
        return GATEWAY_NOT_SENT;
    case STRIPE_ERROR_IN_USE:
        return GATEWAY_IN_FLIGHT;
    case STRIPE_ERROR_DECLINED:
    case STRIPE_ERROR_STATE:
    case STRIPE_ERROR_REQUEST:
        return GATEWAY_FAILED;
    case STRIPE_ERROR_OTHER_REQUEST: /* the key was used before: that request may have been done */
    case STRIPE_ERROR_NONE:
    case STRIPE_ERROR_SERVER:
        break;
    }
    return GATEWAY_UNKNOWN;
}

static const char *shown(const char *text)
{
    return text != NULL && strlen(text) < 64 && !text_has_control(text) ? text : "";
}

const char *stripe_error_evidence(struct arena *arena, const struct http_exchange_reply *reply,
                                  const json_t *error)
{
    const char *request_id = http_reply_header(reply, "Request-Id");

    return arena_printf(
        arena, "http %d %s %s %s %s", (int)reply->status, shown(stripe_text(error, "type")),
        shown(stripe_text(error, "code")), shown(stripe_text(error, "decline_code")),
        request_id != NULL && stripe_is_id(request_id, "req_") ? shown(request_id) : "");
}

static bool is_network_code(const char *code)
{
    size_t length = strlen(code);

    for (size_t i = 0; i < length; i++) {
        if (!(code[i] >= '0' && code[i] <= '9') && !(code[i] >= 'A' && code[i] <= 'Z'))
            return false;
    }
    return length == NETWORK_CODE_LENGTH;
}

void stripe_read_decline(struct arena *arena, const json_t *error, struct gateway_answer *answer)
{
    const char *network = stripe_text(error, "network_decline_code");

    answer->decline_code =
        stripe_decline(stripe_text(error, "decline_code"), stripe_text(error, "code"));
    answer->network_decline_code = is_network_code(network) ? arena_strdup(arena, network) : "";
    answer->advice = decline_advice_name(decline_advice_of(stripe_text(error, "advice_code")));
}
