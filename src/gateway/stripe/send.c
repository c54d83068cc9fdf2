/*
 * Asking Stripe to do something, once, and asking what it did.
 *
 *   charge, authorize   POST a confirmed PaymentIntent with metadata[attempt_id]
 *   capture             POST …/capture, which notes who captured how much: several captures of
 *                       one intent are told apart by it
 *   void                POST …/cancel; a state that forbids it is looked at
 *   refund              POST /v1/refunds with metadata[attempt_id]
 *
 * What an answer leaves open and Stripe can tell now (a replayed 500, a refund on its way) is
 * looked up at once; the rest is the resolver's.
 */

#include "gateway/stripe/errand.h"

#include "base/bug.h"
#include "base/text.h"
#include "gateway/stripe/amount.h"
#include "gateway/stripe/answer.h"
#include "gateway/stripe/decline.h"

#define PAGE_SIZE 30
#define PAGES_MAX 10

/* "cus_…/pm_…", as describe() made it. */
static bool read_token(struct arena *arena, const char *token, const char **customer,
                       const char **method)
{
    const char *slash = token == NULL ? NULL : strchr(token, '/');

    if (slash == NULL)
        return false;
    *customer = arena_strndup(arena, token, (size_t)(slash - token));
    *method = slash + 1;
    return stripe_is_id(*customer, "cus_") && stripe_is_id(*method, "pm_");
}

static void add_amount(struct stripe_form *form, const char *name, int64_t units,
                       const struct money *money)
{
    char currency[4] = "";

    form_add_number(form, name, units);
    for (int i = 0; money != NULL && i < 3; i++)
        currency[i] = (char)(money->currency[i] - 'A' + 'a');
    if (money != NULL)
        form_add(form, "currency", currency);
}

static void add_metadata(struct stripe_form *form, const struct gateway_request *request)
{
    form_add(form, "metadata[" STRIPE_REFERENCE "]", request->reference);
    if (request->payment != NULL && request->payment[0] != '\0')
        form_add(form, "metadata[" STRIPE_PAYMENT "]", request->payment);
    if (request->customer != NULL && request->customer[0] != '\0')
        form_add(form, "metadata[" STRIPE_CUSTOMER "]", request->customer);
}

static const char *intent_path(struct arena *arena, const char *intent, const char *verb)
{
    return arena_printf(arena, "/v1/payment_intents/%s%s", intent, verb);
}

static const char *get_path(const struct stripe_question *question, const char *id)
{
    return question->request->operation == GATEWAY_REFUND
               ? arena_printf(question->arena, "/v1/refunds/%s", id)
               : intent_path(question->arena, id, "");
}

static void fetch(const struct errand *errand, struct stripe_question *question, const char *id,
                  struct http_exchange_reply *reply)
{
    struct stripe_form form = {.arena = errand->arena};

    if (question->request->operation != GATEWAY_REFUND)
        form_add(&form, "expand[0]", "latest_charge");
    errand_get(errand, get_path(question, id), &form, reply);
}

/* How the object stands now. */
static void look(const struct errand *errand, struct stripe_question *question, const char *id,
                 struct stripe_reading *reading)
{
    struct http_exchange_reply reply;

    question->is_query = true;
    fetch(errand, question, id, &reply);
    stripe_read(question, &reply, reading);
}

/* ---- Looking for what has no id yet ---- */

struct page {
    bool is_read; /* false: nothing can be said */
    bool has_more;
    bool found;
    const char *last; /* id of the last element */
};

static void read_page(const struct stripe_question *question,
                      const struct http_exchange_reply *reply, struct page *page,
                      struct stripe_reading *reading)
{
    AUTO(stripe_json_release) json_t *body = NULL;
    const json_t *element;
    size_t index;

    *page = (struct page){.last = ""};
    stripe_read(question, reply, reading); /* what it is when it is no list */
    if (reply->result != HTTP_ANSWERED || reply->status != 200)
        return;
    body = stripe_json(reply->body, reply->body_size);
    const json_t *data = json_object_get(body, "data");
    page->is_read = json_is_array(data) && json_is_boolean(json_object_get(body, "has_more"));
    page->has_more = stripe_flag(body, "has_more");
    json_array_foreach(data, index, element)
    {
        const json_t *metadata = stripe_object(element, "metadata");
        page->last = arena_strdup(question->arena, stripe_text(element, "id"));
        if (!text_equal(stripe_text(metadata, STRIPE_REFERENCE), question->request->reference))
            continue;
        page->found = true;
        stripe_read_object(question, element, reading);
        return;
    }
}

static void conclude(struct stripe_reading *reading, enum gateway_outcome outcome,
                     const char *evidence)
{
    *reading =
        (struct stripe_reading){.answer = gateway_answer_plain(outcome, evidence), .object = ""};
}

/* Lists are up to date at once; nothing in all of them means that nothing was done. */
static void list(const struct errand *errand, const struct stripe_question *question,
                 const char *path, const char *field, const char *value,
                 struct stripe_reading *reading)
{
    struct page page = {.last = ""};

