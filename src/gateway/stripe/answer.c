/*
 * The rules of what a reply means, in this order: did one come, is it whole JSON, is it about what
 * was asked, and only then what it says.
 */

#include "gateway/stripe/answer.h"

#include <inttypes.h>

#include "base/text.h"
#include "base/time.h"
#include "gateway/stripe/amount.h"
#include "gateway/stripe/decline.h"
#include "gateway/stripe/error_reply.h"

#define CAPTURE_BEFORE_MAX_S (4102444800LL) /* 2100 */
#define CAPTURE_NOTE         "capture_"
#define UNITS_DIGITS_MAX     15

static void conclude(struct stripe_reading *reading, enum gateway_outcome outcome,
                     const char *evidence)
{
    reading->answer.outcome = outcome;
    reading->answer.evidence = evidence;
}

static void fetch(struct stripe_reading *reading, const char *id)
{
    reading->next = STRIPE_FETCH;
    reading->object = id;
}

static void begin(struct stripe_reading *reading)
{
    *reading = (struct stripe_reading){
        .answer = gateway_answer_plain(GATEWAY_UNKNOWN, ""),
        .object = "",
    };
}

static const char *metadata(const json_t *object, const char *name)
{
    return stripe_text(stripe_object(object, "metadata"), name);
}

/* Digits, nothing else. */
static bool read_units(const char *text, int64_t *units)
{
    size_t length = text == NULL ? 0 : strlen(text);

    if (length == 0 || length > UNITS_DIGITS_MAX || strspn(text, "0123456789") != length)
        return false;
    *units = strtoll(text, NULL, 10);
    return true;
}

static bool acts_on_another(const struct gateway_request *request)
{
    return request->operation == GATEWAY_CAPTURE || request->operation == GATEWAY_VOID;
}

static bool pays(const struct gateway_request *request)
{
    return request->operation == GATEWAY_CHARGE || request->operation == GATEWAY_AUTHORIZE;
}

/* Is the object the one that was asked for?  NULL: yes; else what does not fit. */
static const char *misfit(const struct stripe_question *question, const json_t *object,
                          const char *kind, const char *prefix)
{
    const struct gateway_request *request = question->request;
    const char *id = stripe_text(object, "id");
    const char *payment = metadata(object, STRIPE_PAYMENT);

    if (!text_equal(stripe_text(object, "object"), kind) || !stripe_is_id(id, prefix))
        return "the answer is another object";
    if (json_object_get(object, "livemode") != NULL &&
        stripe_flag(object, "livemode") != question->is_live)
        return "the answer is of another mode";
    if (request->operation == GATEWAY_REFUND
            ? !text_equal(stripe_reference(object, "payment_intent"), request->transaction)
            : request->transaction[0] != '\0' && !text_equal(id, request->transaction))
        return "the answer is about another transaction";
    if (!acts_on_another(request) &&
        !text_equal(metadata(object, STRIPE_REFERENCE), request->reference))
        return "the answer has another reference";
    if (request->payment != NULL && request->payment[0] != '\0' &&
        !text_equal(payment, request->payment))
        return "the answer is of another payment";
    return NULL;
}

static bool money_of(const json_t *object, const char *member, struct money *money)
{
    int64_t units;

    return stripe_number(object, member, &units) &&
           stripe_money(stripe_text(object, "currency"), units, money);
}

static void read_action(const struct stripe_question *question, const json_t *intent,
                        struct gateway_action *action)
{
    const json_t *next = stripe_object(intent, "next_action");
    const json_t *redirect = stripe_object(next, "redirect_to_url");
    const char *url = json_string_value(json_object_get(redirect, "url"));
    const char *secret = stripe_text(intent, "client_secret");
    bool is_of_intent = text_starts_with(secret, stripe_text(intent, "id"));

    action->client_secret = is_of_intent ? arena_strdup(question->arena, secret) : "";
    if (url != NULL && text_starts_with(url, "https://") && strlen(url) < 2048 &&
        text_is_plain(url, strlen(url))) {
        action->kind = GATEWAY_ACTION_REDIRECT;
        action->redirect_url = arena_strdup(question->arena, url);
    } else if (is_of_intent) {
        action->kind = GATEWAY_ACTION_SDK;
    }
}

/* Unix seconds, in the charge when it was asked for. */
static int64_t capture_before_us(const json_t *intent)
{
    const json_t *charge = stripe_object(intent, "latest_charge");
    const json_t *details = stripe_object(charge, "payment_method_details");
    int64_t seconds;

    if (!stripe_number(stripe_object(details, "card"), "capture_before", &seconds) ||
        seconds <= 0 || seconds > CAPTURE_BEFORE_MAX_S)
        return 0;
    return seconds * US_PER_SECOND;
}

