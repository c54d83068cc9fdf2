/*
 * Conversions and checks of webhooks.
 */

#include "payment/webhook_proto.h"

#include "base/settings.h"
#include "base/text.h"
#include "base/time.h"
#include "contract/message.h"
#include "webhook/signature.h"
#include "webhook/url.h"

typedef Dues__Payment__V1__WebhookEndpoint Endpoint;
typedef Dues__Payment__V1__WebhookDelivery Delivery;
typedef Dues__Payment__V1__WebhookAttempt Attempt;

#define STATE(name)   DUES__PAYMENT__V1__WEBHOOK_ENDPOINT__STATE__STATE_##name
#define SIGNING(name) DUES__PAYMENT__V1__WEBHOOK_ENDPOINT__SIGNING__SIGNING_##name
#define REASON(name)  DUES__PAYMENT__V1__WEBHOOK_ENDPOINT__DISABLE_REASON__DISABLE_REASON_##name

#define TYPE_ALPHABET "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_"

static void event_types_to_proto(struct arena *arena, const char *types, Endpoint *proto)
{
    proto->event_types = arena_array(arena, WEBHOOK_EVENT_TYPES_MAX, sizeof(char *));
    while (*types != '\0' && proto->n_event_types < WEBHOOK_EVENT_TYPES_MAX) {
        size_t length = strcspn(types, " ");
        proto->event_types[proto->n_event_types++] = arena_strndup(arena, types, length);
        types += length;
        types += strspn(types, " ");
    }
}

static Dues__Payment__V1__WebhookEndpoint__DisableReason disable_reason(const char *name)
{
    if (text_equal(name, "REQUESTED"))
        return REASON(REQUESTED);
    if (text_equal(name, "GONE"))
        return REASON(GONE);
    return text_equal(name, "FAILING") ? REASON(FAILING) : REASON(UNSPECIFIED);
}

void webhook_endpoint_to_proto(struct arena *arena, const struct webhook_endpoint *endpoint,
                               const char *secret, int64_t now_us, Endpoint *proto)
{
    proto->name = name_make(arena, WEBHOOK_ENDPOINT_PATTERN, &endpoint->id);
    proto->url = arena_strdup(arena, endpoint->url);
    event_types_to_proto(arena, endpoint->event_types, proto);
    proto->description = arena_strdup(arena, endpoint->description);
    proto->signing = endpoint->is_ed25519 ? SIGNING(ED25519) : SIGNING(HMAC);
    proto->state = endpoint->is_enabled ? STATE(ENABLED) : STATE(DISABLED);
    proto->disable_reason = disable_reason(endpoint->disable_reason);
    proto->secret = arena_strdup(arena, secret);
    proto->public_key = arena_strdup(arena, webhook_public_text(arena, endpoint->key.public_key));
    if (endpoint->previous_expire_us > now_us) {
        proto->previous_public_key =
            arena_strdup(arena, webhook_public_text(arena, endpoint->previous.public_key));
        proto->previous_secret_expire_time = time_to_proto(arena, endpoint->previous_expire_us);
    }
    proto->failing_since_time = time_to_proto(arena, endpoint->failing_since_us);
    proto->create_time = time_to_proto(arena, endpoint->create_time_us);
    proto->update_time = time_to_proto(arena, endpoint->update_time_us);
}

static Attempt *attempt_to_proto(struct arena *arena, const struct webhook_attempt *attempt)
{
    Attempt *proto = arena_alloc(arena, sizeof *proto);
    Google__Protobuf__Duration *latency = arena_alloc(arena, sizeof *latency);

    dues__payment__v1__webhook_attempt__init(proto);
    google__protobuf__duration__init(latency);
    latency->seconds = attempt->latency_us / US_PER_SECOND;
    latency->nanos = (int32_t)(attempt->latency_us % US_PER_SECOND * 1000);
    proto->attempt_time = time_to_proto(arena, attempt->time_us);
    proto->status = attempt->status;
    proto->latency = latency;
    proto->problem = arena_strdup(arena, attempt->problem);
    proto->answer = arena_strdup(arena, attempt->answer);
    return proto;
}

