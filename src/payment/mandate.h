/*
 * Mandates: a customer's consent to be charged when not there, as requests bring it and answers
 * show it.
 */
#pragma once

#include "base/check.h"
#include "dues/payment/v1/payment_method.pb-c.h"
#include "payment/payment_method.h"

/* No consent: `type` is "". */
extern const struct mandate mandate_none;

/* Adds what is wrong to `errors`.  `proto` NULL: none was given. */
void mandate_from_proto(struct field_errors *errors, const char *field,
                        const Dues__Payment__V1__Mandate *proto, struct mandate *mandate);

/*
 * Fills in the customer's present when the request did not say since when.  A consent of the future
 * is none: INVALID_ARGUMENT INVALID_FIELD.
 */
const struct error *mandate_begin(struct call *call, const char *field, int64_t customer_now_us,
                                  struct mandate *mandate) MUST_CHECK;

/* NULL when there is none. */
Dues__Payment__V1__Mandate *mandate_to_proto(struct arena *arena, const struct mandate *mandate);
