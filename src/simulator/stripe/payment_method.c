/*
 * Payment methods: made from test cards by number, token or alias, attached to customers.  A card's
 * number is never kept; its alias is.
 */

#include <stdio.h>

#include "crypto/secrets.h"
#include "simulator/stripe/internal.h"

#define ALIAS_PREFIX  "pm_card_"
#define TOKEN_PREFIX  "tok_"
#define ADDRESS_WORDS "city country line1 line2 postal_code state"

const struct stripe_card *stripe_card_of(const json_t *object)
{
    const char *alias = text_of(object, "_card");

    return alias[0] == '\0' ? NULL : stripe_card_by_alias(alias);
}

static int64_t year_of(int64_t now_s)
{
    char text[TIME_TEXT_SIZE];

    time_format(now_s * US_PER_SECOND, text);
    return strtoll(text, NULL, 10);
}

/* The same card has the same fingerprint, in every payment method. */
static const char *fingerprint_of(struct arena *arena, const struct stripe_card *card)
{
    uint8_t hash[SHA256_SIZE];
    char hex[2 * SHA256_SIZE + 1];

    sha256(card->number, strlen(card->number), hash);
    hex_encode(hash, sizeof hash, hex);
    return arena_strndup(arena, hex, 16);
}

static json_t *make(struct stripe_call *call, const struct stripe_card *card, int64_t month,
                    int64_t year)
{
    json_t *method = stripe_new(call, TEMPLATE_PAYMENT_METHOD);
    json_t *shown = json_object_get(method, "card");

    set_text(method, "_card", card->alias);
    set_text(shown, "brand", card->brand);
    set_text(shown, "display_brand", card->brand);
    set_text(shown, "funding", card->funding);
    set_text(shown, "last4", card->number + strlen(card->number) - 4);
    set_text(shown, "fingerprint", fingerprint_of(call->arena, card));
    set_number(shown, "exp_month", month);
    set_number(shown, "exp_year", year);
    json_array_append_new(json_object_get(json_object_get(shown, "networks"), "available"),
                          json_string(card->brand));
    return method;
}

static json_t *make_from_alias(struct stripe_call *call, const char *alias, const char *id)
{
    const struct stripe_card *card = stripe_card_by_alias(alias);

    if (card == NULL)
        return stripe_not_found(call, "payment_method", id);
    return make(call, card, 12, year_of(call->now_s) + 1);
}

/* A mistake in the card's data, as the real one says it: 402, and nothing was made. */
static json_t *refuse_card(struct stripe_call *call, const char *code, const char *param,
                           const char *message)
{
    stripe_refuse(call, 402, code, param, "%s", message);
    set_text(call->error, "type", "card_error");
    return NULL;
}

static json_t *make_from_number(struct stripe_call *call, const char *path, const char *number)
{
    struct arena *arena = call->arena;
    const struct stripe_card *card = stripe_card_by_number(number);
    const char *cvc = param_text(call, arena_printf(arena, "%scard.cvc", path));
    int64_t month = 0;
    int64_t year = 0;

    if (!param_integer(call, arena_printf(arena, "%scard.exp_month", path), &month) ||
        !param_integer(call, arena_printf(arena, "%scard.exp_year", path), &year))
        return NULL;
    if (year > 0 && year < 100)
        year += 2000;
    if (!stripe_luhn(number))
        return refuse_card(call, "incorrect_number", "number", "Your card number is incorrect.");
    if (month < 1 || month > 12)
        return refuse_card(call, "invalid_expiry_month", "exp_month",
                           "Your card's expiration month is invalid.");
    if (year < year_of(call->now_s) || year > year_of(call->now_s) + 50)
        return refuse_card(call, "invalid_expiry_year", "exp_year",
                           "Your card's expiration year is invalid.");
    if (cvc != NULL &&
        (strspn(cvc, "0123456789") != strlen(cvc) || strlen(cvc) < 3 || strlen(cvc) > 4))
        return refuse_card(call, "invalid_cvc", "cvc", "Your card's security code is invalid.");
    if (card == NULL) {
        stripe_decline_answer(call, "test_mode_live_card", NULL, NULL, NULL);
        call->counts = false;
        return NULL;
    }
    return make(call, card, month, year);
}

static bool take_billing(struct stripe_call *call, json_t *method, const char *path)
{
    json_t *billing = json_object_get(method, "billing_details");
    const char *below = arena_printf(call->arena, "%sbilling_details", path);

    return param_nested(call, method, "billing_details", below, "email name phone") &&
           param_nested(call, billing, "address", arena_printf(call->arena, "%s.address", below),
                        ADDRESS_WORDS);
}

json_t *stripe_method_make(struct stripe_call *call, const char *path)
{
    const char *type = param_text(call, arena_printf(call->arena, "%stype", path));
    const char *number = param_text(call, arena_printf(call->arena, "%scard.number", path));
    const char *token = param_text(call, arena_printf(call->arena, "%scard.token", path));
    json_t *method;

    if (type == NULL)
        return stripe_missing(call, arena_printf(call->arena, "%stype", path));
    if (!text_equal(type, "card"))
        return stripe_refuse(call, 400, NULL, "type", "The simulator knows cards only, not %.40s",
                             type);
    if (number != NULL)
        method = make_from_number(call, path, number);
    else if (token != NULL && text_starts_with(token, TOKEN_PREFIX))
        method = make_from_alias(call, token + strlen(TOKEN_PREFIX), token);
    else
        return stripe_missing(call, "card");
    if (method == NULL || !take_billing(call, method, path))
        return NULL;
    return method;
}

