/*
 * Stripe's disputes.
 *
 *   get       GET  /v1/disputes/du_…          with the intent, whose metadata[attempt_id] is ours
 *   evidence  POST /v1/disputes/du_…          evidence[…], submitted at once
 *   accept    POST /v1/disputes/du_…/close
 *   list      GET  /v1/disputes               created[gte], newest first
 *
 * What was withdrawn is read from the dispute's balance transactions, which are the money itself;
 * its status only says what the bank thinks.
 */

#include "gateway/stripe/errand.h"

#include "base/text.h"
#include "base/time.h"
#include "gateway/stripe/amount.h"
#include "gateway/stripe/answer.h"
#include "gateway/stripe/error_reply.h"

/* Each byte of the evidence may become three. */
#define EVIDENCE_FORM_SIZE ((size_t)64 * 1024)
#define SECONDS_MAX        4102444800LL /* 2100 */

#define WITH_INTENT "payment_intent"

static bool is_dispute_id(const char *id)
{
    return strlen(id) <= GATEWAY_DISPUTE_ID_MAX &&
           (stripe_is_id(id, "du_") || stripe_is_id(id, "dp_"));
}

/* ---- What a dispute says ---- */

static bool read_status(const json_t *object, struct gateway_dispute *dispute)
{
    static const struct {
        const char *name;
        enum gateway_dispute_status status;
        bool is_inquiry;
    } known[] = {
        {"needs_response", GATEWAY_DISPUTE_NEEDS_RESPONSE, false},
        {"under_review", GATEWAY_DISPUTE_UNDER_REVIEW, false},
        {"won", GATEWAY_DISPUTE_WON, false},
        {"lost", GATEWAY_DISPUTE_LOST, false},
        {"prevented", GATEWAY_DISPUTE_CLOSED, false},
        {"warning_needs_response", GATEWAY_DISPUTE_NEEDS_RESPONSE, true},
        {"warning_under_review", GATEWAY_DISPUTE_UNDER_REVIEW, true},
        {"warning_closed", GATEWAY_DISPUTE_CLOSED, true},
    };
    const char *status = stripe_text(object, "status");

    for (size_t i = 0; i < ARRAY_LENGTH(known); i++) {
        if (text_equal(known[i].name, status)) {
            dispute->status = known[i].status;
            dispute->is_inquiry = known[i].is_inquiry;
            return true;
        }
    }
    return false;
}

struct moved {
    int64_t amount; /* units */
    int64_t fee;
    const char *currency; /* "" while nothing has moved */
};

/* False: these are no balance transactions, or not of one currency. */
static bool read_moved(const json_t *object, struct moved *moved)
{
    const json_t *list = json_object_get(object, "balance_transactions");
    const json_t *entry;
    size_t index;

    *moved = (struct moved){.currency = ""};
    if (!json_is_array(list))
        return false;
    json_array_foreach(list, index, entry)
    {
        const char *currency = stripe_text(entry, "currency");
        int64_t amount;
        int64_t fee;
        if (!stripe_number(entry, "amount", &amount) || !stripe_number(entry, "fee", &fee) ||
            __builtin_add_overflow(moved->amount, amount, &moved->amount) ||
            __builtin_add_overflow(moved->fee, fee, &moved->fee) ||
            (moved->currency[0] != '\0' && !text_equal(moved->currency, currency)))
            return false;
        moved->currency = currency;
    }
    return true;
}

/* In the account's currency, which need not be the payment's: then all or nothing was withdrawn. */
static bool read_money(const json_t *object, struct gateway_dispute *dispute)
{
    const char *currency = stripe_text(object, "currency");
    struct money withdrawn;
    struct moved moved;
    int64_t units;

    if (!stripe_number(object, "amount", &units) ||
        !stripe_money(currency, units, &dispute->amount) || units <= 0 ||
        !read_moved(object, &moved))
        return false;
    dispute->fee = money_make(dispute->amount.currency, 0);
    if (moved.currency[0] == '\0')
        return true;
    if (moved.fee > 0 && !stripe_money(moved.currency, moved.fee, &dispute->fee))
        return false;
    if (moved.amount >= 0)
        return true;
    if (!text_equal(moved.currency, currency)) {
        dispute->withdrawn_minor = dispute->amount.minor_units;
        return true;
    }
    if (moved.amount == INT64_MIN || !stripe_money(currency, -moved.amount, &withdrawn))
        return false;
    dispute->withdrawn_minor = withdrawn.minor_units;
    return true;
}

static bool read_time(const json_t *object, const char *member, int64_t *time_us)
{
    int64_t seconds;

    *time_us = 0;
    if (!stripe_number(object, member, &seconds))
        return json_is_null(json_object_get(object, member));
    if (seconds < 0 || seconds > SECONDS_MAX)
        return false;
    *time_us = seconds * US_PER_SECOND;
    return true;
}

/* Only the expanded intent has it; an id alone means that the intent is not ours to see. */
static const char *reference_of(const json_t *object)
{
    const json_t *intent = stripe_object(object, WITH_INTENT);

    return stripe_text(stripe_object(intent, "metadata"), STRIPE_REFERENCE);
}

/* `id`: the one that was asked for. */
static bool read_dispute(const struct errand *errand, const json_t *object, const char *id,
                         struct gateway_dispute *dispute)
{
    const json_t *details = stripe_object(object, "evidence_details");
    struct arena *arena = errand->arena;
    int64_t submissions = 0;

