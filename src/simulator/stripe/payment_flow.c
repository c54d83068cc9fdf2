/*
 * What becomes of a PaymentIntent once it is confirmed.
 *
 *   requires_confirmation ─ challenge? ─► requires_action ─ passed ─┐
 *            │ no                               │ failed            │
 *            ▼                                  ▼                   ▼
 *   charge: approved ─► succeeded, or requires_capture when captured by hand
 *           declined ─► requires_payment_method: the same intent, another try
 */

#include "simulator/stripe/internal.h"

#define AUTHORIZED_US (7 * US_PER_DAY)

/* Back to where another method can be tried, with the error in the intent. */
static void fail_payment(struct stripe_call *call, json_t *intent, json_t *error)
{
    const json_t *method = tx_load(call->tx, "payment_method", text_of(intent, "payment_method"));

    if (method != NULL)
        json_object_set_new(error, "payment_method", stripe_show(method));
    json_object_set_new(intent, "last_payment_error", error);
    set_text(intent, "status", "requires_payment_method");
    set_text(intent, "payment_method", NULL);
    set_text(intent, "next_action", NULL);
    tx_change(call->tx, intent);
    stripe_event(call, "payment_intent.payment_failed", intent);
}

/* Used without a customer, a method is used up; with one it may be kept for later. */
static void keep_method(struct stripe_call *call, const json_t *intent)
{
    json_t *method = tx_load(call->tx, "payment_method", text_of(intent, "payment_method"));
    const char *usage = text_of(intent, "setup_future_usage");
    const char *customer = text_of(intent, "customer");

    if (usage[0] != '\0' && customer[0] != '\0' && text_of(method, "customer")[0] == '\0')
        (void)stripe_method_attach(call, method, customer);
    if (text_equal(usage, "off_session"))
        set_truth(method, "_set_up", true);
    if (text_of(method, "customer")[0] == '\0')
        set_truth(method, "_consumed", true);
    tx_change(call->tx, method);
}

static void approve_payment(struct stripe_call *call, json_t *intent, const json_t *charge)
{
    int64_t amount = number_of(intent, "amount");
    const struct stripe_card *card = stripe_card_of(charge);

    keep_method(call, intent);
    set_text(intent, "next_action", NULL);
    set_text(intent, "last_payment_error", NULL);
    tx_change(call->tx, intent);
    if (text_equal(text_of(intent, "capture_method"), "manual")) {
        set_text(intent, "status", "requires_capture");
        set_number(intent, "amount_capturable", amount);
        stripe_event(call, "payment_intent.amount_capturable_updated", intent);
        simulator_add_task(call->simulator, call->tx, "stripe", call->tx->now_us + AUTHORIZED_US,
                           "expire", text_of(intent, "id"));
        return;
    }
    set_text(intent, "status", "succeeded");
    set_number(intent, "amount_received", amount);
    stripe_event(call, "payment_intent.succeeded", intent);
    if (card->dispute != DISPUTE_NEVER)
        stripe_later(call, "dispute", text_of(charge, "id"));
}

/* Asks the bank.  NULL: approved; else the decline code, and the intent says so. */
static const char *take_payment(struct stripe_call *call, json_t *intent, const char *decline_code,
                                const char *authenticated)
{
    json_t *charge = stripe_charge(call, intent, decline_code, authenticated);

    if (decline_code == NULL)
        approve_payment(call, intent, charge);
    else
        fail_payment(call, intent, stripe_decline_error(decline_code, text_of(charge, "id")));
    return decline_code;
}

/* The caller asks for 3-D Secure although the card does not. */
static bool is_wished(const json_t *intent)
{
    const json_t *options = json_object_get(intent, "payment_method_options");

    return word_in(text_of(json_object_get(options, "card"), "request_three_d_secure"),
                   "any challenge");
}

static bool is_challenged(const json_t *intent, const json_t *method, bool is_off_session)
{
    switch (stripe_card_of(method)->challenge) {
    case CHALLENGE_NEVER:
    case CHALLENGE_FRICTIONLESS:
    case CHALLENGE_BROKEN:
    case CHALLENGE_WISH_BROKEN:
        return false;
    case CHALLENGE_UNLESS_SET_UP:
        return !is_off_session || !truth_of(method, "_set_up");
    case CHALLENGE_ALWAYS:
        return true;
    case CHALLENGE_ON_SESSION:
        return !is_off_session;
    case CHALLENGE_ON_WISH:
        return is_wished(intent);
    }
    return false;
}