    for (int pages = 0; pages < PAGES_MAX; pages++) {
        struct stripe_form form = {.arena = errand->arena};
        struct http_exchange_reply reply;
        form_add(&form, field, value);
        form_add_number(&form, "limit", PAGE_SIZE);
        if (page.last[0] != '\0')
            form_add(&form, "starting_after", page.last);
        errand_get(errand, path, &form, &reply);
        read_page(question, &reply, &page, reading);
        if (page.found || !page.is_read)
            return;
        if (!page.has_more)
            return conclude(reading, GATEWAY_FAILED, "queried: never executed");
        if (page.last[0] == '\0')
            return conclude(reading, GATEWAY_UNKNOWN, "queried: there is more, and no way to it");
    }
    conclude(reading, GATEWAY_UNKNOWN, "queried: not among the newest");
}

/* The search is quicker than the list of a customer of many years, but a minute behind. */
static bool search(const struct errand *errand, const struct stripe_question *question,
                   struct stripe_reading *reading)
{
    struct stripe_form form = {.arena = errand->arena};
    struct http_exchange_reply reply;
    struct page page;

    form_add(&form, "query",
             arena_printf(errand->arena, "metadata['" STRIPE_REFERENCE "']:'%s'",
                          question->request->reference));
    form_add(&form, "limit", "1");
    errand_get(errand, "/v1/payment_intents/search", &form, &reply);
    read_page(question, &reply, &page, reading);
    return page.found;
}

static void find(const struct errand *errand, struct stripe_question *question,
                 struct stripe_reading *reading)
{
    const struct gateway_request *request = question->request;
    const char *customer;
    const char *method;

    question->is_query = true;
    switch (request->operation) {
    case GATEWAY_CHARGE:
    case GATEWAY_AUTHORIZE:
        if (stripe_is_id(request->transaction, "pi_"))
            return look(errand, question, request->transaction, reading);
        if (search(errand, question, reading))
            return;
        /* Only the card tells whose list is whole; what the search lacks may be there all the same.
         */
        if (!read_token(errand->arena, request->token, &customer, &method))
            return conclude(reading, GATEWAY_UNKNOWN,
                            "queried: not found, and the card is forgotten");
        list(errand, question, "/v1/payment_intents", "customer", customer, reading);
        return;
    case GATEWAY_CAPTURE:
    case GATEWAY_VOID:
        return look(errand, question, request->transaction, reading);
    case GATEWAY_REFUND:
        return list(errand, question, "/v1/refunds", "payment_intent", request->transaction,
                    reading);
    case GATEWAY_OPERATION_COUNT:
        break;
    }
}

/* ---- Doing ---- */

static void post_intent(const struct errand *errand, const struct gateway_request *request,
                        int64_t units, struct http_exchange_reply *reply)
{
    struct stripe_form form = {.arena = errand->arena};
    const char *customer = "";
    const char *method = "";

    if (!read_token(errand->arena, request->token, &customer, &method))
        bug("stripe: a token that was not looked at");
    add_amount(&form, "amount", units, &request->amount);
    form_add(&form, "customer", customer);
    form_add(&form, "payment_method", method);
    form_add(&form, "payment_method_types[0]", "card");
    form_add(&form, "confirm", "true");
    if (request->operation == GATEWAY_AUTHORIZE) {
        form_add(&form, "capture_method", "manual");
        form_add(&form, "payment_method_options[card][request_multicapture]", "if_available");
    } else {
        form_add(&form, "capture_method", "automatic");
    }
    if (request->off_session)
        form_add(&form, "off_session", "true");
    else if (errand->stripe->return_url[0] != '\0')
        form_add(&form, "return_url", errand->stripe->return_url);
    add_metadata(&form, request);
    form_add(&form, "expand[0]", "latest_charge");
    errand_post(errand, "/v1/payment_intents", &form, request->idempotency_key, reply);
}

static void post_refund(const struct errand *errand, const struct gateway_request *request,
                        int64_t units, struct http_exchange_reply *reply)
{
    struct stripe_form form = {.arena = errand->arena};

    form_add(&form, "payment_intent", request->transaction);
    add_amount(&form, "amount", units, NULL);
    add_metadata(&form, request);
    errand_post(errand, "/v1/refunds", &form, request->idempotency_key, reply);
}

static void post_cancel(const struct errand *errand, const struct gateway_request *request,
                        struct http_exchange_reply *reply)
{
    const struct stripe_form form = {.arena = errand->arena};

    errand_post(errand, intent_path(errand->arena, request->transaction, "/cancel"), &form,
                request->idempotency_key, reply);
}

