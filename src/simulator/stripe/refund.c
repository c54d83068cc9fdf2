/*
 * Refunds: at once, after a while, or taken back by the bank after they had succeeded.
 */

#include <inttypes.h>

#include "simulator/stripe/internal.h"

static void set_refunded(struct stripe_call *call, json_t *charge, int64_t more)
{
    int64_t refunded = number_of(charge, "amount_refunded") + more;

    set_number(charge, "amount_refunded", refunded);
    set_truth(charge, "refunded", refunded == number_of(charge, "amount_captured"));
    tx_change(call->tx, charge);
}

/* The charge that is meant, by itself or by its intent.  NULL: the error is set. */
static json_t *charge_given(struct stripe_call *call)
{
    const char *charge = param_text(call, "charge");
    const char *intent_id = param_text(call, "payment_intent");

    if (charge == NULL && intent_id == NULL)
        return stripe_refuse(call, 400, "parameter_missing", "payment_intent",
                             "One of the following params should be provided for this request: "
                             "payment_intent or charge.");
    if (charge == NULL) {
        const json_t *intent = stripe_load(call, "payment_intent", intent_id);
        if (intent == NULL)
            return NULL;
        charge = text_of(intent, "latest_charge");
        if (charge[0] == '\0')
            return stripe_refuse(call, 400, "payment_intent_unexpected_state", "payment_intent",
                                 "This PaymentIntent (%s) does not have a successful charge to "
                                 "refund.",
                                 intent_id);
    }
    return stripe_load(call, "charge", charge);
}

/* What can still go back. */
static int64_t left_of(const json_t *charge)
{
    return number_of(charge, "amount_captured") - number_of(charge, "amount_refunded");
}

static bool is_refundable(struct stripe_call *call, const json_t *charge)
{
    const char *id = text_of(charge, "id");

    if (!truth_of(charge, "paid") || !truth_of(charge, "captured"))
        stripe_refuse(call, 400, "charge_not_refundable", NULL,
                      "Charge %s was not captured: there is nothing to refund.", id);
    else if (truth_of(charge, "disputed") && !truth_of(charge, "_refundable"))
        stripe_refuse(call, 400, "charge_disputed", NULL,
                      "Charge %s has been charged back; cannot issue a refund.", id);
    else if (left_of(charge) <= 0)
        stripe_refuse(call, 400, "charge_already_refunded", NULL,
                      "Charge %s has already been refunded.", id);
    else
        return true;
    return false;
}

/* The books, the charge and the events of money that goes back. */
static void give_back(struct stripe_call *call, json_t *refund, json_t *charge)
{
    int64_t amount = number_of(refund, "amount");

    set_refunded(call, charge, amount);
    set_text(refund, "balance_transaction",
             stripe_balance_add(call, "refund", -amount, 0, refund, "REFUND FOR CHARGE"));
}

json_t *stripe_create_refund(struct stripe_call *call)
{
    json_t *charge = charge_given(call);

    if (charge == NULL || !is_refundable(call, charge) ||
        !param_choice(call, "reason", "duplicate fraudulent requested_by_customer"))
        return NULL;
    const struct stripe_card *card = stripe_card_of(charge);
    int64_t left = left_of(charge);
    int64_t amount = left;
    if (!param_integer(call, "amount", &amount))
        return NULL;
    if (amount < 1 || amount > left)
        return stripe_refuse(call, 400, amount < 1 ? "parameter_invalid_integer" : NULL, "amount",
                             "Refund amount (%" PRId64 ") is greater than unrefunded amount on "
                             "charge (%" PRId64 "), or less than 1",
                             amount, left);
    json_t *refund = stripe_new(call, TEMPLATE_REFUND);
    set_text(refund, "_card", text_of(charge, "_card"));
    set_number(refund, "amount", amount);
    set_text(refund, "currency", text_of(charge, "currency"));
    set_text(refund, "charge", text_of(charge, "id"));
    set_text(refund, "payment_intent", text_of(charge, "payment_intent"));
    set_text(refund, "reason", param_text(call, "reason"));
    if (!param_metadata(call, refund))
        return NULL;
    give_back(call, refund, charge);
    if (card->refund == REFUND_PENDING) {
        set_text(refund, "status", "pending");
        set_text(refund, "pending_reason", "processing");
        stripe_later(call, "refund.succeeded", text_of(refund, "id"));
    } else if (card->refund == REFUND_FAILS) {
        stripe_later(call, "refund.failed", text_of(refund, "id"));
    }
    stripe_event(call, "refund.created", refund);
    stripe_event(call, "charge.refunded", charge);
    return refund;
}

void stripe_settle_refund(struct stripe_call *call, json_t *refund, const char *status)
{
    json_t *charge = tx_load(call->tx, "charge", text_of(refund, "charge"));
    int64_t amount = number_of(refund, "amount");

    if (word_in(text_of(refund, "status"), "failed canceled"))
        return;
    set_text(refund, "status", status);
    json_object_del(refund, "pending_reason");
    if (text_equal(status, "failed")) {
        set_refunded(call, charge, -amount);
        set_text(refund, "failure_reason", "expired_or_canceled_card");
        set_text(refund, "failure_balance_transaction",
                 stripe_balance_add(call, "refund_failure", amount, 0, refund,
                                    "REFUND FAILURE FOR CHARGE"));
    }
    tx_change(call->tx, refund);
    stripe_event(call, "refund.updated", refund);
    if (text_equal(status, "failed"))
        stripe_event(call, "refund.failed", refund);
    stripe_event(call, "charge.refund.updated", refund);
}

json_t *stripe_update_refund(struct stripe_call *call)
{
    json_t *refund = stripe_load(call, "refund", call->id);

    if (refund == NULL || !param_metadata(call, refund))
        return NULL;
    tx_change(call->tx, refund);
    stripe_event(call, "refund.updated", refund);
    return refund;
}

json_t *stripe_cancel_refund(struct stripe_call *call)
{
    const json_t *refund = stripe_load(call, "refund", call->id);

    if (refund == NULL)
        return NULL;
    return stripe_refuse(call, 400, NULL, NULL,
                         "Refund %s cannot be canceled because its status is %s.", call->id,
                         text_of(refund, "status"));
}
