/*
 * CreatePayment charges a payment method, or with capture mode MANUAL only authorizes.
 *
 * Intent and "a request may have left" are one commit, because the same fiber goes on to send; from
 * then on the obligation "payment.resolve" finishes what this fiber cannot.  What is not known is
 * answered as PROCESSING, never as FAILED; the definitive answer is recorded with the result and is
 * the same for ever after.  REQUIRES_ACTION is not definitive: a repeat shows how it stands.
 */

#include "payment/payment_internal.h"

#include "payment/payment_proto.h"
#include "pg/replay.h"

typedef Dues__Payment__V1__CreatePaymentRequest Request;
typedef Dues__Payment__V1__Payment Reply;

#define DESCRIPTION_LENGTH_MAX 255

struct intent {
    struct uuid customer;
    struct uuid method_names[2]; /* whose, which */
    struct money amount;
};

static const struct error *validate(struct call *call, const Request *req, struct intent *intent)
{
    struct field_errors errors = {.call = call};
    const Reply *payment = req->payment;

    check_owned_name(&errors, "parent", req->parent, "customers/{}", &intent->customer, 1);
    if (payment == NULL) {
        field_error_add(&errors, "payment", "must be given");
        return field_errors_result(&errors);
    }
    check_money(&errors, "payment.amount", payment->amount != NULL,
                payment->amount == NULL ? "" : payment->amount->currency_code,
                payment->amount == NULL ? 0 : payment->amount->minor_units, &intent->amount);
    check_owned_name(&errors, "payment.payment_method", payment->payment_method,
                     PAYMENT_METHOD_PATTERN, intent->method_names, 2);
    check_text(&errors, "payment.description", payment->description, 0, DESCRIPTION_LENGTH_MAX);
    return field_errors_result(&errors);
}

/* The first request with this id is not answered yet: its answer, or the payment as it stands. */
static const struct error *answer_as_it_stands(struct call *call, struct uuid customer,
                                               struct uuid payment_id, Reply *reply)
{
    struct payment payment;
    bool answered;

    TRY(attempt_await(call, customer, payment_id, UUID_NIL, &answered));
    if (answered)
        return NULL;
    TRY(payment_load(call, customer, payment_id, &payment));
    TRY(payment_action_load(call, &payment));
    /* Settled between two looks: its answer was recorded in the same commit. */
    if (payment.state != PAYMENT_PROCESSING && payment.state != PAYMENT_REQUIRES_ACTION)
        TRY(replay_find(call, customer, &answered, NULL));
    if (!answered)
        payment_to_proto(call->arena, &payment, reply);
    return NULL;
}

static const struct error *prepare(struct call *call, const Request *req,
                                   const struct intent *intent, const struct payment_ground *ground,
                                   struct charge *charge)
{
    if (!uuid_equal(intent->method_names[0], intent->customer) || !ground->has_method)
        return not_found(call, "PAYMENT_METHOD_NOT_FOUND",
                         name_make(call->arena, PAYMENT_METHOD_PATTERN, intent->method_names));
    *charge = (struct charge){
        .amount = intent->amount,
        .description = req->payment->description,
        .invoice = UUID_NIL,
        .is_manual = req->payment->capture_mode ==
                     DUES__PAYMENT__V1__PAYMENT__CAPTURE_MODE__CAPTURE_MODE_MANUAL,
    };
    return charge_prepare_by(call, &ground->method, ground->now_us, charge);
}

static const struct error *pay(struct call *call, const struct charge *charge, Reply *reply)
{
    struct gateway_answer answer;
    struct payment payment;

    charge_send(call, charge, &answer);
    TRY(payment_purpose_direct.settle(call, charge, &answer, &payment));
    payment_to_proto(call->arena, &payment, reply);
    return NULL;
}

const struct error *create_payment(struct call *call, const void *request, void *reply)
{
    const Request *req = request;
    enum charge_recorded recorded;
    struct intent intent;
    struct payment_ground ground;
    struct charge charge;
    struct uuid first;

    TRY(validate(call, req, &intent));
    TRY(owner_check(call, intent.customer, "CUSTOMER_NOT_FOUND", req->parent));
    TRY(payment_ground_load(call, intent.customer, intent.method_names[1], &ground));
    if (ground.replayed)
        return NULL;
    if (!uuid_is_nil(ground.first))
        return answer_as_it_stands(call, intent.customer, ground.first, reply);
    TRY(prepare(call, req, &intent, &ground, &charge));
    TRY(charge_record(call, &charge, &recorded, &first));
    switch (recorded) {
    case CHARGE_RECORDED:
        return pay(call, &charge, reply);
    case CHARGE_RUNNING:
        return answer_as_it_stands(call, intent.customer, first, reply);
    case CHARGE_REPLAYED:
        break;
    }
    return NULL;
}
