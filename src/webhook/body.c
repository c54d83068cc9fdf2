/*
 * The body: type and time of the event, whose it is and its number, the name of what it is about,
 * and the few facts that the event holds.  Everything else is to be read by that name: by then it
 * may have moved on.
 */

#include "webhook/body.h"

#include <inttypes.h>

#include "base/text.h"
#include "base/time.h"

/* Standard Webhooks wants bodies below 20 kB. */
#define DETAILS_SIZE_MAX ((size_t)16 * 1024)

static const struct {
    const char *prefix;
    const char *pattern;
    enum { OF_CUSTOMER, OF_PAYMENT, OF_NOBODY } owner;
} subjects[] = {
    {"payment.", "customers/{}/payments/{}", OF_CUSTOMER},
    {"payment_method.", "customers/{}/paymentMethods/{}", OF_CUSTOMER},
    {"refund.", "customers/{}/payments/{}/refunds/{}", OF_PAYMENT},
    {"membership.", "customers/{}/memberships/{}", OF_CUSTOMER},
    {"invoice.", "customers/{}/invoices/{}", OF_CUSTOMER},
    {"device.", "users/{}/devices/{}", OF_CUSTOMER},
    {"session.", "users/{}/sessions/{}", OF_CUSTOMER},
    {"customer.", "customers/{}", OF_NOBODY},
    {"webhook_endpoint.", WEBHOOK_ENDPOINT_PATTERN, OF_NOBODY},
};

/* As in the contract's Event; "" for a type of a later version. */
static const char *subject_name(struct call *call, struct uuid customer,
                                const struct webhook_head *head)
{
    for (size_t i = 0; i < ARRAY_LENGTH(subjects); i++) {
        if (!text_starts_with(head->type, subjects[i].prefix))
            continue;
        switch (subjects[i].owner) {
        case OF_CUSTOMER:
            return name_make(call->arena, subjects[i].pattern,
                             (struct uuid[]){customer, head->subject});
        case OF_PAYMENT:
            if (uuid_is_nil(head->payment))
                return "";
            return name_make(call->arena, subjects[i].pattern,
                             (struct uuid[]){customer, head->payment, head->subject});
        case OF_NOBODY:
            return name_make(call->arena, subjects[i].pattern, (struct uuid[]){head->subject});
        }
    }
    return "";
}

const char *webhook_body(struct call *call, struct uuid customer, const struct webhook_head *head)
{
    const char *details = strlen(head->details) <= DETAILS_SIZE_MAX ? head->details : "{}";
    char time[TIME_TEXT_SIZE];

    time_format(head->event_time_us, time);
    return arena_printf(call->arena,
                        "{\"type\":%s,\"timestamp\":\"%s\",\"data\":{\"customer\":\"%s\","
                        "\"sequence\":%" PRId64 ",\"subject\":%s,\"details\":%s}}",
                        json_quote(call->arena, head->type), time,
                        name_make(call->arena, "customers/{}", &customer), head->sequence,
                        json_quote(call->arena, subject_name(call, customer, head)), details);
}
