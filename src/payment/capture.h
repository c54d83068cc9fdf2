/*
 * A capture takes what an authorization holds, all or a part; a void lets go of it.  The protocol
 * is that of a charge (charge.h), with other operations: capture_record reserves on the payment and
 * arms the attempt, capture_send asks the gateway, capture_settle records the result once.
 *
 * A final capture and a void reserve all that is held, so that nothing can be asked beside them.
 */
#pragma once

#include "gateway/gateway.h"
#include "payment/payment.h"

struct capture {
    struct uuid customer;
    struct uuid payment;
    struct uuid id;                   /* of the attempt */
    enum gateway_operation operation; /* GATEWAY_CAPTURE, GATEWAY_VOID */
    struct money amount;              /* void: all that is held and free */
    bool is_final;                    /* the rest is let go of; a void is */
    const char *gateway;
    const char *gateway_key;
    const char *transaction; /* of the authorization */
    int64_t lease_ms;
    int64_t epoch;
    int64_t now_us;   /* the customer's present */
    int64_t armed_us; /* monotonic */
};

/*
 * Ids, the gateway and the transaction to act on.  `amount`, `operation`, `is_final` and `now_us`
 * are set by the caller beforehand.
 */
const struct error *capture_prepare(struct call *call, const struct payment *payment,
                                    struct capture *capture) MUST_CHECK;

/* The same for letting go of all that is held and free. */
const struct error *void_prepare(struct call *call, const struct payment *payment, int64_t now_us,
                                 struct capture *capture) MUST_CHECK;

enum capture_recorded { CAPTURE_RECORDED, CAPTURE_REPLAYED, CAPTURE_RUNNING, CAPTURE_EXCEEDS };

/*
 * Steps T1 and T2, for a request when the call has one.  CAPTURE_RUNNING: `*object` is the attempt
 * of the first request.  CAPTURE_EXCEEDS: so much is not free, or something must end first.
 */
const struct error *capture_record(struct call *call, const struct capture *capture,
                                   enum capture_recorded *recorded, struct uuid *object) MUST_CHECK;

/* As charge_send. */
void capture_send(struct call *call, const struct capture *capture, struct gateway_answer *answer);

/*
 * Step T3 or T4; `*payment` becomes what is recorded, also when somebody else had settled it.
 * `*refused` (may be NULL): this call recorded that the gateway refused.
 */
const struct error *capture_settle(struct call *call, const struct capture *capture,
                                   const struct gateway_answer *answer, struct payment *payment,
                                   bool *refused) MUST_CHECK;

struct gateway_request capture_request(struct call *call, const struct capture *capture);

/* The payment once the answer is recorded; SQL capture_apply says the same. */
struct payment payment_after_capture(const struct payment *payment, const struct capture *capture,
                                     const struct gateway_answer *answer, int64_t now_us);
