/*
 * What follows from the payment of an invoice: paid, and the membership begins, is renewed or
 * recovers; declined, and it waits for the next retry.  Entered by whoever sent the charge and,
 * after a crash or an unknown outcome, by the payment's resolver.
 */
#include "membership/settle.h"

#include "membership/membership_proto.h"
#include "payment/payment.h"
#include "payment/payment_measure.h"

/* Changes that may come between reading and writing: cancellations, and nothing more than that. */
#define SETTLE_TRIES_MAX 5

static bool is_definitive(enum gateway_outcome outcome)
{
    switch (outcome) {
    case GATEWAY_SUCCEEDED:
    case GATEWAY_DECLINED:
    case GATEWAY_REQUIRES_ACTION:
    case GATEWAY_FAILED:
        return true;
    case GATEWAY_NOT_SENT:
    case GATEWAY_IN_FLIGHT:
    case GATEWAY_UNKNOWN:
        return false;
    }
    return false;
}

static struct decision decide(struct call *call, const struct membership *membership,
                              const struct invoice *invoice, const struct gateway_answer *answer,
                              int64_t now_us)
{
    const struct settings *settings = call->house->settings;

    if (answer->outcome == GATEWAY_SUCCEEDED)
        return membership_paid(membership, invoice, settings, now_us);
    struct decision decision =
        membership_declined(membership, answer->decline_code, settings, now_us);
    decision.after.network_decline_code = answer->network_decline_code;
    decision.after.advice = answer->advice;
    decision.period = (struct period){invoice->period_start_us, invoice->period_end_us};
    return decision;
}

/* The answer of the CreateMembership that waits for this payment; renewals have no request. */
static struct bytes first_answer(struct call *call, const struct membership *before,
                                 const struct decision *decision, int64_t now_us)
{
    if (before->state != MEMBERSHIP_INCOMPLETE)
        return (struct bytes){NULL, 0};
    struct membership after = decision->after;
    after.update_us = now_us;
    return membership_pack(call->arena, &after);
}

static const struct error *read_known(struct call *call, const struct charge *charge,
                                      struct invoice_known *known)
{
    struct customer customer;

    TRY(customer_load(call, charge->customer, &customer));
    TRY(invoice_load(call, charge->customer, charge->invoice, &known->invoice));
    TRY(membership_load(call, charge->customer, known->invoice.membership, &known->membership));
    known->now_us = customer.now_us;
    return NULL;
}

/* Its result changes the membership: it is on its way, or waits for its customer. */
static bool is_awaited(const struct invoice_known *known, const struct charge *charge)
{
    const struct membership *membership = &known->membership;

    if (uuid_equal(membership->pending_payment, charge->payment))
        return true;
    return charge->is_with_customer && uuid_is_nil(membership->pending_payment) &&
           known->invoice.state == INVOICE_OPEN &&
           uuid_equal(known->invoice.payment, charge->payment);
}

static const struct error *settle_known(struct call *call, const struct charge *charge,
                                        const struct gateway_answer *answer,
                                        const struct invoice_known *known,
                                        enum step_outcome *outcome, struct membership *after)
{
    const struct membership *membership = &known->membership;
    int64_t now_us = known->now_us;

    *after = *membership;
    /* A customer who has not authenticated yet changes nothing. */
    bool is_news = is_definitive(answer->outcome) &&
                   !(charge->is_with_customer && answer->outcome == GATEWAY_REQUIRES_ACTION);
    if (!is_awaited(known, charge) || !is_news)
        return membership_step_settle(call, charge, answer, membership, NULL, INVOICE_OPEN,
                                      (struct bytes){NULL, 0}, now_us, outcome);

    struct decision decision = decide(call, membership, &known->invoice, answer, now_us);
    enum invoice_state state = answer->outcome == GATEWAY_SUCCEEDED ? INVOICE_PAID
                               : decision.open_invoice_ends         ? decision.open_invoice
                                                                    : INVOICE_OPEN;
    struct bytes reply = first_answer(call, membership, &decision, now_us);
    TRY(membership_step_settle(call, charge, answer, membership, &decision, state, reply, now_us,
                               outcome));
    if (*outcome == STEP_DONE) {
        *after = decision.after;
        after->update_us = now_us;
    }
    return NULL;
}

const struct error *invoice_settle(struct call *call, const struct charge *charge,
                                   const struct gateway_answer *answer,
                                   const struct invoice_known *known, struct membership *after)
{
    enum step_outcome outcome = STEP_STALE;
    struct invoice_known read;

    if (known != NULL)
        TRY(settle_known(call, charge, answer, known, &outcome, after));
    for (int i = 0; i < SETTLE_TRIES_MAX && outcome == STEP_STALE; i++) {
        TRY(read_known(call, charge, &read));
        TRY(settle_known(call, charge, answer, &read, &outcome, after));
    }
    if (outcome == STEP_STALE)
        return error_retry(refuse(call, STATUS_ABORTED, "CONCURRENT_CHANGE",
                                  "membership changed while its payment was recorded"),
                           1000);
    if (outcome == STEP_DONE)
        payment_count_settled(call, answer);
    return NULL;
}

static const struct error *settle(struct call *call, const struct charge *charge,
                                  const struct gateway_answer *answer, struct payment *payment)
{
    struct membership after;

    TRY(invoice_settle(call, charge, answer, NULL, &after));
    return payment_load(call, charge->customer, charge->payment, payment);
}

const struct payment_purpose payment_purpose_invoice = {.name = "invoice", .settle = settle};