    *dispute = (struct gateway_dispute){.id = ""};
    if (!text_equal(stripe_text(object, "object"), "dispute") ||
        !text_equal(stripe_text(object, "id"), id) ||
        stripe_flag(object, "livemode") != errand->stripe->is_live ||
        !read_status(object, dispute) || !read_money(object, dispute) ||
        !read_time(object, "created", &dispute->created_us) || details == NULL ||
        !read_time(details, "due_by", &dispute->evidence_due_us) ||
        !stripe_number(details, "submission_count", &submissions))
        return false;
    dispute->id = arena_strdup(arena, id);
    dispute->transaction = arena_strdup(arena, stripe_reference(object, WITH_INTENT));
    dispute->reference = arena_strdup(arena, reference_of(object));
    dispute->reason = arena_strdup(arena, stripe_text(object, "reason"));
    dispute->has_evidence = submissions > 0;
    return true;
}

/* ---- What a reply says ---- */

static enum gateway_outcome read_reply(const struct errand *errand,
                                       const struct http_exchange_reply *reply, const char *id,
                                       struct gateway_dispute *dispute)
{
    AUTO(stripe_json_release) json_t *body = NULL;

    if (reply->result == HTTP_ANSWERED)
        body = stripe_json(reply->body, reply->body_size);
    enum gateway_outcome outcome = stripe_reply_outcome(reply, body);
    if (outcome != GATEWAY_SUCCEEDED)
        return outcome;
    return read_dispute(errand, body, id, dispute) ? GATEWAY_SUCCEEDED : GATEWAY_UNKNOWN;
}

enum gateway_outcome stripe_get_dispute(const struct gateway *gateway, struct call *call,
                                        const char *id, struct gateway_dispute *dispute)
{
    struct errand errand = errand_begin(gateway->state, call);
    struct stripe_form form = {.arena = call->arena};
    struct http_exchange_reply reply;

    if (!is_dispute_id(id))
        return GATEWAY_FAILED;
    form_add(&form, "expand[0]", WITH_INTENT);
    errand_get(&errand, arena_printf(call->arena, "/v1/disputes/%s", id), &form, &reply);
    return read_reply(&errand, &reply, id, dispute);
}

enum gateway_outcome stripe_submit_evidence(const struct gateway *gateway, struct call *call,
                                            const struct gateway_dispute_request *request,
                                            struct gateway_dispute *dispute)
{
    struct errand errand = errand_begin(gateway->state, call);
    struct stripe_form form = {.arena = call->arena, .size_max = EVIDENCE_FORM_SIZE};
    struct http_exchange_reply reply;

    if (!is_dispute_id(request->dispute))
        return GATEWAY_FAILED;
    for (size_t i = 0; i < request->evidence_count; i++)
        form_add(&form, arena_printf(call->arena, "evidence[%s]", request->evidence[i].name),
                 request->evidence[i].text);
    form_add(&form, "submit", "true");
    form_add(&form, "expand[0]", WITH_INTENT);
    errand_post(&errand, arena_printf(call->arena, "/v1/disputes/%s", request->dispute), &form,
                request->idempotency_key, &reply);
    return read_reply(&errand, &reply, request->dispute, dispute);
}

enum gateway_outcome stripe_accept_dispute(const struct gateway *gateway, struct call *call,
                                           const struct gateway_dispute_request *request,
                                           struct gateway_dispute *dispute)
{
    struct errand errand = errand_begin(gateway->state, call);
    struct stripe_form form = {.arena = call->arena};
    struct http_exchange_reply reply;

    if (!is_dispute_id(request->dispute))
        return GATEWAY_FAILED;
    form_add(&form, "expand[0]", WITH_INTENT);
    errand_post(&errand, arena_printf(call->arena, "/v1/disputes/%s/close", request->dispute),
                &form, request->idempotency_key, &reply);
    return read_reply(&errand, &reply, request->dispute, dispute);
}

static bool read_page(const struct errand *errand, const struct http_exchange_reply *reply,
                      struct gateway_dispute_page *page)
{
    AUTO(stripe_json_release) json_t *body = NULL;
    const json_t *element;
    size_t index;

    if (reply->result != HTTP_ANSWERED || reply->status != 200)
        return false;
    body = stripe_json(reply->body, reply->body_size);
    const json_t *data = json_object_get(body, "data");
    if (!json_is_array(data) || json_array_size(data) > GATEWAY_DISPUTE_PAGE_MAX)
        return false;
    json_array_foreach(data, index, element)
    {
        const char *id = stripe_text(element, "id");
        if (!is_dispute_id(id))
            return false;
        page->ids[page->count++] = arena_strdup(errand->arena, id);
    }
    if (stripe_flag(body, "has_more") && page->count > 0)
        page->next = page->ids[page->count - 1];
    return true;
}

bool stripe_list_disputes(const struct gateway *gateway, struct call *call, int64_t since_us,
                          const char *cursor, struct gateway_dispute_page *page)
{
    struct errand errand = errand_begin(gateway->state, call);
    struct stripe_form form = {.arena = call->arena};
    struct http_exchange_reply reply;

    *page = (struct gateway_dispute_page){.next = ""};
    form_add_number(&form, "created[gte]", since_us / US_PER_SECOND);
    form_add_number(&form, "limit", GATEWAY_DISPUTE_PAGE_MAX);
    if (cursor[0] != '\0')
        form_add(&form, "starting_after", cursor);
    errand_get(&errand, "/v1/disputes", &form, &reply);
    return read_page(&errand, &reply, page);
}
