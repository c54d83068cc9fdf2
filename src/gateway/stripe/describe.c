/*
 * From the form's token to something that can be charged for years: a Stripe customer for each
 * payment method, and a SetupIntent, with which the bank agrees to later charges.  A card whose
 * bank wants to see its owner first is only attached; the owner is asked with the first payment.
 *
 * A PaymentMethod that belongs to a Stripe customer already is taken only if that one was made for
 * our customer: an id alone proves nothing.
 */

#include "gateway/stripe/errand.h"

#include "base/check.h"
#include "base/random.h"
#include "base/text.h"
#include "crypto/secrets.h"
#include "gateway/stripe/answer.h"
#include "gateway/stripe/error_reply.h"
#include "gateway/stripe/json.h"

#define TOKEN_FIELD     "payment_method.gateway_token"
#define RETRY_MS        5000
#define KEY_BYTES       16
#define TURNS_MAX       8
#define EXPIRY_YEAR_MIN 2000
#define EXPIRY_YEAR_MAX 2199

struct description {
    struct errand errand;
    struct call *call;
    const char *customer; /* of ours */
    const char *stripe_customer;
    const char *method;
    char key[2 * KEY_BYTES + 1]; /* what every idempotency key begins with */
};

/*
 * A repeat of the request is the same one to Stripe too.  Its hash alone does not tell whose it is,
 * and a request without a request_id has none and is never a repeat.
 */
static void make_key(struct description *description)
{
    struct call *call = description->call;
    uint8_t hash[SHA256_SIZE];

    if (call->request_id[0] == '\0') {
        random_fill(call->house->random, hash, sizeof hash);
    } else {
        const char *requester = call_requester(call);
        const struct bytes pieces[] = {
            {description->customer, strlen(description->customer)},
            {requester, strlen(requester)},
            {call->request_id, strlen(call->request_id)},
            {call->request_hash, sizeof call->request_hash},
        };
        sha256_pieces(pieces, ARRAY_LENGTH(pieces), hash);
    }
    hex_encode(hash, KEY_BYTES, description->key);
}

static const struct error *refuse_token(struct call *call, const char *what)
{
    struct field_errors errors = {.call = call};

    field_error_add(&errors, TOKEN_FIELD, "%s", what);
    return field_errors_result(&errors);
}

static const struct error *unavailable(struct call *call, const char *cause)
{
    return error_cause(call->arena,
                       error_retry(refuse(call, STATUS_UNAVAILABLE, "GATEWAY_UNAVAILABLE",
                                          "the payment gateway could not be asked"),
                                   RETRY_MS),
                       "stripe: %s", cause);
}

/* What an answer that is no success means for the token. */
static const struct error *refuse_answer(struct call *call, const struct http_exchange_reply *reply)
{
    struct gateway_answer decline;

    if (reply->result != HTTP_ANSWERED)
        return unavailable(call, reply->problem);
    AUTO(stripe_json_release) json_t *body = stripe_json(reply->body, reply->body_size);
    const json_t *error = stripe_object(body, "error");
    if (stripe_error_kind(reply->status, error) == STRIPE_ERROR_DECLINED) {
        stripe_read_decline(call->arena, error, &decline);
        return refuse_token(call,
                            arena_printf(call->arena, "must be a card that its bank accepts: %s",
                                         decline.decline_code));
    }
    if (stripe_reply_outcome(reply, body) == GATEWAY_FAILED)
        return refuse_token(call, "must be a token that the gateway knows");
    return unavailable(call, stripe_error_evidence(call->arena, reply, error));
}

/*
 * A repeated call makes the same things again, that is, none.  A stored 500 would come again for a
 * day: then it is the next key's turn, since what is made twice here costs nobody anything.
 */
static void post(struct description *description, const char *path, const struct stripe_form *form,
                 const char *what, struct http_exchange_reply *reply)
{
    struct arena *arena = description->call->arena;

    for (int turn = 1; turn <= TURNS_MAX; turn++) {
        const char *key = turn == 1 ? arena_printf(arena, "%s-%s", description->key, what)
                                    : arena_printf(arena, "%s-%s-%d", description->key, what, turn);
        errand_post(&description->errand, path, form, key, reply);
        if (reply->result != HTTP_ANSWERED || reply->status < 500 || !stripe_was_replayed(reply))
            return;
    }
}

