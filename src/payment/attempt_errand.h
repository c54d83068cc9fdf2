/*
 * An attempt taken up again, whatever its operation: built from what is recorded, asked about, and
 * settled by the step of whoever charges.
 */
#pragma once

#include "payment/payment_internal.h"

struct attempt_errand {
    const struct attempt *attempt;
    union {
        struct charge charge;
        struct capture capture;
        struct {
            struct refund refund;
            struct refund_attempt attempt;
        } refund;
    } as; /* by the attempt's operation */
};

/* `armed_us` (monotonic): not after the lease began. */
const struct error *attempt_errand_restore(struct call *call, const struct customer *customer,
                                           const struct attempt *attempt, int64_t armed_us,
                                           struct attempt_errand *errand) MUST_CHECK;

struct gateway_request attempt_errand_request(struct call *call,
                                              const struct attempt_errand *errand);

/* Asks what became of it; nothing is sent again, nothing recorded. */
void attempt_errand_query(struct call *call, const struct attempt_errand *errand,
                          struct gateway_answer *answer);

/* Step T3 or T4, under the attempt's epoch. */
const struct error *attempt_errand_settle(struct call *call, struct attempt_errand *errand,
                                          const struct gateway_answer *answer) MUST_CHECK;
