/*
 * Disputes as the contract shows them.  The same struct always packs to the same bytes.
 */

#include "payment/dispute_internal.h"
#include "payment/payment_proto.h"

typedef Dues__Payment__V1__Dispute Proto;

static Dues__Payment__V1__Dispute__State state_to_proto(enum dispute_state state)
{
    switch (state) {
    case DISPUTE_NEEDS_RESPONSE:
        return DUES__PAYMENT__V1__DISPUTE__STATE__STATE_NEEDS_RESPONSE;
    case DISPUTE_UNDER_REVIEW:
        return DUES__PAYMENT__V1__DISPUTE__STATE__STATE_UNDER_REVIEW;
    case DISPUTE_WON:
        return DUES__PAYMENT__V1__DISPUTE__STATE__STATE_WON;
    case DISPUTE_LOST:
        return DUES__PAYMENT__V1__DISPUTE__STATE__STATE_LOST;
    case DISPUTE_ACCEPTED:
        return DUES__PAYMENT__V1__DISPUTE__STATE__STATE_ACCEPTED;
    case DISPUTE_CLOSED:
        return DUES__PAYMENT__V1__DISPUTE__STATE__STATE_CLOSED;
    case DISPUTE_STATE_COUNT:
        break;
    }
    return DUES__PAYMENT__V1__DISPUTE__STATE__STATE_UNSPECIFIED;
}

static Dues__Payment__V1__Dispute__Response response_to_proto(enum dispute_action action)
{
    switch (action) {
    case DISPUTE_EVIDENCE:
        return DUES__PAYMENT__V1__DISPUTE__RESPONSE__RESPONSE_EVIDENCE;
    case DISPUTE_ACCEPT:
        return DUES__PAYMENT__V1__DISPUTE__RESPONSE__RESPONSE_ACCEPTANCE;
    case DISPUTE_NO_ACTION:
        break;
    }
    return DUES__PAYMENT__V1__DISPUTE__RESPONSE__RESPONSE_UNSPECIFIED;
}

void dispute_to_proto(struct arena *arena, const struct dispute *dispute, Proto *proto)
{
    proto->name =
        name_make(arena, DISPUTE_PATTERN, (struct uuid[]){dispute->customer, dispute->id});
    proto->payment =
        name_make(arena, PAYMENT_PATTERN, (struct uuid[]){dispute->customer, dispute->payment});
    proto->state = state_to_proto(dispute->state);
    proto->amount = money_to_proto(arena, dispute->amount);
    proto->amount_withdrawn =
        money_to_proto(arena, money_make(dispute->amount.currency, dispute->withdrawn_minor));
    if (dispute->fee.minor_units > 0)
        proto->fee = money_to_proto(arena, dispute->fee);
    proto->reason = arena_strdup(arena, dispute->reason);
    proto->inquiry = dispute->is_inquiry;
    if (dispute->evidence_due_us != 0)
        proto->evidence_due_time = time_to_proto(arena, dispute->evidence_due_us);
    if (dispute->evidence_us != 0)
        proto->evidence_submit_time = time_to_proto(arena, dispute->evidence_us);
    proto->pending_response = response_to_proto(dispute->response_action);
    proto->gateway = arena_strdup(arena, dispute->gateway);
    proto->gateway_dispute = arena_strdup(arena, dispute->gateway_dispute);
    proto->create_time = time_to_proto(arena, dispute->create_time_us);
    proto->update_time = time_to_proto(arena, dispute->update_time_us);
}

void dispute_evidence_join_line_ends(Dues__Payment__V1__DisputeEvidence *evidence)
{
    const ProtobufCMessageDescriptor *descriptor = &dues__payment__v1__dispute_evidence__descriptor;

    for (unsigned i = 0; i < descriptor->n_fields; i++) {
        char *text;
        memcpy(&text, (const char *)evidence + descriptor->fields[i].offset, sizeof text);
        char *end = text;
        for (; *text != '\0'; text++) {
            if (*text != '\r')
                *end++ = *text;
        }
        /* An empty one is protobuf-c's own constant. */
        if (end != text)
            *end = '\0';
    }
}

size_t dispute_evidence_texts(const Dues__Payment__V1__DisputeEvidence *evidence,
                              struct gateway_evidence_text texts[GATEWAY_EVIDENCE_TEXTS])
{
    const ProtobufCMessageDescriptor *descriptor = &dues__payment__v1__dispute_evidence__descriptor;
    size_t count = 0;

    for (unsigned i = 0; i < descriptor->n_fields && count < GATEWAY_EVIDENCE_TEXTS; i++) {
        const ProtobufCFieldDescriptor *field = &descriptor->fields[i];
        const char *text;
        memcpy(&text, (const char *)evidence + field->offset, sizeof text);
        if (text[0] != '\0')
            texts[count++] = (struct gateway_evidence_text){field->name, text};
    }
    return count;
}