/* NULL and an error, or one JSON object of this kind. */
static const struct error *expect(struct call *call, const struct http_exchange_reply *reply,
                                  const char *kind, const char *prefix, json_t **object)
{
    if (reply->result != HTTP_ANSWERED || reply->status != 200)
        return refuse_answer(call, reply);
    *object = stripe_json(reply->body, reply->body_size);
    if (*object == NULL || !text_equal(stripe_text(*object, "object"), kind) ||
        !stripe_is_id(stripe_text(*object, "id"), prefix))
        return unavailable(call, "an answer that is something else");
    return NULL;
}

#define LETTERS_AND_DIGITS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_"

static bool is_card_text(const char *text, size_t length_max, const char *allowed)
{
    size_t length = strlen(text);

    return length > 0 && length <= length_max && text[strspn(text, allowed)] == '\0';
}

static const struct error *read_card(struct call *call, const json_t *method,
                                     struct gateway_card *card)
{
    const json_t *details = stripe_object(method, "card");
    const char *brand = stripe_text(details, "brand");
    const char *last4 = stripe_text(details, "last4");
    const char *fingerprint = stripe_text(details, "fingerprint");
    int64_t month;
    int64_t year;

    if (!text_equal(stripe_text(method, "type"), "card"))
        return refuse_token(call, "must be a card");
    if (!stripe_number(details, "exp_month", &month) || month < 1 || month > 12 ||
        !stripe_number(details, "exp_year", &year) || year < EXPIRY_YEAR_MIN ||
        year > EXPIRY_YEAR_MAX || strlen(last4) != sizeof card->last4 - 1 ||
        !is_card_text(last4, sizeof card->last4 - 1, "0123456789"))
        return unavailable(call, "a card without its data");
    *card = (struct gateway_card){.exp_month = (int32_t)month, .exp_year = (int32_t)year};
    snprintf(card->last4, sizeof card->last4, "%s", last4);
    snprintf(card->brand, sizeof card->brand, "%s",
             is_card_text(brand, sizeof card->brand - 1, "abcdefghijklmnopqrstuvwxyz_")
                 ? brand
                 : "unknown");
    /* The same for the same card: tries are counted by it. */
    if (is_card_text(fingerprint, sizeof card->fingerprint - 1, LETTERS_AND_DIGITS))
        snprintf(card->fingerprint, sizeof card->fingerprint, "%s", fingerprint);
    return NULL;
}

static const struct error *check_owner(struct description *description)
{
    struct call *call = description->call;
    const struct stripe_form none = {.arena = call->arena};
    AUTO(stripe_json_release) json_t *customer = NULL;
    struct http_exchange_reply reply;

    errand_get(&description->errand,
               arena_printf(call->arena, "/v1/customers/%s", description->stripe_customer), &none,
               &reply);
    TRY(expect(call, &reply, "customer", "cus_", &customer));
    if (stripe_flag(customer, "deleted") || description->customer[0] == '\0' ||
        !text_equal(stripe_text(stripe_object(customer, "metadata"), STRIPE_CUSTOMER),
                    description->customer))
        return refuse_token(call, "must be a token that the gateway knows");
    return NULL;
}

static const struct error *make_customer(struct description *description)
{
    struct call *call = description->call;
    struct stripe_form form = {.arena = call->arena};
    AUTO(stripe_json_release) json_t *customer = NULL;
    struct http_exchange_reply reply;

    form_add(&form, "metadata[" STRIPE_CUSTOMER "]", description->customer);
    post(description, "/v1/customers", &form, "customer", &reply);
    TRY(expect(call, &reply, "customer", "cus_", &customer));
    description->stripe_customer = arena_strdup(call->arena, stripe_text(customer, "id"));
    return NULL;
}

static const struct error *attach(struct description *description)
{
    struct call *call = description->call;
    struct stripe_form form = {.arena = call->arena};
    AUTO(stripe_json_release) json_t *method = NULL;
    struct http_exchange_reply reply;

    form_add(&form, "customer", description->stripe_customer);
    post(description,
         arena_printf(call->arena, "/v1/payment_methods/%s/attach", description->method), &form,
         "attach", &reply);
    TRY(expect(call, &reply, "payment_method", "pm_", &method));
    if (!text_equal(stripe_reference(method, "customer"), description->stripe_customer))
        return unavailable(call, "attached to another customer");
    description->method = arena_strdup(call->arena, stripe_text(method, "id"));
    return NULL;
}

