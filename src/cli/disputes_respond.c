/*
 * `dues disputes evidence` and `accept`: what is told a bank cannot be taken back.  Both are sent
 * once, and money is given up only by whoever says how much.
 */
#include "cli/disputes.h"

#include "base/text.h"
#include "cli/amount.h"
#include "cli/ask.h"
#include "cli/cli.h"
#include "cli/json.h"
#include "cli/once.h"
#include "cli/print.h"

typedef Dues__Payment__V1__Dispute Dispute;

static int tell(void *wish, const ProtobufCMessage *reply)
{
    const Dispute *dispute = (const void *)reply;

    print_message(wish, reply, print_dispute);
    if (dispute->pending_response != DUES__PAYMENT__V1__DISPUTE__RESPONSE__RESPONSE_UNSPECIFIED)
        fputs("dues: whether the bank has it is being found out; `dues disputes get` shows it\n",
              stderr);
    return EXIT_SUCCESS;
}

static json_t *load(const char *path, json_error_t *error)
{
    return text_equal(path, "-") ? json_loadf(stdin, JSON_REJECT_DUPLICATES, error)
                                 : json_load_file(path, JSON_REJECT_DUPLICATES, error);
}

/* NULL after a complaint. */
static ProtobufCMessage *read_evidence(const struct disputes_wish *wish)
{
    json_error_t error;
    json_t *json = load(wish->file, &error);

    if (json == NULL) {
        if (json_error_code(&error) == json_error_cannot_open_file)
            complain_usage("%s", error.text);
        else
            complain_usage("%s is not JSON: line %d column %d: %s", wish->file, error.line,
                           error.column, error.text);
        return NULL;
    }
    const char *problem = NULL;
    ProtobufCMessage *evidence = json_to_message(
        wish->list.wish.arena, json, &dues__payment__v1__dispute_evidence__descriptor, &problem);
    json_decref(json);
    if (evidence == NULL)
        complain_usage("%s: %s", wish->file, problem);
    return evidence;
}

int disputes_evidence(void *given)
{
    struct disputes_wish *wish = given;
    Dues__Payment__V1__SubmitDisputeEvidenceRequest request =
        DUES__PAYMENT__V1__SUBMIT_DISPUTE_EVIDENCE_REQUEST__INIT;
    ProtobufCMessage *evidence = read_evidence(wish);

    if (evidence == NULL)
        return EXIT_USAGE;
    const char *request_id = once_request_id(wish->list.wish.arena, wish->request_id);
    request.name = request_text(wish->list.wish.operand);
    request.evidence = (void *)evidence;
    request.request_id = request_text(request_id);
    return once_ask(&wish->list.wish, "SubmitDisputeEvidence", &request.base,
                    &(struct once){.request_id = request_id}, tell);
}

/* Who has another dispute in mind, or another amount, gives nothing up. */
static int compare_amount(const struct disputes_wish *wish, const Dispute *dispute)
{
    struct arena *arena = wish->list.wish.arena;
    const char *named = amount_currency(arena, wish->amount);
    const char *currency = dispute->amount->currency_code;
    int64_t minor_units = 0;
    const char *problem =
        amount_read(arena, wish->amount, named[0] == '\0' ? currency : named, &minor_units);

    if (problem != NULL)
        return complain_usage("%s", problem);
    if (minor_units == dispute->amount->minor_units &&
        (named[0] == '\0' || text_equal(named, currency)))
        return EXIT_SUCCESS;
    return complain("the dispute is of %s, not of %s; nothing was given up",
                    amount_text(arena, dispute->amount), wish->amount);
}

static int check_amount(const struct disputes_wish *wish)
{
    Dues__Payment__V1__GetDisputeRequest request = DUES__PAYMENT__V1__GET_DISPUTE_REQUEST__INIT;
    int exit_status = EXIT_SUCCESS;

    request.name = request_text(wish->list.wish.operand);
    struct dues_answer *answer =
        ask_payments(wish->list.wish.client, "GetDispute", &request.base, &exit_status);
    if (answer == NULL)
        return exit_status;
    exit_status = compare_amount(wish, (const void *)answer->reply);
    dues_answer_free(answer);
    return exit_status;
}

int disputes_accept(void *given)
{
    struct disputes_wish *wish = given;
    Dues__Payment__V1__AcceptDisputeRequest request =
        DUES__PAYMENT__V1__ACCEPT_DISPUTE_REQUEST__INIT;
    int exit_status = check_amount(wish);

    if (exit_status != EXIT_SUCCESS)
        return exit_status;
    const char *request_id = once_request_id(wish->list.wish.arena, wish->request_id);
    request.name = request_text(wish->list.wish.operand);
    request.request_id = request_text(request_id);
    return once_ask(&wish->list.wish, "AcceptDispute", &request.base,
                    &(struct once){.request_id = request_id}, tell);
}
