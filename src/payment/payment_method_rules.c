/*
 * May a payment method be charged?  The same rules as SQL payment_method_refuses, which guards them
 * against races; here they are told in words.
 */

#include "payment/payment_internal.h"

#include "base/time.h"

const struct error *payment_method_check(struct call *call, const struct payment_method *method,
                                         bool without_customer, int64_t now_us)
{
    char retry_time[TIME_TEXT_SIZE];

    if (!method->is_usable)
        return refuse(call, STATUS_FAILED_PRECONDITION, "PAYMENT_METHOD_UNUSABLE",
                      "the payment method can no longer be charged");
    if (without_customer && (method->mandate.type == NULL || method->mandate.type[0] == '\0'))
        return refuse(call, STATUS_FAILED_PRECONDITION, "PAYMENT_METHOD_MANDATE_REQUIRED",
                      "the customer has not agreed to be charged later");
    if (method->retry_us <= now_us)
        return NULL;
    time_format(method->retry_us, retry_time);
    return error_with(
        call->arena,
        refuse(call, STATUS_FAILED_PRECONDITION, "PAYMENT_METHOD_RETRY_LIMIT",
               "the card was declined 15 times in 30 days, it may be tried again at %s",
               retry_time),
        "retry_time", "%s", retry_time);
}