/* An intent that needs another payment method: its last attempt was declined. */
static void read_rejected(const struct stripe_question *question, const json_t *intent,
                          struct stripe_reading *reading)
{
    const json_t *error = stripe_object(intent, "last_payment_error");

    if (error == NULL)
        return conclude(reading, GATEWAY_IN_FLIGHT, "the intent was not confirmed yet");
    stripe_read_decline(question->arena, error, &reading->answer);
    /* Its secret confirms it with another card, or with the same once more. */
    reading->answer.is_open = true;
    conclude(reading, GATEWAY_DECLINED, "the intent needs another payment method");
}

/* Nobody pays it any more; what was declined before it was canceled stays the reason. */
static void read_canceled(const struct stripe_question *question, const json_t *intent,
                          struct stripe_reading *reading)
{
    const json_t *error = stripe_object(intent, "last_payment_error");

    if (error == NULL)
        reading->answer.decline_code = "authentication_not_handled";
    else
        stripe_read_decline(question->arena, error, &reading->answer);
    conclude(reading, GATEWAY_DECLINED, "the intent was canceled");
}

/* Is what was held or taken told in full? */
static void read_paid(const struct stripe_question *question, const json_t *intent,
                      const char *member, struct stripe_reading *reading)
{
    if (!money_of(intent, member, &reading->answer.amount))
        return conclude(reading, GATEWAY_UNKNOWN, "the answer has no amount");
    if (question->request->operation == GATEWAY_AUTHORIZE)
        reading->answer.authorization_expires_us = capture_before_us(intent);
    conclude(reading, GATEWAY_SUCCEEDED, member);
}

static void read_charge(const struct stripe_question *question, const json_t *intent,
                        struct stripe_reading *reading)
{
    const char *status = stripe_text(intent, "status");
    bool holds = question->request->operation == GATEWAY_AUTHORIZE;
    int64_t received = -1;

    if (!text_equal(stripe_text(intent, "capture_method"), holds ? "manual" : "automatic"))
        return conclude(reading, GATEWAY_UNKNOWN, "the answer has another capture method");
    if (!money_of(intent, "amount", &reading->answer.amount))
        return conclude(reading, GATEWAY_UNKNOWN, "the answer has no amount");
    if (text_equal(status, "succeeded"))
        /* Of an authorization: it was captured since. */
        return read_paid(question, intent, holds ? "amount" : "amount_received", reading);
    if (text_equal(status, "requires_capture") && holds)
        return read_paid(question, intent,
                         stripe_number(intent, "amount_received", &received) && received == 0
                             ? "amount_capturable"
                             : "amount",
                         reading);
    if (text_equal(status, "requires_action")) {
        read_action(question, intent, &reading->answer.action);
        return conclude(reading,
                        reading->answer.action.kind == GATEWAY_ACTION_NONE
                            ? GATEWAY_IN_FLIGHT
                            : GATEWAY_REQUIRES_ACTION,
                        "the customer must act");
    }
    if (text_equal(status, "requires_payment_method"))
        return read_rejected(question, intent, reading);
    if (text_equal(status, "canceled"))
        return read_canceled(question, intent, reading);
    if (text_equal(status, "processing") || text_equal(status, "requires_confirmation"))
        return conclude(reading, GATEWAY_IN_FLIGHT, "the intent is being worked on");
    conclude(reading, GATEWAY_UNKNOWN, "the intent has a status that is not known");
}

const char *stripe_capture_note(struct arena *arena, const char *reference)
{
    char *note = arena_printf(arena, CAPTURE_NOTE "%s", reference);
    char *end = note + strlen(CAPTURE_NOTE);

    for (const char *from = end; *from != '\0'; from++) {
        if (*from != '-')
            *end++ = *from;
    }
    *end = '\0';
    return note;
}

/* False: a note holds something else than units. */
static bool sum_notes(const json_t *intent, int64_t *sum)
{
    json_t *metadata = json_object_get(intent, "metadata");
    const char *name;
    json_t *value;

    *sum = 0;
    json_object_foreach(metadata, name, value)
    {
        int64_t units;
        if (!text_starts_with(name, CAPTURE_NOTE))
            continue;
        if (!read_units(json_string_value(value), &units) ||
            __builtin_add_overflow(*sum, units, sum))
            return false;
    }
    return true;
}

