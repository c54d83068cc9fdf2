/*
 * `dues payments refund`: gives money back, once.
 */
#include "cli/payments.h"

#include "cli/amount.h"
#include "cli/ask.h"
#include "cli/cli.h"
#include "cli/once.h"
#include "cli/print.h"

/* The currency of the payment, in the arena; NULL after a complaint. */
static const char *payment_currency(const struct wish *wish, int *exit_status)
{
    Dues__Payment__V1__GetPaymentRequest request = DUES__PAYMENT__V1__GET_PAYMENT_REQUEST__INIT;

    request.name = request_text(wish->operand);
    struct dues_answer *answer =
        ask_payments(wish->client, "GetPayment", &request.base, exit_status);
    if (answer == NULL)
        return NULL;
    const Dues__Payment__V1__Payment *payment = (const void *)answer->reply;
    const char *currency = arena_strdup(wish->arena, payment->amount->currency_code);
    dues_answer_free(answer);
    return currency;
}

static int read_amount(const struct payments_wish *wish, Dues__Type__V1__Money *amount)
{
    const char *currency = amount_currency(wish->list.wish.arena, wish->amount);
    int exit_status = EXIT_SUCCESS;

    if (currency[0] == '\0')
        currency = payment_currency(&wish->list.wish, &exit_status);
    if (currency == NULL)
        return exit_status;
    const char *problem =
        amount_read(wish->list.wish.arena, wish->amount, currency, &amount->minor_units);
    if (problem != NULL)
        return complain_usage("%s", problem);
    amount->currency_code = request_text(currency);
    return EXIT_SUCCESS;
}

static int tell(void *given, const ProtobufCMessage *reply)
{
    const struct wish *wish = given;
    const Dues__Payment__V1__Refund *refund = (const void *)reply;

    if (wish->as_json) {
        print_json_line(stdout, &refund->base);
    } else {
        printf("%s\n", wish->operand);
        print_refund(stdout, wish->arena, refund);
    }
    if (refund->state == DUES__PAYMENT__V1__REFUND__STATE__STATE_PENDING)
        fputs("dues: the outcome is being found out; `dues payments get` shows it\n", stderr);
    return refund->state == DUES__PAYMENT__V1__REFUND__STATE__STATE_FAILED ? EXIT_FAILURE
                                                                           : EXIT_SUCCESS;
}

int payments_refund(void *given)
{
    struct payments_wish *wish = given;
    Dues__Payment__V1__CreateRefundRequest request = DUES__PAYMENT__V1__CREATE_REFUND_REQUEST__INIT;
    Dues__Payment__V1__Refund refund = DUES__PAYMENT__V1__REFUND__INIT;
    Dues__Type__V1__Money amount = DUES__TYPE__V1__MONEY__INIT;

    if (wish->reason != NULL) {
        int reason =
            enum_value(wish->list.wish.arena, &dues__payment__v1__refund__reason__descriptor,
                       wish->reason, "REASON_");
        if (reason < 0)
            return complain_usage("--reason is requested_by_customer, duplicate or fraudulent");
        refund.reason = (Dues__Payment__V1__Refund__Reason)reason;
    }
    if (wish->amount != NULL) {
        int exit_status = read_amount(wish, &amount);
        if (exit_status != EXIT_SUCCESS)
            return exit_status;
        refund.amount = &amount;
    }
    const char *request_id = once_request_id(wish->list.wish.arena, wish->request_id);
    request.parent = request_text(wish->list.wish.operand);
    request.refund = &refund;
    request.request_id = request_text(request_id);
    return once_ask(&wish->list.wish, "CreateRefund", &request.base,
                    &(struct once){.request_id = request_id}, tell);
}
