/*
 * AcceptDispute gives in: the dispute is lost at once, and nobody waits for the bank.
 *
 * It goes as SubmitDisputeEvidence, without evidence.
 */

#include "payment/dispute_internal.h"

const struct error *accept_dispute(struct call *call, const void *request, void *reply)
{
    const Dues__Payment__V1__AcceptDisputeRequest *req = request;
    struct field_errors errors = {.call = call};
    struct uuid ids[2];

    check_owned_name(&errors, "name", req->name, DISPUTE_PATTERN, ids, 2);
    TRY(field_errors_result(&errors));
    return dispute_answer_bank(call, ids, req->name, NULL, reply);
}