static void post_capture(const struct errand *errand, const struct gateway_request *request,
                         int64_t units, struct http_exchange_reply *reply)
{
    struct stripe_form form = {.arena = errand->arena};
    const char *note = stripe_capture_note(errand->arena, request->reference);

    add_amount(&form, "amount_to_capture", units, NULL);
    if (!request->final)
        form_add(&form, "final_capture", "false");
    form_add_number(&form, arena_printf(errand->arena, "metadata[%s]", note), units);
    errand_post(errand, intent_path(errand->arena, request->transaction, "/capture"), &form,
                request->idempotency_key, reply);
}

static void send(const struct errand *errand, struct stripe_question *question, int64_t units,
                 struct stripe_reading *reading)
{
    const struct gateway_request *request = question->request;
    struct http_exchange_reply reply;

    switch (request->operation) {
    case GATEWAY_CHARGE:
    case GATEWAY_AUTHORIZE:
        post_intent(errand, request, units, &reply);
        break;
    case GATEWAY_CAPTURE:
        post_capture(errand, request, units, &reply);
        break;
    case GATEWAY_VOID:
        post_cancel(errand, request, &reply);
        break;
    case GATEWAY_REFUND:
        post_refund(errand, request, units, &reply);
        break;
    case GATEWAY_OPERATION_COUNT:
        return;
    }
    stripe_read(question, &reply, reading);
}

static bool pays(const struct gateway_request *request)
{
    return request->operation == GATEWAY_CHARGE || request->operation == GATEWAY_AUTHORIZE;
}

/* What has no place in a request to Stripe, whenever it is made.  NULL: nothing. */
static const char *misshapen(const struct gateway_request *request, int64_t *units)
{
    if (!stripe_amount(request->amount, units))
        return "Stripe does not take this amount of this currency";
    if (!pays(request) && !stripe_is_id(request->transaction, "pi_"))
        return "the transaction is not Stripe's";
    return NULL;
}

/* Refused before Stripe is asked: as what it does not take itself, no decline of a bank. */
static struct gateway_answer untaken(const struct gateway_request *request, const char *code,
                                     const char *why)
{
    struct gateway_answer answer = gateway_answer_plain(GATEWAY_FAILED, why);

    if (pays(request))
        answer.decline_code = stripe_request_decline(code);
    return answer;
}

/* After a reply that says nothing, "never executed" may be true of the next moment only. */
static void find_after_send(const struct errand *errand, struct stripe_question *question,
                            struct stripe_reading *reading)
{
    find(errand, question, reading);
    if (reading->answer.outcome == GATEWAY_FAILED)
        conclude(reading, GATEWAY_UNKNOWN, "a stored error, and nothing found");
}

/* A request under way. */
struct attempt {
    struct gateway_request request; /* whole: without texts that are NULL */
    struct errand errand;
    struct stripe_question question;
    int64_t units;
};

/* False: `answer` says what is wrong with the request.  The attempt must not move in memory. */
static bool attempt_begin(struct attempt *attempt, const struct gateway *gateway, struct call *call,
                          const struct gateway_request *request, struct gateway_answer *answer)
{
    const struct stripe *stripe = gateway->state;

    attempt->request = *request;
    if (request->transaction == NULL)
        attempt->request.transaction = "";
    attempt->errand = errand_begin(stripe, call);
    attempt->question = (struct stripe_question){
        .request = &attempt->request,
        .arena = call->arena,
        .is_live = stripe->is_live,
    };
    const char *wrong = misshapen(&attempt->request, &attempt->units);
    if (wrong != NULL)
        *answer = untaken(request, "invalid_charge_amount", wrong);
    return wrong == NULL;
}

void stripe_send(const struct gateway *gateway, struct call *call,
                 const struct gateway_request *request, struct gateway_answer *answer)
{
    struct attempt attempt;
    struct stripe_reading reading;
    const char *customer;
    const char *method;

    if (!attempt_begin(&attempt, gateway, call, request, answer))
        return;
    if (pays(request) && !read_token(call->arena, request->token, &customer, &method)) {
        /* A card is forgotten when it is deleted; what was sent with it before may have arrived. */
        *answer = request->token == NULL || request->token[0] == '\0'
                      ? gateway_answer_plain(GATEWAY_UNKNOWN, "the card is forgotten")
                      : untaken(request, "", "the token is not Stripe's");
        return;
    }
    send(&attempt.errand, &attempt.question, attempt.units, &reading);
    switch (reading.next) {
    case STRIPE_DONE:
        break;
    case STRIPE_FETCH:
        look(&attempt.errand, &attempt.question, reading.object, &reading);
        break;
    case STRIPE_SEARCH:
        find_after_send(&attempt.errand, &attempt.question, &reading);
        break;
    }
    *answer = reading.answer;
}

void stripe_query(const struct gateway *gateway, struct call *call,
                  const struct gateway_request *request, struct gateway_answer *answer)
{
    struct attempt attempt;
    struct stripe_reading reading;

    if (!attempt_begin(&attempt, gateway, call, request, answer))
        return;
    find(&attempt.errand, &attempt.question, &reading);
    *answer = reading.answer;
}
