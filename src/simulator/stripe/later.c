/*
 * What the bank does after a while, each in a step of its own.
 */

#include "simulator/stripe/internal.h"

void stripe_later(struct stripe_call *call, const char *kind, const char *target)
{
    int64_t settle_us = simulator_options(call->simulator)->settle_ms * US_PER_MS;

    simulator_add_task(call->simulator, call->tx, "stripe", call->tx->now_us + settle_us, kind,
                       target);
}

/* The fee of what was captured asynchronously. */
static void settle_balance(struct stripe_call *call, json_t *charge)
{
    int64_t amount = number_of(charge, "amount_captured");

    set_text(charge, "balance_transaction",
             stripe_balance_add(call, "charge", amount, stripe_fee(amount), charge,
                                json_string_value(json_object_get(charge, "description"))));
    tx_change(call->tx, charge);
    stripe_event(call, "charge.updated", charge);
}

void stripe_run_task(struct simulator *simulator, struct tx *tx, const json_t *task)
{
    struct stripe_call call = {
        .simulator = simulator,
        .tx = tx,
        .arena = tx->arena,
        .id = "",
        .now_s = tx->now_us / US_PER_SECOND,
    };
    const char *kind = text_of(task, "kind");
    json_t *target = stripe_load_any(&call, text_of(task, "target"));

    if (target == NULL)
        return;
    if (text_equal(kind, "balance"))
        settle_balance(&call, target);
    else if (text_equal(kind, "refund.succeeded"))
        stripe_settle_refund(&call, target, "succeeded");
    else if (text_equal(kind, "refund.failed"))
        stripe_settle_refund(&call, target, "failed");
    else if (text_equal(kind, "dispute"))
        stripe_open_dispute(&call, target);
    else if (text_equal(kind, "dispute.decide"))
        stripe_decide_dispute(&call, target);
    else if (text_equal(kind, "expire"))
        stripe_expire_authorization(&call, target);
}