static const char *decline_of(const struct stripe_card *card, const json_t *intent)
{
    bool is_broken = card->challenge == CHALLENGE_BROKEN ||
                     (card->challenge == CHALLENGE_WISH_BROKEN && is_wished(intent));

    return is_broken ? "processing_error" : card->decline_code;
}

/* off_session is a boolean, or one of three words that mean yes. */
static bool read_off_session(struct stripe_call *call, bool *is_off_session)
{
    const char *given = param_text(call, "off_session");

    if (given != NULL && word_in(given, "one_off recurring")) {
        *is_off_session = true;
        return true;
    }
    return param_boolean(call, "off_session", is_off_session);
}

static json_t *refuse_state(struct stripe_call *call, const json_t *intent)
{
    stripe_refuse(call, 400, "payment_intent_unexpected_state", "payment_intent",
                  "You cannot confirm this PaymentIntent because it has a status of %s.",
                  text_of(intent, "status"));
    json_object_set_new(call->error, "payment_intent", stripe_show(intent));
    return NULL;
}

json_t *stripe_payment_confirm(struct stripe_call *call, json_t *intent)
{
    const json_t *method = tx_load(call->tx, "payment_method", text_of(intent, "payment_method"));
    bool is_off_session = false;
    bool refuses_action = false;

    if (!word_in(text_of(intent, "status"),
                 "requires_payment_method requires_confirmation requires_action"))
        return refuse_state(call, intent);
    if (method == NULL)
        return stripe_refuse(call, 400, "payment_intent_unexpected_state", "payment_method",
                             "You cannot confirm this PaymentIntent because it's missing a payment "
                             "method. You can either update the PaymentIntent with a payment "
                             "method and then confirm it again, or confirm it again directly with "
                             "a payment method.");
    if (!read_off_session(call, &is_off_session) ||
        !param_boolean(call, "error_on_requires_action", &refuses_action))
        return NULL;
    const struct stripe_card *card = stripe_card_of(method);
    const char *decline = decline_of(card, intent);
    const char *authenticated = card->challenge == CHALLENGE_FRICTIONLESS ? "frictionless" : NULL;
    if (is_challenged(intent, method, is_off_session)) {
        if (!is_off_session && !refuses_action) {
            stripe_challenge(call, intent);
            set_text(intent, "status", "requires_action");
            tx_change(call->tx, intent);
            stripe_event(call, "payment_intent.requires_action", intent);
            return intent;
        }
        decline = "authentication_required";
    }
    decline = take_payment(call, intent, decline, authenticated);
    if (decline == NULL)
        return intent;
    return stripe_decline_answer(call, decline, text_of(intent, "latest_charge"), "payment_intent",
                                 intent);
}

void stripe_payment_challenged(struct stripe_call *call, json_t *intent, bool is_passed)
{
    const json_t *method = tx_load(call->tx, "payment_method", text_of(intent, "payment_method"));

    if (is_passed) {
        (void)take_payment(call, intent, decline_of(stripe_card_of(method), intent), "challenge");
        return;
    }
    json_t *error = json_pack("{s:s, s:s, s:s}", "type", "invalid_request_error", "code",
                              "payment_intent_authentication_failure", "message",
                              "The provided PaymentMethod has failed authentication. You can "
                              "provide payment_method_data or a new PaymentMethod to attempt to "
                              "fulfill this PaymentIntent again.");
    fail_payment(call, intent, error);
}

void stripe_expire_authorization(struct stripe_call *call, json_t *intent)
{
    json_t *charge = tx_load(call->tx, "charge", text_of(intent, "latest_charge"));

    if (!text_equal(text_of(intent, "status"), "requires_capture"))
        return;
    if (number_of(charge, "amount_captured") == 0) {
        set_truth(charge, "refunded", true);
        set_number(charge, "amount_refunded", number_of(charge, "amount"));
        tx_change(call->tx, charge);
    }
    set_text(intent, "status", number_of(intent, "amount_received") > 0 ? "succeeded" : "canceled");
    if (number_of(intent, "amount_received") == 0) {
        set_number(intent, "canceled_at", call->now_s);
        set_text(intent, "cancellation_reason", "automatic");
    }
    set_number(intent, "amount_capturable", 0);
    tx_change(call->tx, intent);
    stripe_event(call, "charge.expired", charge);
    if (text_equal(text_of(intent, "status"), "canceled"))
        stripe_event(call, "payment_intent.canceled", intent);
}