static const struct error *set_up(struct description *description)
{
    struct call *call = description->call;
    struct stripe_form form = {.arena = call->arena};
    AUTO(stripe_json_release) json_t *intent = NULL;
    struct http_exchange_reply reply;

    form_add(&form, "customer", description->stripe_customer);
    form_add(&form, "payment_method", description->method);
    form_add(&form, "payment_method_types[0]", "card");
    form_add(&form, "usage", "off_session");
    form_add(&form, "confirm", "true");
    post(description, "/v1/setup_intents", &form, "setup", &reply);
    TRY(expect(call, &reply, "setup_intent", "seti_", &intent));
    const char *status = stripe_text(intent, "status");
    const char *method = stripe_reference(intent, "payment_method");
    if (text_equal(status, "requires_action"))
        return attach(description);
    if (!text_equal(status, "succeeded") || !stripe_is_id(method, "pm_") ||
        !text_equal(stripe_reference(intent, "customer"), description->stripe_customer))
        return unavailable(call, "the card could not be set up");
    description->method = arena_strdup(call->arena, method);
    return NULL;
}

/* The method as it stands; `*customer` is whose it is, "" when nobody's. */
static const struct error *load(struct description *description, const char **customer,
                                struct gateway_card *card)
{
    struct call *call = description->call;
    const struct stripe_form none = {.arena = call->arena};
    AUTO(stripe_json_release) json_t *method = NULL;
    struct http_exchange_reply reply;

    errand_get(&description->errand,
               arena_printf(call->arena, "/v1/payment_methods/%s", description->method), &none,
               &reply);
    TRY(expect(call, &reply, "payment_method", "pm_", &method));
    TRY(read_card(call, method, card));
    *customer = arena_strdup(call->arena, stripe_reference(method, "customer"));
    return NULL;
}

static const struct error *adopt(struct description *description, struct gateway_card *card)
{
    const char *customer;

    TRY(make_customer(description));
    TRY(set_up(description));
    TRY(load(description, &customer, card));
    if (!text_equal(customer, description->stripe_customer))
        return unavailable(description->call, "set up for another customer");
    return NULL;
}

/* "pm_card_visa" and its like stand for a new method each time; ids have one underscore. */
static bool is_test_name(const char *token)
{
    return text_starts_with(token, "pm_card_");
}

const struct error *stripe_describe(const struct gateway *gateway, struct call *call,
                                    const char *token, struct gateway_card *card)
{
    struct description description = {
        .errand = errand_begin(gateway->state, call),
        .call = call,
        .customer = call->customer != NULL ? call->customer : "",
        .stripe_customer = "",
        .method = token,
    };

    if (!stripe_is_id(token, "pm_"))
        return refuse_token(call, "must be a token that the gateway knows");
    make_key(&description);
    if (!is_test_name(token))
        TRY(load(&description, &description.stripe_customer, card));
    if (stripe_is_id(description.stripe_customer, "cus_"))
        TRY(check_owner(&description));
    else
        TRY(adopt(&description, card));
    if (snprintf(card->token, sizeof card->token, "%s/%s", description.stripe_customer,
                 description.method) >= (int)sizeof card->token)
        return unavailable(call, "a token that is too long");
    return NULL;
}

const struct error *stripe_look_at_card(const struct gateway *gateway, struct call *call,
                                        const char *token, struct gateway_card *card)
{
    const char *slash = strchr(token, '/');
    struct description description = {
        .errand = errand_begin(gateway->state, call),
        .call = call,
        .method = slash == NULL ? "" : slash + 1,
    };
    const char *customer = "";

    if (!stripe_is_id(description.method, "pm_"))
        return refuse_token(call, "must be a token that the gateway knows");
    TRY(load(&description, &customer, card));
    if (strncmp(customer, token, (size_t)(slash - token)) != 0 ||
        strlen(customer) != (size_t)(slash - token))
        return refuse_token(call, "must be a token that the gateway knows");
    snprintf(card->token, sizeof card->token, "%s", token);
    return NULL;
}
