/*
 * The calls of PaymentIntents: create, update, confirm, capture, cancel.
 */

#include <inttypes.h>

#include "simulator/stripe/internal.h"

#define COPIED_PARAMS                                                                              \
    "description receipt_email statement_descriptor_suffix transfer_group statement_descriptor"

static bool take_options(struct stripe_call *call, json_t *intent)
{
    json_t *card = json_object_get(json_object_get(intent, "payment_method_options"), "card");
    const char *secure = param_text(call, "payment_method_options.card.request_three_d_secure");
    const char *several = param_text(call, "payment_method_options.card.request_multicapture");

    if (!param_choice(call, "payment_method_options.card.request_three_d_secure",
                      "any automatic challenge") ||
        !param_choice(call, "payment_method_options.card.request_multicapture",
                      "if_available never"))
        return false;
    if (secure != NULL)
        set_text(card, "request_three_d_secure", secure);
    if (several != NULL) {
        set_text(card, "request_multicapture", several);
        set_truth(intent, "_multicapture", text_equal(several, "if_available"));
    }
    return true;
}

/* The customer, then the method, which must be the customer's. */
static bool take_references(struct stripe_call *call, json_t *intent)
{
    const char *customer = param_text(call, "customer");
    bool wants_method =
        param_is_given(call, "payment_method") || param_is_given(call, "payment_method_data");

    if (customer != NULL && stripe_load(call, "customer", customer) == NULL)
        return false;
    if (customer != NULL)
        set_text(intent, "customer", customer);
    if (!wants_method)
        return true;
    const json_t *method = stripe_method_given(call, intent);
    if (method == NULL)
        return call->error == NULL; /* payment_method="" */
    set_text(intent, "payment_method", text_of(method, "id"));
    if (text_equal(text_of(intent, "status"), "requires_payment_method"))
        set_text(intent, "status", "requires_confirmation");
    return true;
}

static bool take_common(struct stripe_call *call, json_t *intent)
{
    bool is_enabled = false;

    if (!param_choice(call, "setup_future_usage", "off_session on_session") ||
        !param_choice(call, "capture_method", "automatic automatic_async manual") ||
        !param_choice(call, "confirmation_method", "automatic manual") ||
        !param_boolean(call, "automatic_payment_methods.enabled", &is_enabled) ||
        !param_copy(call, intent, COPIED_PARAMS) || !take_options(call, intent))
        return false;
    const char *const words[] = {"setup_future_usage", "capture_method", "confirmation_method"};
    for (size_t i = 0; i < ARRAY_LENGTH(words); i++) {
        if (param_text(call, words[i]) != NULL)
            set_text(intent, words[i], param_text(call, words[i]));
    }
    if (is_enabled)
        json_object_set_new(
            intent, "automatic_payment_methods",
            json_pack("{s:s, s:b}", "allow_redirects",
                      param_text(call, "automatic_payment_methods.allow_redirects") == NULL
                          ? "always"
                          : param_text(call, "automatic_payment_methods."
                                             "allow_redirects"),
                      "enabled", 1));
    if (param_text(call, "return_url") != NULL)
        set_text(intent, "_return_url", param_text(call, "return_url"));
    return take_references(call, intent);
}

static const char *new_client_secret(struct stripe_call *call, const json_t *intent)
{
    return simulator_id(call->simulator, call->arena,
                        arena_printf(call->arena, "%s_secret_", text_of(intent, "id")), 25);
}

json_t *stripe_create_payment(struct stripe_call *call)
{
    int64_t amount;
    const char *currency;
    bool confirms = false;

    if (!param_money(call, &amount, &currency) || !param_boolean(call, "confirm", &confirms))
        return NULL;
    if (!confirms && param_is_given(call, "off_session"))
        return stripe_refuse(call, 400, NULL, "off_session",
                             "You can only set `off_session` with `confirm=true`.");
    json_t *intent = stripe_new(call, TEMPLATE_PAYMENT_INTENT);
    set_text(intent, "client_secret", new_client_secret(call, intent));
    set_number(intent, "amount", amount);
    set_text(intent, "currency", currency);
    set_text(intent, "capture_method", "automatic_async");
    if (!take_common(call, intent))
        return NULL;
    stripe_event(call, "payment_intent.created", intent);
    return confirms ? stripe_payment_confirm(call, intent) : intent;
}

json_t *stripe_update_payment(struct stripe_call *call)
{
    json_t *intent = stripe_load(call, "payment_intent", call->id);

    if (intent == NULL)
        return NULL;
    bool is_open = word_in(text_of(intent, "status"),
                           "requires_payment_method requires_confirmation requires_action");
    int64_t amount = number_of(intent, "amount");
    if (!param_integer(call, "amount", &amount))
        return NULL;
    if (!is_open && (param_is_given(call, "amount") || param_is_given(call, "payment_method")))
        return stripe_refuse(call, 400, "payment_intent_unexpected_state", "payment_intent",
                             "This PaymentIntent could not be updated because it has a status of "
                             "%s.",
                             text_of(intent, "status"));
    if (amount < 1)
        return stripe_refuse(call, 400, "parameter_invalid_integer", "amount",
                             "This value must be greater than or equal to 1.");
    set_number(intent, "amount", amount);
    if (!take_common(call, intent))
        return NULL;
    tx_change(call->tx, intent);
    return intent;
}

