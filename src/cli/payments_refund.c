/*
 * `dues payments refund`: gives money back.  The request's id is said before anything is sent, so
 * that whoever loses the answer can send the very same request again, which refunds nothing twice.
 */
#include "cli/payments.h"

#include <ctype.h>

#include "base/id.h"
#include "base/random.h"
#include "base/text.h"
#include "base/time.h"
#include "cli/amount.h"
#include "cli/cli.h"

/* True when the server may have done what was asked. */
static bool is_open(int status)
{
    return status == DUES_UNAVAILABLE || status == DUES_DEADLINE_EXCEEDED ||
           status == DUES_ABORTED || status == DUES_UNKNOWN || status == DUES_INTERNAL ||
           status == DUES_CANCELLED;
}

/* The currency of the payment, in the arena; NULL after a complaint. */
static const char *payment_currency(struct payments_wish *wish, int *exit_status)
{
    Dues__Payment__V1__GetPaymentRequest request = DUES__PAYMENT__V1__GET_PAYMENT_REQUEST__INIT;

    request.name = request_text(wish->name);
    struct dues_answer *answer =
        ask_payments(wish->client, "GetPayment", &request.base, exit_status);
    if (answer == NULL)
        return NULL;
    const Dues__Payment__V1__Payment *payment = (const void *)answer->reply;
    const char *currency = arena_strdup(wish->arena, payment->amount->currency_code);
    dues_answer_free(answer);
    return currency;
}

static int read_amount(struct payments_wish *wish, Dues__Type__V1__Money *amount)
{
    const char *currency = amount_currency(wish->arena, wish->amount);
    int exit_status = EXIT_SUCCESS;

    if (currency[0] == '\0')
        currency = payment_currency(wish, &exit_status);
    if (currency == NULL)
        return exit_status;
    const char *problem = amount_read(wish->arena, wish->amount, currency, &amount->minor_units);
    if (problem != NULL)
        return complain_usage("%s", problem);
    amount->currency_code = request_text(currency);
    return EXIT_SUCCESS;
}

/* "requested_by_customer", "DUPLICATE": as in the contract, in any case. */
static bool read_reason(struct payments_wish *wish, Dues__Payment__V1__Refund__Reason *reason)
{
    char *word = arena_printf(wish->arena, "REASON_%s", wish->reason);

    for (char *letter = word; *letter != '\0'; letter++)
        *letter = (char)toupper((unsigned char)*letter);
    const ProtobufCEnumValue *found = protobuf_c_enum_descriptor_get_value_by_name(
        &dues__payment__v1__refund__reason__descriptor, word);
    if (found == NULL)
        return false;
    *reason = (Dues__Payment__V1__Refund__Reason)found->value;
    return true;
}

static int tell(struct payments_wish *wish, const struct dues_answer *answer)
{
    const Dues__Payment__V1__Refund *refund = (const void *)answer->reply;

    if (wish->as_json) {
        print_json_line(stdout, &refund->base);
    } else {
        printf("%s\n", wish->name);
        print_refund(stdout, wish->arena, refund);
    }
    if (refund->state == DUES__PAYMENT__V1__REFUND__STATE__STATE_PENDING)
        fputs("dues: the outcome is being found out; `dues payments get` shows it\n", stderr);
    return refund->state == DUES__PAYMENT__V1__REFUND__STATE__STATE_FAILED ? EXIT_FAILURE
                                                                           : EXIT_SUCCESS;
}

static int send_refund(struct payments_wish *wish,
                       const Dues__Payment__V1__CreateRefundRequest *request)
{
    const struct dues_call_options options = {0};
    struct dues_answer *answer = NULL;
    int exit_status;

    fprintf(stderr, "dues: request id %s; if the answer is lost: the same with --request-id %s\n",
            wish->request_id, wish->request_id);
    if (dues_call(wish->client, &dues__payment__v1__payment_service__descriptor, "CreateRefund",
                  &request->base, &options, &answer) == DUES_OK) {
        exit_status = tell(wish, answer);
        if (answer->replayed)
            fputs("dues: it was done before; this is the first answer again\n", stderr);
    } else {
        exit_status = complain_answer(answer);
        if (is_open(answer->status))
            fprintf(stderr,
                    "  whether it was done is not known: the same with --request-id %s "
                    "finds out, and refunds nothing twice\n",
                    wish->request_id);
    }
    dues_answer_free(answer);
    return exit_status;
}

int payments_refund(struct payments_wish *wish)
{
    Dues__Payment__V1__CreateRefundRequest request = DUES__PAYMENT__V1__CREATE_REFUND_REQUEST__INIT;
    Dues__Payment__V1__Refund refund = DUES__PAYMENT__V1__REFUND__INIT;
    Dues__Type__V1__Money amount = DUES__TYPE__V1__MONEY__INIT;

    if (wish->reason != NULL && !read_reason(wish, &refund.reason))
        return complain_usage("--reason is requested_by_customer, duplicate or fraudulent");
    if (wish->amount != NULL) {
        int exit_status = read_amount(wish, &amount);
        if (exit_status != EXIT_SUCCESS)
            return exit_status;
        refund.amount = &amount;
    }
    if (wish->request_id == NULL) {
        int64_t now_us = clock_wall_us(clock_system());
        wish->request_id = uuid_text(wish->arena, uuid_make(random_system(), now_us));
    }
    request.parent = request_text(wish->name);
    request.refund = &refund;
    request.request_id = request_text(wish->request_id);
    return send_refund(wish, &request);
}
