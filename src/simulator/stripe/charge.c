/*
 * Charges: what one try to take the money came to.
 */

#include "simulator/stripe/internal.h"

#define AUTHORIZED_S (7 * 24 * 3600)

static json_t *outcome_of(const struct stripe_card *card, const char *decline_code)
{
    const char *risk = card->risk_level == NULL ? "normal" : card->risk_level;
    int score = text_equal(risk, "highest") ? 92 : text_equal(risk, "elevated") ? 68 : 12;
    json_t *outcome = json_pack("{s:n, s:n, s:n, s:s, s:n, s:s, s:i, s:s, s:s}", "advice_code",
                                "network_advice_code", "network_decline_code", "network_status",
                                "approved_by_network", "reason", "risk_level", risk, "risk_score",
                                score, "seller_message", "Payment complete.", "type", "authorized");

    if (decline_code == NULL)
        return outcome;
    struct stripe_decline decline = stripe_decline_of(decline_code);
    set_text(outcome, "type", card->is_blocked ? "blocked" : "issuer_declined");
    set_text(outcome, "network_status",
             card->is_blocked ? "not_sent_to_network" : "declined_by_network");
    set_text(outcome, "reason", card->is_blocked ? "highest_risk_level" : decline_code);
    set_text(outcome, "seller_message",
             card->is_blocked ? "Stripe blocked this payment as too risky."
                              : "The bank did not return any further details with this decline.");
    set_text(outcome, "advice_code", decline.advice);
    set_text(outcome, "network_decline_code", decline.network_code);
    if (decline.network_code != NULL)
        set_text(outcome, "network_advice_code", "02");
    return outcome;
}

static json_t *details_of(struct stripe_call *call, const json_t *intent, const json_t *method,
                          const char *authenticated)
{
    const struct stripe_card *card = stripe_card_of(method);
    const json_t *shown = json_object_get(method, "card");
    json_t *checks = json_pack("{s:s?, s:s?, s:s}", "address_line1_check", card->line1_check,
                               "address_postal_code_check", card->zip_check, "cvc_check",
                               card->cvc_check == NULL ? "pass" : card->cvc_check);
    json_t *details = json_pack(
        "{s:I, s:s, s:s, s:o, s:s, s:O, s:O, s:s, s:s, s:n, s:s, s:n, s:s, s:n, s:s, s:n, s:n}",
        "amount_authorized", (json_int_t)number_of(intent, "amount"), "authorization_code",
        "123456", "brand", card->brand, "checks", checks, "country", "US", "exp_month",
        json_object_get(shown, "exp_month"), "exp_year", json_object_get(shown, "exp_year"),
        "fingerprint", text_of(shown, "fingerprint"), "funding", card->funding, "installments",
        "last4", text_of(shown, "last4"), "mandate", "network", card->brand, "network_token",
        "network_transaction_id", simulator_id(call->simulator, call->arena, "", 15),
        "three_d_secure", "wallet");

    if (authenticated != NULL)
        json_object_set_new(details, "three_d_secure",
                            json_pack("{s:s, s:s, s:s, s:s, s:n, s:s, s:s}", "authentication_flow",
                                      authenticated, "electronic_commerce_indicator", "05",
                                      "exemption_indicator", "none", "result", "authenticated",
                                      "result_reason", "transaction_id",
                                      "00000000-0000-4000-8000-000000000000", "version", "2.2.0"));
    if (text_equal(text_of(intent, "capture_method"), "manual"))
        set_number(details, "capture_before", call->now_s + AUTHORIZED_S);
    return json_pack("{s:o, s:s}", "card", details, "type", "card");
}

static void copy_members(json_t *charge, const json_t *intent)
{
    static const char *const members[] = {
        "amount",        "currency",       "customer",
        "description",   "metadata",       "shipping",
        "receipt_email", "transfer_group", "statement_descriptor_suffix"};

    for (size_t i = 0; i < ARRAY_LENGTH(members); i++)
        json_object_set_new(charge, members[i],
                            json_deep_copy(json_object_get(intent, members[i])));
}

/* The bank takes a moment for what is captured asynchronously: the fee is known later. */
static void take_money(struct stripe_call *call, json_t *charge, const json_t *intent)
{
    int64_t amount = number_of(charge, "amount");

    set_truth(charge, "captured", true);
    set_number(charge, "amount_captured", amount);
    if (text_equal(text_of(intent, "capture_method"), "automatic_async"))
        stripe_later(call, "balance", text_of(charge, "id"));
    else
        set_text(charge, "balance_transaction",
                 stripe_balance_add(call, "charge", amount, stripe_fee(amount), charge,
                                    json_string_value(json_object_get(charge, "description"))));
}

json_t *stripe_charge(struct stripe_call *call, json_t *intent, const char *decline_code,
                      const char *authenticated)
{
    json_t *charge = stripe_new(call, TEMPLATE_CHARGE);
    const json_t *method = tx_load(call->tx, "payment_method", text_of(intent, "payment_method"));
    const struct stripe_card *card = stripe_card_of(method);
    bool is_manual = text_equal(text_of(intent, "capture_method"), "manual");

    copy_members(charge, intent);
    set_text(charge, "_card", card->alias);
    set_text(charge, "payment_intent", text_of(intent, "id"));
    set_text(charge, "payment_method", text_of(method, "id"));
    json_object_set_new(charge, "billing_details",
                        json_deep_copy(json_object_get(method, "billing_details")));
    json_object_set_new(charge, "outcome", outcome_of(card, decline_code));
    json_object_set_new(charge, "payment_method_details",
                        details_of(call, intent, method, authenticated));
    set_text(intent, "latest_charge", text_of(charge, "id"));
    if (decline_code != NULL) {
        struct stripe_decline decline = stripe_decline_of(decline_code);
        set_text(charge, "status", "failed");
        set_text(charge, "failure_code", decline.code);
        set_text(charge, "failure_message", decline.message);
        stripe_event(call, "charge.failed", charge);
        return charge;
    }
    set_truth(charge, "paid", true);
    if (!is_manual)
        take_money(call, charge, intent);
    stripe_event(call, "charge.succeeded", charge);
    return charge;
}

void stripe_charge_capture(struct stripe_call *call, json_t *charge, int64_t amount)
{
    set_truth(charge, "captured", true);
    set_number(charge, "amount_captured", number_of(charge, "amount_captured") + amount);
    set_text(charge, "balance_transaction",
             stripe_balance_add(call, "charge", amount, stripe_fee(amount), charge,
                                json_string_value(json_object_get(charge, "description"))));
    tx_change(call->tx, charge);
    stripe_event(call, "charge.captured", charge);
}

json_t *stripe_update_charge(struct stripe_call *call)
{
    json_t *charge = stripe_load(call, "charge", call->id);

    if (charge == NULL || !param_copy(call, charge, "description receipt_email transfer_group"))
        return NULL;
    tx_change(call->tx, charge);
    stripe_event(call, "charge.updated", charge);
    return charge;
}
