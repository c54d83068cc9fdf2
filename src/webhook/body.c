/*
 * The body: type and time of the event, whose it is and its number, the name of what it is about,
 * and the few facts that the event holds.  Everything else is to be read by that name: by then it
 * may have moved on.
 */

#include "webhook/body.h"

#include <inttypes.h>

#include "base/text.h"
#include "base/time.h"
#include "customer/event.h"

/* Standard Webhooks wants bodies below 20 kB. */
#define DETAILS_SIZE_MAX ((size_t)16 * 1024)

const char *webhook_body(struct call *call, struct uuid customer, const struct webhook_head *head)
{
    const char *details = strlen(head->details) <= DETAILS_SIZE_MAX ? head->details : "{}";
    char time[TIME_TEXT_SIZE];

    time_format(head->event_time_us, time);
    return arena_printf(
        call->arena,
        "{\"type\":%s,\"timestamp\":\"%s\",\"data\":{\"customer\":\"%s\","
        "\"sequence\":%" PRId64 ",\"subject\":%s,\"details\":%s}}",
        json_quote(call->arena, head->type), time,
        name_make(call->arena, "customers/{}", &customer), head->sequence,
        json_quote(call->arena, event_subject_name(call->arena, head->type, customer, head->subject,
                                                   head->payment)),
        details);
}