json_t *stripe_confirm_payment(struct stripe_call *call)
{
    json_t *intent = stripe_load(call, "payment_intent", call->id);

    if (intent == NULL)
        return NULL;
    /* A closed intent says so before anything else is looked at. */
    if (word_in(text_of(intent, "status"), "succeeded canceled requires_capture processing"))
        return stripe_payment_confirm(call, intent);
    if (!take_common(call, intent))
        return NULL;
    tx_change(call->tx, intent);
    return stripe_payment_confirm(call, intent);
}

static json_t *refuse_capture(struct stripe_call *call, const json_t *intent)
{
    stripe_refuse(call, 400, "payment_intent_unexpected_state", NULL,
                  "This PaymentIntent could not be captured because it has a status of %s. Only a "
                  "PaymentIntent with one of the following statuses may be captured: "
                  "requires_capture.",
                  text_of(intent, "status"));
    json_object_set_new(call->error, "payment_intent", stripe_show(intent));
    return NULL;
}

/* The rest is released. */
static void end_captures(struct stripe_call *call, json_t *intent, json_t *charge)
{
    set_text(intent, "status", "succeeded");
    set_number(intent, "amount_capturable", 0);
    if (stripe_card_of(charge)->dispute != DISPUTE_NEVER)
        stripe_later(call, "dispute", text_of(charge, "id"));
}

json_t *stripe_capture_payment(struct stripe_call *call)
{
    json_t *intent = stripe_load(call, "payment_intent", call->id);
    bool is_final = true;

    if (intent == NULL)
        return NULL;
    if (!text_equal(text_of(intent, "status"), "requires_capture"))
        return refuse_capture(call, intent);
    int64_t left = number_of(intent, "amount_capturable");
    int64_t amount = left;
    if (!param_integer(call, "amount_to_capture", &amount) ||
        !param_boolean(call, "final_capture", &is_final) || !param_metadata(call, intent))
        return NULL;
    if (amount > left || amount < 1)
        return stripe_refuse(
            call, 400, amount < 1 ? "parameter_invalid_integer" : "amount_too_large",
            "amount_to_capture", "The amount to capture is 1 to %" PRId64 " minor units", left);
    if (!is_final && !truth_of(intent, "_multicapture"))
        return stripe_refuse(call, 400, NULL, "final_capture",
                             "final_capture=false needs multicapture, which this PaymentIntent "
                             "does not have.");
    json_t *charge = tx_load(call->tx, "charge", text_of(intent, "latest_charge"));
    set_number(intent, "amount_received", number_of(intent, "amount_received") + amount);
    set_number(intent, "amount_capturable", left - amount);
    if (is_final || amount == left)
        end_captures(call, intent, charge);
    stripe_charge_capture(call, charge, amount);
    tx_change(call->tx, intent);
    stripe_event(call,
                 text_equal(text_of(intent, "status"), "succeeded")
                     ? "payment_intent.succeeded"
                     : "payment_intent.amount_capturable_updated",
                 intent);
    return intent;
}

/* What was authorized and never captured shows as refunded, without a refund. */
static void release(struct stripe_call *call, json_t *charge)
{
    if (number_of(charge, "amount_captured") > 0)
        return;
    set_truth(charge, "refunded", true);
    set_number(charge, "amount_refunded", number_of(charge, "amount"));
    tx_change(call->tx, charge);
}

json_t *stripe_cancel_payment(struct stripe_call *call)
{
    json_t *intent = stripe_load(call, "payment_intent", call->id);
    const char *reason = param_text(call, "cancellation_reason");

    if (intent == NULL || !param_choice(call, "cancellation_reason",
                                        "abandoned duplicate fraudulent requested_by_customer"))
        return NULL;
    if (word_in(text_of(intent, "status"), "succeeded canceled")) {
        stripe_refuse(call, 400, "payment_intent_unexpected_state", NULL,
                      "You cannot cancel this PaymentIntent because it has a status of %s. Only a "
                      "PaymentIntent with one of the following statuses may be canceled: "
                      "requires_payment_method, requires_capture, requires_confirmation, "
                      "requires_action, processing.",
                      text_of(intent, "status"));
        json_object_set_new(call->error, "payment_intent", stripe_show(intent));
        return NULL;
    }
    if (text_equal(text_of(intent, "status"), "requires_capture")) {
        json_t *charge = tx_load(call->tx, "charge", text_of(intent, "latest_charge"));
        release(call, charge);
        stripe_event(call, "charge.refunded", charge);
    }
    set_text(intent, "status", "canceled");
    set_number(intent, "canceled_at", call->now_s);
    set_text(intent, "cancellation_reason", reason);
    set_number(intent, "amount_capturable", 0);
    set_text(intent, "next_action", NULL);
    tx_change(call->tx, intent);
    stripe_event(call, "payment_intent.canceled", intent);
    return intent;
}