/* A note stands there if and only if its capture was done. */
static void read_capture(const struct stripe_question *question, const json_t *intent,
                         struct stripe_reading *reading)
{
    const char *note =
        metadata(intent, stripe_capture_note(question->arena, question->request->reference));
    const char *status = stripe_text(intent, "status");
    bool is_over = text_equal(status, "succeeded") || text_equal(status, "canceled");
    int64_t received;
    int64_t noted;
    int64_t units;

    if (!stripe_number(intent, "amount_received", &received) || !sum_notes(intent, &noted) ||
        received != noted)
        return conclude(reading, GATEWAY_UNKNOWN, "the answer has other amounts");
    if (note[0] == '\0' && question->is_query) {
        reading->answer.is_hold_gone = is_over;
        return conclude(reading, GATEWAY_FAILED,
                        is_over ? "not captured, and nothing is held any more" : "not captured");
    }
    if (!read_units(note, &units) || !(is_over || text_equal(status, "requires_capture")) ||
        !stripe_money(stripe_text(intent, "currency"), units, &reading->answer.amount))
        return conclude(reading, GATEWAY_UNKNOWN, "the answer shows no capture");
    conclude(reading, GATEWAY_SUCCEEDED, "captured");
}

/* A part was captured and the time for the rest is over: what is missing is what we thought is
 * held. */
static bool was_released(const struct stripe_question *question, const json_t *intent)
{
    int64_t amount;
    int64_t received;
    int64_t held;

    return stripe_number(intent, "amount", &amount) &&
           stripe_number(intent, "amount_received", &received) && received > 0 &&
           stripe_amount(question->request->amount, &held) && amount - received == held;
}

static void read_void(const struct stripe_question *question, const json_t *intent,
                      struct stripe_reading *reading)
{
    const char *status = stripe_text(intent, "status");

    reading->answer.amount = question->request->amount;
    if (text_equal(status, "canceled"))
        return conclude(reading, GATEWAY_SUCCEEDED, "canceled");
    if (text_equal(status, "succeeded") && was_released(question, intent))
        return conclude(reading, GATEWAY_SUCCEEDED, "let go of before");
    if (text_equal(status, "succeeded"))
        return conclude(reading, GATEWAY_FAILED, "the money was taken");
    if (question->is_query)
        return conclude(reading, GATEWAY_FAILED, "not canceled");
    conclude(reading, GATEWAY_UNKNOWN, "the answer shows no cancellation");
}

static void read_refund(const json_t *refund, struct stripe_reading *reading)
{
    const char *status = stripe_text(refund, "status");
    struct gateway_answer *answer = &reading->answer;

    if (!money_of(refund, "amount", &answer->amount))
        return conclude(reading, GATEWAY_UNKNOWN, "the answer has no amount");
    if (text_equal(status, "succeeded"))
        return conclude(reading, GATEWAY_SUCCEEDED, "refunded");
    if (text_equal(status, "pending") || text_equal(status, "requires_action"))
        return conclude(reading, GATEWAY_IN_FLIGHT, "the refund is on its way");
    if (text_equal(status, "failed")) {
        answer->decline_code = stripe_refund_decline(stripe_text(refund, "failure_reason"));
        return conclude(reading, GATEWAY_DECLINED, "the refund failed");
    }
    if (text_equal(status, "canceled"))
        return conclude(reading, GATEWAY_FAILED, "the refund was canceled");
    conclude(reading, GATEWAY_UNKNOWN, "the refund has a status that is not known");
}

void stripe_read_object(const struct stripe_question *question, const json_t *object,
                        struct stripe_reading *reading)
{
    bool is_refund = question->request->operation == GATEWAY_REFUND;
    const char *wrong = misfit(question, object, is_refund ? "refund" : "payment_intent",
                               is_refund ? "re_" : "pi_");

    begin(reading);
    if (wrong != NULL)
        return conclude(reading, GATEWAY_UNKNOWN, wrong);
    reading->answer.transaction = arena_strdup(question->arena, stripe_text(object, "id"));
    switch (question->request->operation) {
    case GATEWAY_CHARGE:
    case GATEWAY_AUTHORIZE:
        return read_charge(question, object, reading);
    case GATEWAY_CAPTURE:
        return read_capture(question, object, reading);
    case GATEWAY_VOID:
        return read_void(question, object, reading);
    case GATEWAY_REFUND:
        return read_refund(object, reading);
    case GATEWAY_OPERATION_COUNT:
        break;
    }
}

bool stripe_was_replayed(const struct http_exchange_reply *reply)
{
    const char *replayed = http_reply_header(reply, "Idempotent-Replayed");

    return replayed != NULL && text_equal(replayed, "true");
}

