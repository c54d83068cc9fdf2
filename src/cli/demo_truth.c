/*
 * The truth: the sandbox gateway's own journal against what the server says.  The journal is
 * written by the gateway and not by the server, so it would show a charge that the server forgot or
 * made twice.
 */
#include "cli/demo.h"

#include <inttypes.h>

#include "base/text.h"

#include "dues/sandbox/v1/sandbox_service.pb-c.h"

/* What the gateway took for this payment, less what it gave back. */
static int64_t journal_of(struct story *story, const char *payment)
{
    const Dues__Sandbox__V1__ListGatewayCallsResponse *list =
        story_call(story, SPEAKER_SERVICE, "Sandbox/ListGatewayCalls",
                   "{'payment': '%s', 'page_size': 100}", payment);
    int64_t total = 0;
    for (size_t i = 0; list != NULL && i < list->n_gateway_calls; i++) {
        const Dues__Sandbox__V1__GatewayCall *call = list->gateway_calls[i];
        if (call->outcome != DUES__SANDBOX__V1__GATEWAY_CALL__OUTCOME__OUTCOME_APPROVED ||
            call->amount == NULL)
            continue;
        if (call->operation == DUES__SANDBOX__V1__GATEWAY_CALL__OPERATION__OPERATION_CHARGE)
            total += call->amount->minor_units;
        if (call->operation == DUES__SANDBOX__V1__GATEWAY_CALL__OPERATION__OPERATION_REFUND)
            total -= call->amount->minor_units;
    }
    return total;
}

static int64_t minor_units(const Dues__Type__V1__Money *money)
{
    return money == NULL ? 0 : money->minor_units;
}

/* Adds up a customer's payments as the server tells them, and as the gateway does. */
static void compare(struct story *story, const char *customer, int64_t *told, int64_t *happened)
{
    const Dues__Payment__V1__ListPaymentsResponse *list =
        story_call(story, SPEAKER_SERVICE, "Payment/ListPayments",
                   "{'parent': '%s', 'page_size': 100}", customer);
    /* One call a payment: the first shows how. */
    for (size_t i = 0; list != NULL && i < list->n_payments; i++) {
        const Dues__Payment__V1__Payment *payment = list->payments[i];
        int64_t kept =
            minor_units(payment->amount_captured) - minor_units(payment->amount_refunded);
        int64_t journal = journal_of(story, payment->name);
        const char *refunded = minor_units(payment->amount_refunded) == 0
                                   ? ""
                                   : arena_printf(story->arena, ", %s refunded",
                                                  story_money(story, payment->amount_refunded));
        story_tell(story, "%s %s%s: %" PRId64 " cents here, %" PRId64 " at the gateway",
                   story_money(story, payment->amount),
                   story_enum(&dues__payment__v1__payment__state__descriptor, (int)payment->state,
                              "STATE_"),
                   refunded, kept, journal);
        story_expect(story, kept == journal, "both to agree about %s", payment->name);
        *told += kept;
        *happened += journal;
        story->quiet = true;
    }
    story->quiet = false;
}

void chapter_truth(struct story *story)
{
    int64_t told = 0;
    int64_t happened = 0;
    story_chapter(story, "The truth, by the gateway's own journal");
    for (size_t i = 0; i < story->customer_count; i++) {
        story_say(story, "The payments of %s", story->customers[i]);
        compare(story, story->customers[i], &told, &happened);
    }
    if (!story_expect(story, happened == story->expected_minor && told == happened,
                      "the gateway to hold %" PRId64 " cents, not %" PRId64, story->expected_minor,
                      happened))
        return;
    printf("\nThe gateway holds %" PRId64 ".%02d USD, and that is what the story adds up to:"
           " 9.99 + 9.99 - 9.99 + 19.99.\n",
           happened / 100, (int)(happened % 100));
}
