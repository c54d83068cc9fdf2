/*
 * CancelPayment lets go of what an authorization still holds.  Nothing was captured: the payment is
 * CANCELED; a part was: it is SUCCEEDED with that part.
 *
 * It goes as CapturePayment, with another operation.
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
    if (payment->state != PAYMENT_REQUIRES_CAPTURE)
        return refuse(call, STATUS_FAILED_PRECONDITION, "PAYMENT_NOT_CANCELABLE", "payment is %s",
                      payment_state_name(payment->state));
    if (payment->capture_pending_minor > 0)
        return capture_in_progress(call);
    return NULL;
}

static const struct error *refused(struct call *call, const struct gateway_answer *answer)
{
    (void)answer;
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
    TRY(replay_find(call, ids[0], &replayed, &first));
    if (replayed)
        return NULL;
    if (!uuid_is_nil(first))
        return capture_as_it_stands(call, ids[0], first, reply);
    TRY(payment_load(call, ids[0], ids[1], &payment));
    TRY(check_cancelable(call, &payment, NULL));
    return cancel_now(call, &payment, reply);
}
