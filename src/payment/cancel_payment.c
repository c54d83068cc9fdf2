/*
 * CancelPayment lets go of what an authorization still holds.  Nothing was captured: the payment is
 * CANCELED; a part was: it is SUCCEEDED with that part.  It goes as CapturePayment, with another
 * operation.
 *
 * A payment that waits for its customer is let go of by the charge's own attempt, so that one
 * answer of the gateway decides between the customer and us: who authenticated in time has paid.
 * That the wait is over is recorded first, and the resolver finishes what this fiber cannot.
 */

#include "payment/payment_internal.h"

#include "payment/payment_proto.h"
#include "pg/replay.h"

typedef Dues__Payment__V1__CancelPaymentRequest Request;
typedef Dues__Payment__V1__Payment Reply;

static const struct error *check_cancelable(struct call *call, const struct payment *payment,
                                            const void *intent)
{
    (void)intent; /* all of it */
    if (payment->state == PAYMENT_REQUIRES_ACTION)
        return refuse(call, STATUS_FAILED_PRECONDITION, "PAYMENT_NOT_CANCELABLE",
                      "payment is of an invoice: cancel the membership");
    if (payment->state != PAYMENT_REQUIRES_CAPTURE)
        return refuse(call, STATUS_FAILED_PRECONDITION, "PAYMENT_NOT_CANCELABLE", "payment is %s",
                      payment_state_name(payment->state));
    if (payment->capture_pending_minor > 0)
        return capture_in_progress(call);
    return NULL;
}

static const struct error *refused(struct call *call, const struct gateway_answer *answer,
                                   const struct payment *payment)
{
    (void)answer;
    (void)payment;
    return refuse(call, STATUS_FAILED_PRECONDITION, "CANCEL_DECLINED",
                  "the gateway did not let go of the money that it holds");
}

static const struct error *cancel_now(struct call *call, const struct payment *payment,
                                      Reply *reply)
{
    static const struct capture_rules rules = {.check = check_cancelable, .refused = refused};
    struct customer customer;
    struct capture capture;

    TRY(customer_load(call, payment->customer, &customer));
    TRY(void_prepare(call, payment, customer.now_us, &capture));
    return capture_run(call, &capture, &rules, reply);
}

/* Has the gateway let go, and reads what came of it.  `*answered`: somebody else did, for us. */
static const struct error *cancel_at_gateway(struct call *call, struct uuid attempt,
                                             struct payment *payment, bool *answered)
{
    if (payment->state == PAYMENT_REQUIRES_ACTION)
        TRY(action_look(call, payment));
    if (payment->state != PAYMENT_REQUIRES_ACTION)
        return NULL;
    /* Somebody was asking what the customer did, and may not have known that it was over. */
    TRY(attempt_await_one(call, payment->customer, attempt, answered));
    if (*answered)
        return NULL;
    TRY(payment_load(call, payment->customer, payment->id, payment));
    return payment->state == PAYMENT_REQUIRES_ACTION ? action_look(call, payment) : NULL;
}

/* However it stands now: the wish is recorded, so who still waits is being let go of. */
static const struct error *cancel_recorded_action(struct call *call, struct uuid attempt,
                                                  struct payment *payment, Reply *reply)
{
    bool answered = false;

    TRY(cancel_at_gateway(call, attempt, payment, &answered));
    if (answered)
        return NULL;
    if (payment->state == PAYMENT_REQUIRES_CAPTURE) {
        /* The customer was faster, and the money is held. */
        TRY(check_cancelable(call, payment, NULL));
        return cancel_now(call, payment, reply);
    }
    if (payment->state != PAYMENT_CANCELED && payment->state != PAYMENT_REQUIRES_ACTION)
        return check_cancelable(call, payment, NULL);
    payment_to_proto(call->arena, payment, reply);
    return NULL;
}

/* The first request with this id is not answered yet. */
static const struct error *as_it_stands(struct call *call, struct uuid customer,
                                        struct uuid attempt_id, Reply *reply)
{
    struct attempt attempt;
    struct payment payment;
    bool found;

    TRY(attempt_find(call, customer, attempt_id, &attempt, &found));
    if (!found || attempt.operation == GATEWAY_VOID)
        return capture_as_it_stands(call, customer, attempt_id, reply);
    TRY(payment_load(call, customer, attempt.payment, &payment));
    return cancel_recorded_action(call, attempt_id, &payment, reply);
}

static const struct error *cancel_action(struct call *call, struct payment *payment, Reply *reply)
{
    enum capture_recorded recorded;
    struct customer customer;
    struct attempt attempt;
    struct uuid first;
    bool found;

    TRY(customer_load(call, payment->customer, &customer));
    TRY(attempt_of_payment(call, payment->customer, payment->id, &attempt, &found));
    if (!found)
        return check_cancelable(call, payment, NULL);
    TRY(action_cancel_record(call, payment, attempt.id, customer.now_us, &recorded, &first));
    switch (recorded) {
    case CAPTURE_RECORDED:
    case CAPTURE_RUNNING:
        return cancel_recorded_action(call, attempt.id, payment, reply);
    case CAPTURE_EXCEEDS: /* the customer, or the end of the wait, was faster */
        TRY(payment_load(call, payment->customer, payment->id, payment));
        TRY(check_cancelable(call, payment, NULL));
        return cancel_now(call, payment, reply);
    case CAPTURE_REPLAYED:
        break;
    }
    return NULL;
}

const struct error *cancel_payment(struct call *call, const void *request, void *reply)
{
    const Request *req = request;
    struct field_errors errors = {.call = call};
    struct payment payment;
    struct uuid ids[2];
    struct uuid first;
    bool replayed;

    check_owned_name(&errors, "name", req->name, PAYMENT_PATTERN, ids, 2);
    TRY(field_errors_result(&errors));
    TRY(owner_check(call, ids[0], "PAYMENT_NOT_FOUND", req->name));
    /* Before the request is looked for: what its twin has done since may not refuse it. */
    TRY(payment_load(call, ids[0], ids[1], &payment));
    TRY(replay_find(call, ids[0], &replayed, &first));
    if (replayed)
        return NULL;
    if (!uuid_is_nil(first))
        return as_it_stands(call, ids[0], first, reply);
    if (payment.state == PAYMENT_REQUIRES_ACTION && uuid_is_nil(payment.invoice))
        return cancel_action(call, &payment, reply);
    TRY(check_cancelable(call, &payment, NULL));
    return cancel_now(call, &payment, reply);
}
