/*
 * Stripe's events: verified as bytes, then read as strictly as any answer, and then taken for a
 * hint only.  Whose an object is stands in the metadata that we gave it.
 */

#include "gateway/stripe/news.h"

#include <pthread.h>

#include "base/text.h"
#include "base/time.h"
#include "gateway/stripe/answer.h"
#include "gateway/stripe/decline.h"
#include "gateway/stripe/errand.h"
#include "gateway/stripe/json.h"

#define SIGNATURE_HEADER "Stripe-Signature"
#define SECRET_PREFIX    "whsec_"
#define SECRET_MIN       16
#define CREATED_MAX_S    (4102444800LL) /* 2100 */

/* ---- The secrets ---- */

bool stripe_news_secret_is_right(const char *text)
{
    size_t length = strlen(text);

    return length >= SECRET_MIN && length <= STRIPE_NEWS_SECRET_MAX &&
           text_starts_with(text, SECRET_PREFIX) && text_is_plain(text, length) &&
           strchr(text, ' ') == NULL;
}

void stripe_change_news_secrets(struct stripe *stripe,
                                const char *const secrets[STRIPE_NEWS_SECRETS_MAX])
{
    pthread_mutex_lock(&stripe->news_lock);
    explicit_bzero(&stripe->news_secrets, sizeof stripe->news_secrets);
    for (size_t i = 0; i < STRIPE_NEWS_SECRETS_MAX; i++) {
        if (secrets[i] != NULL && stripe_news_secret_is_right(secrets[i]))
            snprintf(stripe->news_secrets.text[i], sizeof stripe->news_secrets.text[i], "%s",
                     secrets[i]);
    }
    pthread_mutex_unlock(&stripe->news_lock);
}

/* ---- Reading ---- */

struct topic {
    const char *object; /* of data.object */
    const char *prefix; /* of its id */
    enum gateway_news_kind kind;
    const char *belongs_to; /* the member that says what it belongs to; NULL: to nothing */
    const char *owner;      /* the prefix of that */
};

static const struct topic topics[] = {
    {"payment_intent", "pi_", GATEWAY_NEWS_PAYMENT, NULL, NULL},
    {"refund", "re_", GATEWAY_NEWS_REFUND, "payment_intent", "pi_"},
    {"dispute", "d", GATEWAY_NEWS_DISPUTE, "payment_intent", "pi_"}, /* dp_ and du_ */
    {"payment_method", "pm_", GATEWAY_NEWS_PAYMENT_METHOD, "customer", "cus_"},
};

/* Of objects that we look at, and yet nothing that would change with us. */
static const char *const idle_types[] = {
    "payment_intent.created",
    "payment_method.attached",
};

static const struct topic *topic_of(const char *type, const json_t *object)
{
    for (size_t i = 0; i < ARRAY_LENGTH(idle_types); i++) {
        if (text_equal(type, idle_types[i]))
            return NULL;
    }
    for (size_t i = 0; i < ARRAY_LENGTH(topics); i++) {
        if (text_equal(stripe_text(object, "object"), topics[i].object) &&
            stripe_is_id(stripe_text(object, "id"), topics[i].prefix))
            return &topics[i];
    }
    return NULL;
}

static void read_object(struct arena *arena, const struct topic *topic, const json_t *object,
                        struct gateway_news *news)
{
    const json_t *metadata = stripe_object(object, "metadata");
    const char *owner =
        topic->belongs_to == NULL ? "" : stripe_reference(object, topic->belongs_to);

    news->kind = topic->kind;
    news->object = arena_strdup(arena, stripe_text(object, "id"));
    if (topic->owner != NULL && stripe_is_id(owner, topic->owner))
        news->belongs_to = arena_strdup(arena, owner);
    news->reference = arena_strdup(arena, stripe_text(metadata, STRIPE_REFERENCE));
    news->customer = arena_strdup(arena, stripe_text(metadata, STRIPE_CUSTOMER));
}

bool stripe_read_event(struct arena *arena, bool is_live, struct bytes body,
                       struct gateway_news *news)
{
    AUTO(stripe_json_release) json_t *event = stripe_json(body.data, body.size);
    const json_t *object = stripe_object(stripe_object(event, "data"), "object");
    const char *id = stripe_text(event, "id");
    const char *type = stripe_text(event, "type");
    int64_t created_s = 0;

