/*
 * CreateRefund returns money of a payment, all that is left or a part.
 *
 * The amount is reserved on the payment in the same commit that arms the attempt, so that racing
 * refunds never return more than was captured.  Otherwise it goes as CreatePayment: what is not
 * known is PENDING.
 */

#include "payment/payment_internal.h"

#include <inttypes.h>

#include "payment/payment_proto.h"
#include "pg/replay.h"

typedef Dues__Payment__V1__CreateRefundRequest Request;
typedef Dues__Payment__V1__Refund Reply;

struct intent {
    struct uuid ids[2]; /* customer, payment */
    struct money amount;
    bool has_amount; /* else all that is left */
    const char *reason;
};

static const struct error *validate(struct call *call, const Request *req, struct intent *intent)
{
    struct field_errors errors = {.call = call};

    *intent = (struct intent){.reason = ""};
    check_owned_name(&errors, "parent", req->parent, PAYMENT_PATTERN, intent->ids, 2);
    if (req->refund != NULL)
        intent->reason = refund_reason_name(req->refund->reason);
    if (req->refund != NULL && req->refund->amount != NULL) {
        const Dues__Type__V1__Money *amount = req->refund->amount;
        intent->has_amount = true;
        check_money(&errors, "refund.amount", true, amount->currency_code, amount->minor_units,
                    &intent->amount);
    }
    return field_errors_result(&errors);
}

/* A bank has what would be given back, or wants it: it would be given twice. */
static struct error *disputed(struct call *call, const struct payment *payment)
{
    return error_with(call->arena,
                      refuse(call, STATUS_FAILED_PRECONDITION, "PAYMENT_NOT_REFUNDABLE",
                             "the payment is disputed, and nothing beyond that is left to refund"),
                      "disputed_minor_units", "%" PRId64, payment->disputed_minor);
}

static struct error *exceeds(struct call *call, const struct payment *payment)
{
    int64_t left = payment_refundable(payment);

    return error_with(call->arena,
                      refuse(call, STATUS_FAILED_PRECONDITION, "REFUND_EXCEEDS_CAPTURE",
                             "%" PRId64 " minor units are left to refund", left),
                      "refundable_minor_units", "%" PRId64, left);
}

static const struct error *check_refundable(struct call *call, const struct payment *payment,
                                            const struct intent *intent)
{
    int64_t left = payment_refundable(payment);

    if (payment->state == PAYMENT_REQUIRES_CAPTURE)
        return refuse(call, STATUS_FAILED_PRECONDITION, "PAYMENT_NOT_REFUNDABLE",
                      "payment is REQUIRES_CAPTURE: capture what is still held or let go of it,"
                      " then return what was captured");
    if (payment->state != PAYMENT_SUCCEEDED)
        return refuse(call, STATUS_FAILED_PRECONDITION, "PAYMENT_NOT_REFUNDABLE", "payment is %s",
                      payment_state_name(payment->state));
    if (intent->has_amount && !money_same_currency(intent->amount, payment->amount))
        return refuse(call, STATUS_INVALID_ARGUMENT, "CURRENCY_MISMATCH", "payment was made in %s",
                      payment->amount.currency);
    if (left == 0 && payment->disputed_minor > 0)
        return disputed(call, payment);
    if (left == 0)
        return refuse(call, STATUS_FAILED_PRECONDITION, "PAYMENT_NOT_REFUNDABLE",
                      "all of the payment is refunded already or being refunded");
    if (intent->has_amount && intent->amount.minor_units > left)
        return exceeds(call, payment);
    return NULL;
}

static const struct error *answer_as_it_stands(struct call *call, const struct intent *intent,
                                               struct uuid id, Reply *reply)
{
    struct refund refund;
    bool answered;

    TRY(attempt_await(call, intent->ids[0], intent->ids[1], id, &answered));
    if (answered)
        return NULL;
    TRY(refund_load(call, intent->ids[0], intent->ids[1], id, &refund));
    /* Settled between two looks: its answer was recorded in the same commit. */
    if (refund.state != REFUND_PENDING)
        TRY(replay_find(call, intent->ids[0], &answered, NULL));
    if (!answered)
        refund_to_proto(call->arena, &refund, reply);
    return NULL;
}

static const struct error *give_back(struct call *call, struct refund *refund,
                                     const struct refund_attempt *attempt, Reply *reply)
{
    struct gateway_answer answer;

    refund_send(call, refund, attempt, &answer);
    TRY(refund_settle(call, attempt, &answer, refund));
    refund_to_proto(call->arena, refund, reply);
    return NULL;
}

static const struct error *refund_now(struct call *call, const struct intent *intent,
                                      const struct payment *payment, Reply *reply)
{
    struct customer customer;
    struct refund_attempt attempt;
    enum refund_recorded recorded;
    struct uuid first;

    TRY(customer_load(call, intent->ids[0], &customer));
    struct refund refund = {
        .customer = customer.id,
        .payment = payment->id,
        .id = uuid_make(call->house->random, call->now_us),
        .amount = intent->has_amount
                      ? intent->amount
                      : money_make(payment->amount.currency, payment_refundable(payment)),
        .reason = intent->reason,
        .state = REFUND_PENDING,
        .failure_code = "",
        .create_time_us = customer.now_us,
        .update_time_us = customer.now_us,
    };
    TRY(refund_prepare(call, &refund, &attempt));
    TRY(refund_record(call, &refund, &attempt, &recorded, &first));
    switch (recorded) {
    case REFUND_RECORDED:
        return give_back(call, &refund, &attempt, reply);
    case REFUND_RUNNING:
        return answer_as_it_stands(call, intent, first, reply);
    case REFUND_EXCEEDS: {
        struct payment present;
        TRY(payment_load(call, intent->ids[0], intent->ids[1], &present));
        return exceeds(call, &present);
    }
    case REFUND_REPLAYED:
        break;
    }
    return NULL;
}

const struct error *create_refund(struct call *call, const void *request, void *reply)
{
    const Request *req = request;
    struct payment payment;
    struct intent intent;
    struct uuid first;
    bool replayed;

    TRY(validate(call, req, &intent));
    TRY(owner_check(call, intent.ids[0], "PAYMENT_NOT_FOUND", req->parent));
    /* Before the request is looked for: what its twin has reserved since may not refuse it. */
    TRY(payment_load(call, intent.ids[0], intent.ids[1], &payment));
    TRY(replay_find(call, intent.ids[0], &replayed, &first));
    if (replayed)
        return NULL;
    if (!uuid_is_nil(first))
        return answer_as_it_stands(call, &intent, first, reply);
    TRY(check_refundable(call, &payment, &intent));
    return refund_now(call, &intent, &payment, reply);
}
