/*
 * SetupIntents: a method is made ready to be charged later, with the challenge of now.
 */

#include "simulator/stripe/internal.h"

static void fail_setup(struct stripe_call *call, json_t *intent, json_t *error)
{
    const json_t *method = tx_load(call->tx, "payment_method", text_of(intent, "payment_method"));

    if (method != NULL)
        json_object_set_new(error, "payment_method", stripe_show(method));
    json_object_set_new(intent, "last_setup_error", error);
    set_text(intent, "status", "requires_payment_method");
    set_text(intent, "payment_method", NULL);
    set_text(intent, "next_action", NULL);
    tx_change(call->tx, intent);
    stripe_event(call, "setup_intent.setup_failed", intent);
}

/* NULL: it worked; else the decline code. */
static const char *set_up(struct stripe_call *call, json_t *intent)
{
    json_t *method = tx_load(call->tx, "payment_method", text_of(intent, "payment_method"));
    const struct stripe_card *card = stripe_card_of(method);
    const char *customer = text_of(intent, "customer");

    if (card->decline_code != NULL && !card->attaches) {
        fail_setup(call, intent, stripe_decline_error(card->decline_code, NULL));
        return card->decline_code;
    }
    if (customer[0] != '\0' && text_of(method, "customer")[0] == '\0')
        (void)stripe_method_attach(call, method, customer);
    if (text_equal(text_of(intent, "usage"), "off_session"))
        set_truth(method, "_set_up", true);
    tx_change(call->tx, method);
    set_text(intent, "status", "succeeded");
    set_text(intent, "next_action", NULL);
    set_text(intent, "last_setup_error", NULL);
    tx_change(call->tx, intent);
    stripe_event(call, "setup_intent.succeeded", intent);
    return NULL;
}

/* Every card that can ask for a challenge does so here, but the one that was set up before. */
static bool is_challenged(const struct stripe_card *card)
{
    return card->challenge == CHALLENGE_ALWAYS || card->challenge == CHALLENGE_UNLESS_SET_UP;
}

json_t *stripe_setup_confirm(struct stripe_call *call, json_t *intent)
{
    const json_t *method = tx_load(call->tx, "payment_method", text_of(intent, "payment_method"));

    if (!word_in(text_of(intent, "status"),
                 "requires_payment_method requires_confirmation requires_action")) {
        stripe_refuse(call, 400, "setup_intent_unexpected_state", NULL,
                      "You cannot confirm this SetupIntent because it has a status of %s.",
                      text_of(intent, "status"));
        json_object_set_new(call->error, "setup_intent", stripe_show(intent));
        return NULL;
    }
    if (method == NULL)
        return stripe_refuse(call, 400, "setup_intent_unexpected_state", "payment_method",
                             "You cannot confirm this SetupIntent because it's missing a payment "
                             "method.");
    if (is_challenged(stripe_card_of(method))) {
        stripe_challenge(call, intent);
        set_text(intent, "status", "requires_action");
        tx_change(call->tx, intent);
        stripe_event(call, "setup_intent.requires_action", intent);
        return intent;
    }
    const char *decline = set_up(call, intent);
    return decline == NULL ? intent
                           : stripe_decline_answer(call, decline, NULL, "setup_intent", intent);
}

void stripe_setup_challenged(struct stripe_call *call, json_t *intent, bool is_passed)
{
    if (is_passed) {
        (void)set_up(call, intent);
        return;
    }
    fail_setup(call, intent,
               json_pack("{s:s, s:s, s:s}", "type", "invalid_request_error", "code",
                         "setup_intent_authentication_failure", "message",
                         "The latest attempt to set up the payment method has failed because "
                         "authentication failed."));
}

static bool take_params(struct stripe_call *call, json_t *intent)
{
    const char *customer = param_text(call, "customer");

    if (!param_copy(call, intent, "description") ||
        !param_choice(call, "usage", "off_session on_session"))
        return false;
    if (param_text(call, "usage") != NULL)
        set_text(intent, "usage", param_text(call, "usage"));
    if (param_text(call, "return_url") != NULL)
        set_text(intent, "_return_url", param_text(call, "return_url"));
    if (customer != NULL && stripe_load(call, "customer", customer) == NULL)
        return false;
    if (customer != NULL)
        set_text(intent, "customer", customer);
    if (!param_is_given(call, "payment_method") && !param_is_given(call, "payment_method_data"))
        return true;
    /* Setting up is how a method comes to its customer: it need not be theirs yet. */
    const json_t *method = stripe_method_given(call, intent);
    if (method == NULL)
        return call->error == NULL;
    set_text(intent, "payment_method", text_of(method, "id"));
    if (text_equal(text_of(intent, "status"), "requires_payment_method"))
        set_text(intent, "status", "requires_confirmation");
    return true;
}

json_t *stripe_create_setup(struct stripe_call *call)
{
    json_t *intent = stripe_new(call, TEMPLATE_SETUP_INTENT);
    bool confirms = false;

    set_text(intent, "client_secret",
             simulator_id(call->simulator, call->arena,
                          arena_printf(call->arena, "%s_secret_", text_of(intent, "id")), 25));
    if (!param_boolean(call, "confirm", &confirms) || !take_params(call, intent))
        return NULL;
    stripe_event(call, "setup_intent.created", intent);
    return confirms ? stripe_setup_confirm(call, intent) : intent;
}

json_t *stripe_update_setup(struct stripe_call *call)
{
    json_t *intent = stripe_load(call, "setup_intent", call->id);

    if (intent == NULL || !take_params(call, intent))
        return NULL;
    tx_change(call->tx, intent);
    return intent;
}

json_t *stripe_confirm_setup(struct stripe_call *call)
{
    json_t *intent = stripe_load(call, "setup_intent", call->id);

    if (intent == NULL || !take_params(call, intent))
        return NULL;
    tx_change(call->tx, intent);
    return stripe_setup_confirm(call, intent);
}

json_t *stripe_cancel_setup(struct stripe_call *call)
{
    json_t *intent = stripe_load(call, "setup_intent", call->id);

    if (intent == NULL ||
        !param_choice(call, "cancellation_reason", "abandoned duplicate requested_by_customer"))
        return NULL;
    if (word_in(text_of(intent, "status"), "succeeded canceled"))
        return stripe_refuse(call, 400, "setup_intent_unexpected_state", NULL,
                             "You cannot cancel this SetupIntent because it has a status of %s.",
                             text_of(intent, "status"));
    set_text(intent, "status", "canceled");
    set_text(intent, "cancellation_reason", param_text(call, "cancellation_reason"));
    set_text(intent, "next_action", NULL);
    tx_change(call->tx, intent);
    stripe_event(call, "setup_intent.canceled", intent);
    return intent;
}