void webhook_delivery_to_proto(struct arena *arena, const struct webhook_delivery *delivery,
                               Delivery *proto)
{
    static const Dues__Payment__V1__WebhookDelivery__State states[] = {
        [WEBHOOK_ANY] = DUES__PAYMENT__V1__WEBHOOK_DELIVERY__STATE__STATE_UNSPECIFIED,
        [WEBHOOK_PENDING] = DUES__PAYMENT__V1__WEBHOOK_DELIVERY__STATE__STATE_PENDING,
        [WEBHOOK_SUCCEEDED] = DUES__PAYMENT__V1__WEBHOOK_DELIVERY__STATE__STATE_SUCCEEDED,
        [WEBHOOK_FAILED] = DUES__PAYMENT__V1__WEBHOOK_DELIVERY__STATE__STATE_FAILED,
    };

    proto->name =
        arena_strdup(arena, webhook_delivery_name(arena, delivery->endpoint, delivery->customer,
                                                  delivery->sequence));
    proto->customer = name_make(arena, "customers/{}", &delivery->customer);
    proto->sequence = delivery->sequence;
    proto->event_type = arena_strdup(arena, delivery->event_type);
    proto->webhook_id =
        arena_strdup(arena, webhook_id(arena, delivery->customer, delivery->sequence));
    proto->state = states[delivery->state];
    proto->attempt_count = delivery->attempt_count;
    proto->attempts = arena_array(arena, delivery->kept_count + 1, sizeof(void *));
    for (size_t i = 0; i < delivery->kept_count; i++)
        proto->attempts[i] = attempt_to_proto(arena, &delivery->attempts[i]);
    proto->n_attempts = delivery->kept_count;
    proto->next_attempt_time = time_to_proto(arena, delivery->next_attempt_us);
    proto->create_time = time_to_proto(arena, delivery->create_time_us);
}

void check_webhook_url(struct field_errors *errors, const char *field, const char *url)
{
    const char *problem = webhook_url_problem(url, errors->call->house->settings->sandbox);

    if (problem != NULL)
        field_error_add(errors, field, "%s", problem);
}

/* "payment.succeeded", "payment.*" */
static bool is_event_type(const char *type)
{
    if (type[0] == '\0' || strlen(type) > WEBHOOK_EVENT_TYPE_LENGTH_MAX)
        return false;
    for (;;) {
        size_t length = strspn(type, TYPE_ALPHABET);
        if (length == 0)
            return false;
        type += length;
        if (*type == '\0' || text_equal(type, ".*"))
            return true;
        if (*type++ != '.')
            return false;
    }
}

static bool is_among(const char *type, char *const *types, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (text_equal(types[i], type))
            return true;
    }
    return false;
}

const char *check_webhook_event_types(struct field_errors *errors, const char *field,
                                      char *const *types, size_t count)
{
    struct arena *arena = errors->call->arena;
    const char *joined = "";

    if (count > WEBHOOK_EVENT_TYPES_MAX) {
        field_error_add(errors, field, "must be at most %d", WEBHOOK_EVENT_TYPES_MAX);
        return "";
    }
    for (size_t i = 0; i < count; i++) {
        const char *place = arena_printf(arena, "%s[%zu]", field, i);
        if (!is_event_type(types[i]))
            field_error_add(errors, place,
                            "must be a type as payment.succeeded, or payment.* for all of them");
        else if (!is_among(types[i], types, i))
            joined = arena_printf(arena, "%s%s%s", joined, joined[0] == '\0' ? "" : " ", types[i]);
    }
    return joined;
}

const struct error *check_webhook_event_types_exist(struct call *call, const char *field,
                                                    char *const *types, size_t count)
{
    struct field_errors errors = {.call = call};
    const char **unknown;
    size_t unknown_count;

    if (count == 0)
        return NULL;
    TRY(webhook_types_unknown(call, check_webhook_event_types(&errors, field, types, count),
                              &unknown, &unknown_count));
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < unknown_count; j++) {
            if (text_equal(types[i], unknown[j]))
                field_error_add(&errors, arena_printf(call->arena, "%s[%zu]", field, i),
                                "must be a type that events have (docs/events.md), not \"%s\"",
                                types[i]);
        }
    }
    return field_errors_result(&errors);
}
