/*
 * Disputes: the bank takes the money back, we give evidence, the bank decides.  Evidence of
 * "winning_evidence" wins, "losing_evidence" loses, anything else stays under review.
 */

#include "simulator/stripe/internal.h"

#define DISPUTE_FEE 1500
#define DUE_S       (9 * 24 * 3600)
#define EVIDENCE                                                                                   \
    "access_activity_log billing_address cancellation_policy cancellation_policy_disclosure "      \
    "cancellation_rebuttal customer_communication customer_email_address customer_name "           \
    "customer_purchase_ip customer_signature duplicate_charge_documentation "                      \
    "duplicate_charge_explanation duplicate_charge_id product_description receipt refund_policy "  \
    "refund_policy_disclosure refund_refusal_explanation service_date service_documentation "      \
    "shipping_address shipping_carrier shipping_date shipping_documentation "                      \
    "shipping_tracking_number uncategorized_file uncategorized_text"

static bool is_inquiry(const json_t *dispute)
{
    return truth_of(dispute, "_inquiry");
}

/* Moves the money of the dispute; the entry is shown in it as it is. */
static void move_money(struct stripe_call *call, json_t *dispute, int64_t amount, int64_t fee,
                       const char *event)
{
    const char *id =
        stripe_balance_add(call, "adjustment", amount, fee, dispute,
                           amount < 0 ? "Chargeback withdrawal" : "Chargeback reversal");

    json_array_append_new(json_object_get(dispute, "balance_transactions"),
                          stripe_show(tx_load(call->tx, "balance_transaction", id)));
    tx_change(call->tx, dispute);
    stripe_event(call, event, dispute);
}

static void open_one(struct stripe_call *call, json_t *charge, int64_t amount)
{
    const struct stripe_card *card = stripe_card_of(charge);
    json_t *dispute = stripe_new(call, TEMPLATE_DISPUTE);
    json_t *shown = json_object_get(json_object_get(dispute, "payment_method_details"), "card");

    set_text(dispute, "_card", card->alias);
    set_number(dispute, "amount", amount);
    set_text(dispute, "currency", text_of(charge, "currency"));
    set_text(dispute, "charge", text_of(charge, "id"));
    set_text(dispute, "payment_intent", text_of(charge, "payment_intent"));
    set_text(dispute, "reason",
             card->dispute == DISPUTE_NOT_RECEIVED ? "product_not_received" : "fraudulent");
    set_text(shown, "brand", card->brand);
    set_text(shown, "network", card->brand);
    set_number(json_object_get(dispute, "evidence_details"), "due_by", call->now_s + DUE_S);
    set_truth(charge, "disputed", true);
    if (card->dispute == DISPUTE_INQUIRY) {
        set_truth(dispute, "_inquiry", true);
        set_truth(dispute, "is_charge_refundable", true);
        set_truth(charge, "_refundable", true);
        set_text(shown, "case_type", "inquiry");
        set_text(dispute, "status", "warning_needs_response");
    }
    tx_change(call->tx, charge);
    stripe_event(call, "charge.dispute.created", dispute);
    if (!is_inquiry(dispute))
        move_money(call, dispute, -amount, DISPUTE_FEE, "charge.dispute.funds_withdrawn");
}

void stripe_open_dispute(struct stripe_call *call, json_t *charge)
{
    const struct stripe_card *card = stripe_card_of(charge);
    int64_t amount = number_of(charge, "amount_captured");

    if (card->dispute == DISPUTE_WARNING) {
        json_t *warning = stripe_new(call, TEMPLATE_WARNING);
        set_text(warning, "charge", text_of(charge, "id"));
        set_text(warning, "payment_intent", text_of(charge, "payment_intent"));
        stripe_event(call, "radar.early_fraud_warning.created", warning);
    } else if (card->dispute == DISPUTE_TWICE) {
        open_one(call, charge, amount / 2);
        open_one(call, charge, amount - amount / 2);
    } else {
        open_one(call, charge, amount);
    }
}

static bool is_open(const json_t *dispute)
{
    return word_in(text_of(dispute, "status"), "needs_response under_review "
                                               "warning_needs_response warning_under_review");
}

static json_t *refuse_closed(struct stripe_call *call, const json_t *dispute)
{
    return stripe_refuse(call, 400, NULL, NULL, "This dispute is already closed: it is %s.",
                         text_of(dispute, "status"));
}

void stripe_decide_dispute(struct stripe_call *call, json_t *dispute)
{
    const json_t *evidence = json_object_get(dispute, "evidence");
    const char *text = text_of(evidence, "uncategorized_text");
    bool is_won = text_equal(text, "winning_evidence");

    if (!is_open(dispute) || !word_in(text, "winning_evidence losing_evidence"))
        return;
    if (is_inquiry(dispute))
        set_text(dispute, "status", "warning_closed");
    else
        set_text(dispute, "status", is_won ? "won" : "lost");
    tx_change(call->tx, dispute);
    if (is_won && !is_inquiry(dispute))
        move_money(call, dispute, number_of(dispute, "amount"), 0,
                   "charge.dispute.funds_reinstated");
    stripe_event(call, "charge.dispute.closed", dispute);
}

static void submit(struct stripe_call *call, json_t *dispute)
{
    json_t *details = json_object_get(dispute, "evidence_details");

    set_number(details, "submission_count", number_of(details, "submission_count") + 1);
    set_text(dispute, "status", is_inquiry(dispute) ? "warning_under_review" : "under_review");
    stripe_later(call, "dispute.decide", text_of(dispute, "id"));
}

json_t *stripe_update_dispute(struct stripe_call *call)
{
    json_t *dispute = stripe_load(call, "dispute", call->id);
    bool submits = true;

    if (dispute == NULL || !param_boolean(call, "submit", &submits) ||
        !param_metadata(call, dispute))
        return NULL;
    if (param_is_given(call, "evidence")) {
        if (!is_open(dispute))
            return refuse_closed(call, dispute);
        if (!param_nested(call, dispute, "evidence", "evidence", EVIDENCE))
            return NULL;
        set_truth(json_object_get(dispute, "evidence_details"), "has_evidence", true);
        if (submits)
            submit(call, dispute);
    }
    tx_change(call->tx, dispute);
    stripe_event(call, "charge.dispute.updated", dispute);
    return dispute;
}

json_t *stripe_close_dispute(struct stripe_call *call)
{
    json_t *dispute = stripe_load(call, "dispute", call->id);

    if (dispute == NULL)
        return NULL;
    if (!is_open(dispute))
        return refuse_closed(call, dispute);
    set_text(dispute, "status", is_inquiry(dispute) ? "warning_closed" : "lost");
    tx_change(call->tx, dispute);
    stripe_event(call, "charge.dispute.closed", dispute);
    return dispute;
}
