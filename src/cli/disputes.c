/*
 * `dues disputes`: what banks ask back, for whoever answers them.
 */
#include "cli/disputes.h"

#include "base/text.h"
#include "cli/amount.h"
#include "cli/ask.h"
#include "cli/cli.h"
#include "cli/print.h"

typedef Dues__Payment__V1__Dispute Dispute;

static const char *state_word(struct arena *arena, const Dispute *dispute)
{
    return enum_word(arena, &dues__payment__v1__dispute__state__descriptor, (int)dispute->state,
                     "STATE_");
}

static void print_head(FILE *out)
{
    fprintf(out, "%-20s  %-14s  %14s  %14s  %-20s  %-28s  %s\n", "CREATED", "STATE", "AMOUNT",
            "WITHDRAWN", "EVIDENCE BY", "REASON", "DISPUTE");
}

static void print_row(struct arena *arena, const ProtobufCMessage *item)
{
    const Dispute *dispute = (const void *)item;

    printf("%-20s  %-14s  %14s  %14s  %-20s  %-28s  %s\n",
           to_the_second(arena, dispute->create_time), state_word(arena, dispute),
           amount_text(arena, dispute->amount), amount_text(arena, dispute->amount_withdrawn),
           to_the_second(arena, dispute->evidence_due_time),
           arena_printf(arena, "%s%s", dispute->reason, dispute->inquiry ? " (inquiry)" : ""),
           dispute->name);
}

void print_dispute(struct arena *arena, const ProtobufCMessage *message)
{
    const Dispute *dispute = (const void *)message;

    printf("%s\n", dispute->name);
    print_line(stdout, "state", state_word(arena, dispute));
    print_line(stdout, "payment", dispute->payment);
    print_line(stdout, "reason", dispute->reason);
    print_line(stdout, "inquiry", dispute->inquiry ? "only a question so far" : "");
    print_money(stdout, arena, "amount", dispute->amount);
    print_money(stdout, arena, "withdrawn", dispute->amount_withdrawn);
    print_money(stdout, arena, "fee", dispute->fee);
    print_moment(stdout, "evidence by", dispute->evidence_due_time);
    print_moment(stdout, "given", dispute->evidence_submit_time);
    if (dispute->pending_response != DUES__PAYMENT__V1__DISPUTE__RESPONSE__RESPONSE_UNSPECIFIED)
        print_line(stdout, "on its way",
                   enum_word(arena, &dues__payment__v1__dispute__response__descriptor,
                             (int)dispute->pending_response, "RESPONSE_"));
    print_line(stdout, "gateway", dispute->gateway);
    print_line(stdout, "its own id", dispute->gateway_dispute);
    print_moment(stdout, "created", dispute->create_time);
    print_moment(stdout, "changed", dispute->update_time);
}

static int disputes_list(void *given)
{
    struct disputes_wish *wish = given;
    Dues__Payment__V1__ListDisputesRequest request = DUES__PAYMENT__V1__LIST_DISPUTES_REQUEST__INIT;
    struct pages pages = {"ListDisputes", &request.base, .print_head = print_head,
                          .print_row = print_row};

    request.parent = request_text(customer_name(wish->list.wish.arena, wish->customer));
    request.payment = request_text(wish->payment == NULL ? "" : wish->payment);
    return pages_ask_some(&wish->list, &pages);
}

static int disputes_get(void *given)
{
    const struct wish *wish = given;
    Dues__Payment__V1__GetDisputeRequest request = DUES__PAYMENT__V1__GET_DISPUTE_REQUEST__INIT;
    int exit_status = EXIT_SUCCESS;

    request.name = request_text(wish->operand);
    struct dues_answer *answer =
        ask_payments(wish->client, "GetDispute", &request.base, &exit_status);
    if (answer == NULL)
        return exit_status;
    print_message(wish, answer->reply, print_dispute);
    dues_answer_free(answer);
    return EXIT_SUCCESS;
}

static const char *check(const void *given)
{
    return list_wish_check(given);
}

#define DISPUTE_NEEDED "the name of one dispute, customers/…/disputes/…"

static const struct command_word words[] = {
    {"list", disputes_list, NULL},
    {"get", disputes_get, DISPUTE_NEEDED},
    {"evidence", disputes_evidence, DISPUTE_NEEDED},
    {"accept", disputes_accept, DISPUTE_NEEDED},
};

#define FIELD(name) offsetof(struct disputes_wish, name)

static const struct command_option options[] = {
    {"customer", VALUE_TEXT, FIELD(customer), .words = {"list"}, .is_needed = true},
    {"payment", VALUE_TEXT, FIELD(payment), .words = {"list"}},
    LIST_OPTIONS,
    {"all", VALUE_FLAG, FIELD(list.all), .words = {"list"}},
    {"file", VALUE_TEXT, FIELD(file), .words = {"evidence"}, .is_needed = true},
    {"amount", VALUE_TEXT, FIELD(amount), .words = {"accept"}, .is_needed = true},
    {"request-id", VALUE_TEXT, FIELD(request_id), .words = {"evidence", "accept"}},
};

int command_disputes(int argc, char **argv)
{
    static const struct command command = {
        .name = "disputes",
        COMMAND_WORDS(words),
        COMMAND_OPTIONS(options),
        .check = check,
        .connects = true,
        .prints_json = true,
    };
    struct disputes_wish wish = {.file = NULL};

    return command_run(&command, &wish.list.wish, argc, argv);
}