static void read_success(const struct stripe_question *question,
                         const struct http_exchange_reply *reply, struct stripe_reading *reading)
{
    AUTO(stripe_json_release) json_t *object = stripe_json(reply->body, reply->body_size);

    if (object == NULL)
        return conclude(reading, GATEWAY_UNKNOWN, "the answer is no JSON object");
    stripe_read_object(question, object, reading);
    bool may_be_old = reading->answer.outcome == GATEWAY_IN_FLIGHT ||
                      reading->answer.outcome == GATEWAY_REQUIRES_ACTION;
    if (!question->is_query && may_be_old && stripe_was_replayed(reply))
        fetch(reading, reading->answer.transaction);
}

/* An error may come with the intent as it stands: then that must be ours. */
static void read_card_error(const struct stripe_question *question, const json_t *error,
                            struct stripe_reading *reading)
{
    const json_t *intent = stripe_object(error, "payment_intent");
    const char *wrong = intent == NULL || question->request->operation == GATEWAY_REFUND
                            ? NULL
                            : misfit(question, intent, "payment_intent", "pi_");

    if (wrong != NULL)
        return conclude(reading, GATEWAY_UNKNOWN, wrong);
    if (intent != NULL && question->request->operation != GATEWAY_REFUND) {
        reading->answer.transaction = arena_strdup(question->arena, stripe_text(intent, "id"));
        if (!money_of(intent, "amount", &reading->answer.amount))
            return conclude(reading, GATEWAY_UNKNOWN, "the answer has no amount");
    }
    stripe_read_decline(question->arena, error, &reading->answer);
    reading->answer.outcome = GATEWAY_DECLINED;
}

/* Why money was not moved that Stripe did not even try to move; "" says nothing. */
static const char *refusal(const struct stripe_question *question, const json_t *error)
{
    const char *code = stripe_text(error, "code");

    if (question->is_query || acts_on_another(question->request))
        return "";
    return pays(question->request) ? stripe_request_decline(code) : stripe_refund_refusal(code);
}

static void read_error(const struct stripe_question *question,
                       const struct http_exchange_reply *reply, struct stripe_reading *reading)
{
    AUTO(stripe_json_release) json_t *body = stripe_json(reply->body, reply->body_size);
    const json_t *error = stripe_object(body, "error");
    struct gateway_answer *answer = &reading->answer;

    answer->evidence = stripe_error_evidence(question->arena, reply, error);
    switch (stripe_error_kind(reply->status, error)) {
    case STRIPE_ERROR_NONE:
    case STRIPE_ERROR_SERVER:
        answer->outcome = GATEWAY_UNKNOWN;
        /* A stored answer comes again for ever. */
        if (!question->is_query && stripe_was_replayed(reply))
            reading->next = STRIPE_SEARCH;
        return;
    case STRIPE_ERROR_DECLINED:
        return read_card_error(question, error, reading);
    case STRIPE_ERROR_LATER:
        answer->outcome = GATEWAY_NOT_SENT;
        return;
    case STRIPE_ERROR_IN_USE:
        answer->outcome = GATEWAY_IN_FLIGHT;
        return;
    case STRIPE_ERROR_OTHER_REQUEST:
        answer->outcome = GATEWAY_UNKNOWN;
        if (!question->is_query)
            reading->next = STRIPE_SEARCH;
        return;
    case STRIPE_ERROR_STATE:
        answer->outcome = GATEWAY_FAILED;
        answer->decline_code = refusal(question, error);
        if (!question->is_query && acts_on_another(question->request))
            fetch(reading, question->request->transaction);
        return;
    case STRIPE_ERROR_REQUEST:
        answer->outcome = question->is_query ? GATEWAY_UNKNOWN : GATEWAY_FAILED;
        answer->decline_code = refusal(question, error);
        answer->is_no_transaction = question->is_query && reply->status == 404;
        return;
    }
}

void stripe_read(const struct stripe_question *question, const struct http_exchange_reply *reply,
                 struct stripe_reading *reading)
{
    begin(reading);
    switch (reply->result) {
    case HTTP_NOT_SENT:
    case HTTP_FORBIDDEN:
        return conclude(reading, GATEWAY_NOT_SENT, reply->problem);
    case HTTP_UNKNOWN:
        return conclude(reading, GATEWAY_UNKNOWN, reply->problem);
    case HTTP_ANSWERED:
        break;
    }
    if (reply->status == 200)
        return read_success(question, reply, reading);
    read_error(question, reply, reading);
}