    if (event == NULL || object == NULL || !text_equal(stripe_text(event, "object"), "event") ||
        !stripe_is_id(id, "evt_") || type[0] == '\0' || stripe_flag(event, "livemode") != is_live)
        return false;
    if (!stripe_number(event, "created", &created_s) || created_s < 0 || created_s > CREATED_MAX_S)
        created_s = 0;
    *news = (struct gateway_news){
        .event = arena_strdup(arena, id),
        .type = arena_strdup(arena, type),
        .kind = GATEWAY_NEWS_OTHER,
        .object = "",
        .belongs_to = "",
        .reference = "",
        .customer = "",
        .created_us = created_s * US_PER_SECOND,
    };
    const struct topic *topic = topic_of(type, object);
    if (topic != NULL)
        read_object(arena, topic, object, news);
    return true;
}

enum gateway_letter_verdict stripe_read_news(const struct gateway *gateway, struct call *call,
                                             const struct gateway_letter *letter,
                                             struct gateway_news *news)
{
    struct stripe *stripe = gateway->state;
    const struct bytes body = {letter->body, letter->body_size};
    struct stripe_news_secrets secrets;

    pthread_mutex_lock(&stripe->news_lock);
    secrets = stripe->news_secrets;
    pthread_mutex_unlock(&stripe->news_lock);
    enum gateway_letter_verdict verdict = stripe_signature_check(
        &secrets, call->arena, letter->header(letter->owner, SIGNATURE_HEADER), body,
        call->now_us / US_PER_SECOND);
    explicit_bzero(&secrets, sizeof secrets);
    if (verdict == GATEWAY_LETTER_GENUINE &&
        !stripe_read_event(call->arena, stripe->is_live, body, news))
        return GATEWAY_LETTER_UNREADABLE;
    return verdict;
}

/* ---- Whose it is ---- */

/* The object in which our metadata stand: its own, or of what it belongs to. */
static const char *owner_path(struct arena *arena, const struct gateway_news *news)
{
    switch (news->kind) {
    case GATEWAY_NEWS_PAYMENT:
        return arena_printf(arena, "/v1/payment_intents/%s", news->object);
    case GATEWAY_NEWS_REFUND:
    case GATEWAY_NEWS_DISPUTE:
        return news->belongs_to[0] == '\0'
                   ? NULL
                   : arena_printf(arena, "/v1/payment_intents/%s", news->belongs_to);
    case GATEWAY_NEWS_PAYMENT_METHOD:
        return news->belongs_to[0] == '\0'
                   ? NULL
                   : arena_printf(arena, "/v1/customers/%s", news->belongs_to);
    case GATEWAY_NEWS_OTHER:
    case GATEWAY_NEWS_KIND_COUNT:
        break;
    }
    return NULL;
}

/* Of a refund that we did not make only Stripe says how it stands. */
static enum gateway_outcome look_at_refund(const struct errand *errand, struct call *call,
                                           const char *id, struct gateway_owner *owner)
{
    const struct stripe_form form = {.arena = call->arena};
    struct http_exchange_reply reply;

    errand_get(errand, arena_printf(call->arena, "/v1/refunds/%s", id), &form, &reply);
    if (reply.result != HTTP_ANSWERED || reply.status != 200)
        return GATEWAY_UNKNOWN;
    AUTO(stripe_json_release) json_t *refund = stripe_json(reply.body, reply.body_size);
    if (refund == NULL)
        return GATEWAY_UNKNOWN;
    const char *status = stripe_text(refund, "status");
    if (text_equal(status, "failed") || text_equal(status, "canceled"))
        owner->failure_code = stripe_refund_decline(stripe_text(refund, "failure_reason"));
    return GATEWAY_SUCCEEDED;
}

enum gateway_outcome stripe_find_owner(const struct gateway *gateway, struct call *call,
                                       const struct gateway_news *news, struct gateway_owner *owner)
{
    const struct errand errand = errand_begin(gateway->state, call);
    const struct stripe_form form = {.arena = call->arena};
    const char *path = owner_path(call->arena, news);
    struct http_exchange_reply reply;

    if (path == NULL)
        return GATEWAY_FAILED;
    errand_get(&errand, path, &form, &reply);
    if (reply.result == HTTP_ANSWERED && reply.status == 404)
        return GATEWAY_FAILED;
    if (reply.result != HTTP_ANSWERED || reply.status != 200)
        return GATEWAY_UNKNOWN;
    AUTO(stripe_json_release) json_t *object = stripe_json(reply.body, reply.body_size);
    const json_t *metadata = stripe_object(object, "metadata");
    if (object == NULL)
        return GATEWAY_UNKNOWN;
    owner->reference = arena_strdup(call->arena, stripe_text(metadata, STRIPE_REFERENCE));
    owner->customer = arena_strdup(call->arena, stripe_text(metadata, STRIPE_CUSTOMER));
    if (owner->customer[0] == '\0')
        return GATEWAY_FAILED;
    return news->kind == GATEWAY_NEWS_REFUND ? look_at_refund(&errand, call, news->object, owner)
                                             : GATEWAY_SUCCEEDED;
}
