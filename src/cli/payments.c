/*
 * `dues payments`: a customer's payments for whoever answers the telephone, and their refunds.
 */
#include "cli/payments.h"

#include "base/text.h"
#include "cli/ask.h"
#include "cli/cli.h"
#include "cli/json.h"
#include "cli/print.h"

static void print_row(struct arena *arena, const ProtobufCMessage *item)
{
    print_payment_row(stdout, arena, (const void *)item);
}

int payments_list(void *given)
{
    struct payments_wish *wish = given;
    Dues__Payment__V1__ListPaymentsRequest request = DUES__PAYMENT__V1__LIST_PAYMENTS_REQUEST__INIT;
    struct pages pages = {"ListPayments", &request.base, .print_head = print_payment_head,
                          .print_row = print_row};

    request.parent = request_text(customer_name(wish->list.wish.arena, wish->customer));
    return pages_ask_some(&wish->list, &pages);
}

/* What belongs to a payment: printed, or kept for the payment's JSON. */
struct parts {
    const struct wish *wish;
    json_t *kept;
    void (*print)(struct arena *arena, const void *item);
};

static bool tell_part(void *context, const ProtobufCMessage *item)
{
    const struct parts *parts = context;

    json_array_append_new(parts->kept, message_to_json(parts->wish->arena, item));
    if (!parts->wish->as_json)
        parts->print(parts->wish->arena, item);
    return true;
}

static void print_one_refund(struct arena *arena, const void *item)
{
    print_refund(stdout, arena, item);
}

static void print_one_dispute(struct arena *arena, const void *item)
{
    print_payment_dispute(stdout, arena, item);
}

static int tell_refunds(const struct wish *wish, json_t *payment)
{
    Dues__Payment__V1__ListRefundsRequest request = DUES__PAYMENT__V1__LIST_REFUNDS_REQUEST__INIT;
    struct parts parts = {wish, json_array(), print_one_refund};
    const struct pages pages = {"ListRefunds", &request.base, .each = tell_part, .context = &parts};

    request.parent = request_text(wish->operand);
    json_object_set_new(payment, "refunds", parts.kept);
    return pages_ask(wish, &pages);
}

/* customers/ID of customers/ID/payments/ID. */
static const char *owner_of(const struct wish *wish)
{
    const char *rest = strstr(wish->operand, "/payments/");

    return rest == NULL ? ""
                        : arena_strndup(wish->arena, wish->operand, (size_t)(rest - wish->operand));
}

static int tell_disputes(const struct wish *wish, json_t *payment)
{
    Dues__Payment__V1__ListDisputesRequest request = DUES__PAYMENT__V1__LIST_DISPUTES_REQUEST__INIT;
    struct parts parts = {wish, json_array(), print_one_dispute};
    const struct pages pages = {"ListDisputes", &request.base, .each = tell_part,
                                .context = &parts};

    request.parent = request_text(owner_of(wish));
    request.payment = request_text(wish->operand);
    json_object_set_new(payment, "disputes", parts.kept);
    return pages_ask(wish, &pages);
}

int payments_get(void *given)
{
    const struct wish *wish = given;
    Dues__Payment__V1__GetPaymentRequest request = DUES__PAYMENT__V1__GET_PAYMENT_REQUEST__INIT;
    int exit_status = EXIT_SUCCESS;

    request.name = request_text(wish->operand);
    struct dues_answer *answer =
        ask_payments(wish->client, "GetPayment", &request.base, &exit_status);
    if (answer == NULL)
        return exit_status;
    const Dues__Payment__V1__Payment *payment = (const void *)answer->reply;
    json_t *json = message_to_json(wish->arena, &payment->base);
    if (!wish->as_json)
        print_payment(stdout, wish->arena, payment);
    exit_status = tell_refunds(wish, json);
    if (exit_status == EXIT_SUCCESS)
        exit_status = tell_disputes(wish, json);
    if (wish->as_json && exit_status == EXIT_SUCCESS) {
        json_dumpf(json, stdout, JSON_COMPACT);
        putchar('\n');
    }
    json_decref(json);
    dues_answer_free(answer);
    return exit_status;
}

static const char *check(const void *given)
{
    const struct payments_wish *wish = given;

    if (text_equal(wish->list.wish.word, "refund") && (wish->amount != NULL) == wish->list.all)
        return "payments refund needs --amount or --all, one of them";
    return list_wish_check(&wish->list);
}

static const struct command_word words[] = {
    {"list", payments_list, NULL},
    {"get", payments_get, "the name of one payment, customers/…/payments/…"},
    {"refund", payments_refund, "the name of one payment, customers/…/payments/…"},
};

#define FIELD(name) offsetof(struct payments_wish, name)

static const struct command_option options[] = {
    {"customer", VALUE_TEXT, FIELD(customer), .words = {"list"}, .is_needed = true},
    LIST_OPTIONS,
    {"all", VALUE_FLAG, FIELD(list.all), .words = {"list", "refund"}},
    {"amount", VALUE_TEXT, FIELD(amount), .words = {"refund"}},
    {"reason", VALUE_TEXT, FIELD(reason), .words = {"refund"}},
    {"request-id", VALUE_TEXT, FIELD(request_id), .words = {"refund"}},
};

int command_payments(int argc, char **argv)
{
    static const struct command command = {
        .name = "payments",
        COMMAND_WORDS(words),
        COMMAND_OPTIONS(options),
        .check = check,
        .connects = true,
        .prints_json = true,
    };
    struct payments_wish wish = {.customer = NULL};

    return command_run(&command, &wish.list.wish, argc, argv);
}
