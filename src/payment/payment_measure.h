/*
 * What became of money in this process, for /metrics: results as they are recorded, and how
 * gateways answer.  A result counts once, where it is recorded, whoever asks again; what was
 * recorded just before a crash is not counted.
 */
#pragma once

#include "base/measure.h"
#include "gateway/gateway.h"

struct payment_counts;

struct payment_counts *payment_counts_open(void);
void payment_counts_close(struct payment_counts *counts);

/*
 * A definitive result was recorded by this call.  These take the counts from call->house, which may
 * be without.
 */
void payment_count_settled(const struct call *call, const struct gateway_answer *answer);
void refund_count_settled(const struct call *call, const struct gateway_answer *answer);

/* A gateway was asked and took `duration_us`. */
void gateway_count_answer(const struct call *call, enum gateway_operation operation, bool query,
                          enum gateway_outcome outcome, int64_t duration_us);

void payment_measure(const struct payment_counts *counts, struct measures *out);
