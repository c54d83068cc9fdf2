/*
 * CapturePayment takes what an authorization holds, all that is left or a part.
 *
 * The amount is reserved on the payment in the same commit that arms the attempt, so that racing
 * captures never take more than was authorized.  Otherwise it goes as CreatePayment; what is not
 * known yet shows as amount_capture_pending.
 */

#include "payment/payment_internal.h"

#include <inttypes.h>

#include "payment/payment_proto.h"
#include "pg/replay.h"

typedef Dues__Payment__V1__CapturePaymentRequest Request;
typedef Dues__Payment__V1__Payment Reply;

struct intent {
    struct uuid ids[2]; /* customer, payment */
    struct money amount;
    bool has_amount; /* else all that is left */
    bool is_final;
};

static const struct error *validate(struct call *call, const Request *req, struct intent *intent)
{
    struct field_errors errors = {.call = call};

    *intent = (struct intent){.is_final = req->final_capture};
    check_owned_name(&errors, "name", req->name, PAYMENT_PATTERN, intent->ids, 2);
    if (req->amount != NULL) {
        intent->has_amount = true;
        check_money(&errors, "amount", true, req->amount->currency_code, req->amount->minor_units,
                    &intent->amount);
    }
    return field_errors_result(&errors);
}

static const struct error *exceeds(struct call *call, const struct payment *payment)
{
    int64_t left = payment->capturable_minor;

    return error_with(call->arena,
                      refuse(call, STATUS_FAILED_PRECONDITION, "CAPTURE_EXCEEDS_AUTHORIZATION",
                             "%" PRId64 " minor units are left to capture", left),
                      "capturable_minor_units", "%" PRId64, left);
}

static const struct error *check_capturable(struct call *call, const struct payment *payment,
                                            const void *wish)
{
    const struct intent *intent = wish;

    if (payment->state != PAYMENT_REQUIRES_CAPTURE)
        return refuse(call, STATUS_FAILED_PRECONDITION, "PAYMENT_NOT_CAPTURABLE", "payment is %s",
                      payment_state_name(payment->state));
    if (intent->has_amount && !money_same_currency(intent->amount, payment->amount))
        return refuse(call, STATUS_INVALID_ARGUMENT, "CURRENCY_MISMATCH", "payment was made in %s",
                      payment->amount.currency);
    if (payment->capturable_minor == 0 || (intent->is_final && payment->capture_pending_minor > 0))
        return capture_in_progress(call);
    if (intent->has_amount && intent->amount.minor_units > payment->capturable_minor)
        return exceeds(call, payment);
    return NULL;
}

static const struct error *refused(struct call *call, const struct gateway_answer *answer,
                                   const struct payment *payment)
{
    if (answer->is_hold_gone)
        return refuse(call, STATUS_FAILED_PRECONDITION, "PAYMENT_NOT_CAPTURABLE",
                      "the gateway holds nothing any more, payment is %s",
                      payment_state_name(payment->state));
    const char *code = answer->decline_code[0] == '\0' ? "unknown" : answer->decline_code;

    return error_with(call->arena,
                      refuse(call, STATUS_FAILED_PRECONDITION, "CAPTURE_DECLINED",
                             "the gateway did not capture: %s", code),
                      "decline_code", "%s", code);
}

static const struct error *capture_now(struct call *call, const struct intent *intent,
                                       const struct payment *payment, Reply *reply)
{
    const struct capture_rules rules = {
        .check = check_capturable,
        .intent = intent,
        .refused = refused,
    };
    struct customer customer;

    TRY(customer_load(call, payment->customer, &customer));
    struct capture capture = {
        .operation = GATEWAY_CAPTURE,
        .amount = intent->has_amount
                      ? intent->amount
                      : money_make(payment->amount.currency, payment->capturable_minor),
        .now_us = customer.now_us,
    };
    /* The last of it ends the authorization, said or not. */
    capture.is_final =
        intent->is_final || (capture.amount.minor_units == payment->capturable_minor &&
                             payment->capture_pending_minor == 0);
    TRY(capture_prepare(call, payment, &capture));
    return capture_run(call, &capture, &rules, reply);
}

const struct error *capture_payment(struct call *call, const void *request, void *reply)
{
    const Request *req = request;
    struct payment payment;
    struct intent intent;
    struct uuid first;
    bool replayed;

    TRY(validate(call, req, &intent));
    TRY(owner_check(call, intent.ids[0], "PAYMENT_NOT_FOUND", req->name));
    /* Before the request is looked for: what its twin has reserved since may not refuse it. */
    TRY(payment_load(call, intent.ids[0], intent.ids[1], &payment));
    TRY(replay_find(call, intent.ids[0], &replayed, &first));
    if (replayed)
        return NULL;
    if (!uuid_is_nil(first))
        return capture_as_it_stands(call, intent.ids[0], first, reply);
    TRY(check_capturable(call, &payment, &intent));
    return capture_now(call, &intent, &payment, reply);
}