json_t *stripe_create_method(struct stripe_call *call)
{
    json_t *method = stripe_method_make(call, "");

    if (method == NULL || !param_metadata(call, method) ||
        !param_choice(call, "allow_redisplay", "always limited unspecified"))
        return NULL;
    return method;
}

json_t *stripe_update_method(struct stripe_call *call)
{
    json_t *method = stripe_load(call, "payment_method", call->id);
    json_t *card = json_object_get(method, "card");

    if (method == NULL)
        return NULL;
    if (text_of(method, "customer")[0] == '\0')
        return stripe_refuse(call, 400, NULL, NULL,
                             "You must save this PaymentMethod to a customer before you can "
                             "update it.");
    int64_t month = number_of(card, "exp_month");
    int64_t year = number_of(card, "exp_year");
    if (!param_integer(call, "card.exp_month", &month) ||
        !param_integer(call, "card.exp_year", &year) || !take_billing(call, method, "") ||
        !param_metadata(call, method))
        return NULL;
    if (month < 1 || month > 12 || year < year_of(call->now_s))
        return refuse_card(call, "invalid_expiry_year", "exp_year",
                           "Your card's expiration is invalid.");
    set_number(card, "exp_month", month);
    set_number(card, "exp_year", year);
    tx_change(call->tx, method);
    stripe_event(call, "payment_method.updated", method);
    return method;
}

bool stripe_method_attach(struct stripe_call *call, json_t *method, const char *customer)
{
    const struct stripe_card *card = stripe_card_of(method);
    const char *attached = text_of(method, "customer");

    if (text_equal(attached, customer))
        return true;
    if (attached[0] != '\0' || truth_of(method, "_consumed")) {
        stripe_refuse(call, 400, attached[0] != '\0' ? "payment_method_already_attached" : NULL,
                      NULL,
                      attached[0] != '\0'
                          ? "The payment method you provided has already been attached to a "
                            "customer."
                          : "This PaymentMethod was previously used without being attached to a "
                            "Customer or was detached from a Customer, and may not be used again.");
        return false;
    }
    if (card->decline_code != NULL && !card->attaches) {
        stripe_decline_answer(call, card->decline_code, NULL, NULL, NULL);
        return false;
    }
    set_text(method, "customer", customer);
    json_t *checks = json_object_get(json_object_get(method, "card"), "checks");
    set_text(checks, "cvc_check", card->cvc_check == NULL ? "pass" : card->cvc_check);
    tx_change(call->tx, method);
    stripe_event(call, "payment_method.attached", method);
    return true;
}

json_t *stripe_attach_method(struct stripe_call *call)
{
    const char *customer = param_text(call, "customer");
    json_t *method;

    if (customer == NULL)
        return stripe_missing(call, "customer");
    if (text_starts_with(call->id, ALIAS_PREFIX))
        method = make_from_alias(call, call->id + strlen(ALIAS_PREFIX), call->id);
    else
        method = stripe_load(call, "payment_method", call->id);
    if (method == NULL || stripe_load(call, "customer", customer) == NULL ||
        !stripe_method_attach(call, method, customer))
        return NULL;
    return method;
}

json_t *stripe_detach_method(struct stripe_call *call)
{
    json_t *method = stripe_load(call, "payment_method", call->id);

    if (method == NULL)
        return NULL;
    if (text_of(method, "customer")[0] == '\0')
        return stripe_refuse(call, 400, NULL, NULL,
                             "The payment method you provided is not attached to a customer so "
                             "detachment is impossible.");
    set_text(method, "customer", NULL);
    set_truth(method, "_consumed", true);
    tx_change(call->tx, method);
    stripe_event(call, "payment_method.detached", method);
    return method;
}

/* May the intent use it? */
static bool fits_intent(struct stripe_call *call, const json_t *method, const json_t *intent)
{
    const char *owner = text_of(method, "customer");
    const char *customer = text_of(intent, "customer");

    if (owner[0] != '\0' && customer[0] == '\0')
        stripe_refuse(call, 400, NULL, "payment_method",
                      "The payment method you provided is attached to a customer so for security "
                      "purposes you must provide the customer in the request.");
    else if (owner[0] != '\0' && !text_equal(owner, customer))
        stripe_refuse(call, 400, NULL, "payment_method",
                      "The provided PaymentMethod belongs to a different Customer.");
    else if (owner[0] == '\0' && truth_of(method, "_consumed"))
        stripe_refuse(call, 400, NULL, "payment_method",
                      "The provided PaymentMethod was previously used with a PaymentIntent without "
                      "Customer attachment, shared with a connected account without Customer "
                      "attachment, or was detached from a Customer. It may not be used again. To "
                      "use a PaymentMethod multiple times, you must attach it to a Customer "
                      "first.");
    else
        return true;
    return false;
}

json_t *stripe_method_given(struct stripe_call *call, const json_t *intent)
{
    const char *id = param_text(call, "payment_method");
    json_t *method = NULL;

    if (param_is_given(call, "payment_method_data"))
        method = stripe_method_make(call, "payment_method_data.");
    else if (id != NULL && text_starts_with(id, ALIAS_PREFIX))
        method = make_from_alias(call, id + strlen(ALIAS_PREFIX), id);
    else if (id != NULL && id[0] != '\0')
        method = stripe_load(call, "payment_method", id);
    return method != NULL && fits_intent(call, method, intent) ? method : NULL;
}
