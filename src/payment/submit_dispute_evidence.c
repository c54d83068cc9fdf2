/*
 * SubmitDisputeEvidence gives the bank what speaks against a dispute, once for all.
 *
 * The texts are bounded here, field by field and together; dispute_response.c does the rest.
 */

#include "payment/dispute_internal.h"

#define WORDS_MAX    255
#define ADDRESS_MAX  500
#define TEXT_MAX     2000
#define EVIDENCE_MAX 8000 /* bytes, all together */

static const struct error *validate(struct call *call,
                                    const Dues__Payment__V1__SubmitDisputeEvidenceRequest *req,
                                    struct uuid ids[2])
{
    const Dues__Payment__V1__DisputeEvidence *evidence = req->evidence;
    struct gateway_evidence_text texts[GATEWAY_EVIDENCE_TEXTS];
    struct field_errors errors = {.call = call};
    size_t size = 0;
    size_t count = 0;

    check_owned_name(&errors, "name", req->name, DISPUTE_PATTERN, ids, 2);
    if (evidence != NULL) {
        dispute_evidence_join_line_ends(req->evidence);
        const struct {
            const char *field;
            const char *text;
            size_t length_max;
        } rules[] = {
            {"evidence.product_description", evidence->product_description, TEXT_MAX},
            {"evidence.customer_name", evidence->customer_name, WORDS_MAX},
            {"evidence.billing_address", evidence->billing_address, ADDRESS_MAX},
            {"evidence.access_activity_log", evidence->access_activity_log, TEXT_MAX},
            {"evidence.service_date", evidence->service_date, WORDS_MAX},
            {"evidence.shipping_address", evidence->shipping_address, ADDRESS_MAX},
            {"evidence.shipping_carrier", evidence->shipping_carrier, WORDS_MAX},
            {"evidence.shipping_date", evidence->shipping_date, WORDS_MAX},
            {"evidence.shipping_tracking_number", evidence->shipping_tracking_number, WORDS_MAX},
            {"evidence.cancellation_policy_disclosure", evidence->cancellation_policy_disclosure,
             TEXT_MAX},
            {"evidence.cancellation_rebuttal", evidence->cancellation_rebuttal, TEXT_MAX},
            {"evidence.refund_policy_disclosure", evidence->refund_policy_disclosure, TEXT_MAX},
            {"evidence.refund_refusal_explanation", evidence->refund_refusal_explanation, TEXT_MAX},
            {"evidence.uncategorized_text", evidence->uncategorized_text, TEXT_MAX},
        };
        for (size_t i = 0; i < ARRAY_LENGTH(rules); i++)
            check_text(&errors, rules[i].field, rules[i].text, 0, rules[i].length_max);
        if (evidence->customer_email_address[0] != '\0')
            check_email(&errors, "evidence.customer_email_address",
                        evidence->customer_email_address);
        check_ip_address(&errors, "evidence.customer_purchase_ip", evidence->customer_purchase_ip);
        count = dispute_evidence_texts(evidence, texts);
    }
    for (size_t i = 0; i < count; i++)
        size += strlen(texts[i].text);
    if (count == 0)
        field_error_add(&errors, "evidence", "must hold at least one text");
    else if (size > EVIDENCE_MAX)
        field_error_add(&errors, "evidence", "must be at most %d bytes in all", EVIDENCE_MAX);
    return field_errors_result(&errors);
}

const struct error *submit_dispute_evidence(struct call *call, const void *request, void *reply)
{
    const Dues__Payment__V1__SubmitDisputeEvidenceRequest *req = request;
    struct uuid ids[2];

    TRY(validate(call, req, ids));
    return dispute_answer_bank(call, ids, req->name, req->evidence, reply);
}
