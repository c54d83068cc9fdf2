/*
 * What the files on disputes share.
 */
#pragma once

#include "dues/payment/v1/payment_service.pb-c.h"
#include "payment/dispute.h"
#include "payment/payment_internal.h"

#define SUBMIT_DISPUTE_EVIDENCE_METHOD "/dues.payment.v1.PaymentService/SubmitDisputeEvidence"
#define ACCEPT_DISPUTE_METHOD          "/dues.payment.v1.PaymentService/AcceptDispute"

/* dispute_store.c */

const struct error *dispute_find(struct call *call, struct uuid customer, const char *gateway,
                                 const char *gateway_dispute, struct dispute *dispute, bool *found)
    MUST_CHECK;

/* Newest first; `payment` UUID_NIL: of all. */
const struct error *dispute_list(struct call *call, struct uuid customer, struct uuid payment,
                                 const struct payment_filter *filter, struct uuid before,
                                 int64_t limit, struct dispute **disputes, size_t *count)
    MUST_CHECK;

/* Is a dispute with the gateway's id recorded, whosever it is? */
const struct error *dispute_is_recorded(struct call *call, const char *gateway, const char *id,
                                        bool *recorded) MUST_CHECK;

/* `*recorded` false: it stands otherwise than `before` says; read and decide again. */
const struct error *dispute_record(struct call *call, const struct dispute *before,
                                   const struct dispute *after, bool *recorded) MUST_CHECK;

/* When to look at a dispute that has just changed; wall time. */
int64_t dispute_watch_us(const struct call *call);

/* $2 to $17, the fields of SQL type dispute_known. */
#define DISPUTE_PLACES "$2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17"
#define DISPUTE_PARAMS(before, after)                                                              \
    pg_uuid((after)->id), pg_uuid((after)->payment), pg_int64((before)->version),                  \
        pg_text((after)->gateway), pg_text((after)->gateway_dispute),                              \
        pg_text((after)->amount.currency), pg_int64((after)->amount.minor_units),                  \
        pg_text((after)->reason), pg_bool((after)->is_inquiry),                                    \
        pg_text(dispute_state_name((after)->state)), pg_int64((after)->withdrawn_minor),           \
        pg_text((after)->fee.currency), pg_int64((after)->fee.minor_units),                        \
        pg_time_or_null((after)->evidence_due_us), pg_time_or_null((after)->evidence_us),          \
        pg_time((after)->asked_us)

/* dispute_response_store.c */

struct dispute_response {
    struct uuid customer;
    struct uuid id;
    struct uuid dispute;
    enum dispute_action action;
    const char *gateway_key;
    struct gateway_evidence_text evidence[GATEWAY_EVIDENCE_TEXTS];
    size_t evidence_count;
    bool had_evidence; /* the gateway had some before: what it has now proves nothing */
    int64_t age_us;    /* since the first send, by the database's clock */
    int64_t now_us;    /* the customer's present */
    bool is_over;
};

enum dispute_responding {
    DISPUTE_RESPONDING,
    DISPUTE_RESPONSE_REPLAYED,
    DISPUTE_RESPONSE_RUNNING, /* `*object` is the response of the first request */
    DISPUTE_RESPONSE_BUSY,    /* another one is on its way */
    DISPUTE_RESPONSE_CHANGED, /* the dispute is not as it was read */
};

const char *dispute_action_name(enum dispute_action action);

const struct error *dispute_response_record(struct call *call, const struct dispute *dispute,
                                            const struct dispute_response *response,
                                            enum dispute_responding *recorded, struct uuid *object)
    MUST_CHECK;

const struct error *dispute_response_load(struct call *call, struct uuid customer, struct uuid id,
                                          struct dispute_response *response, bool *found)
    MUST_CHECK;

/* The gateway has done it.  `*outcome`: "settled", "again", "changed". */
const struct error *dispute_responded(struct call *call, const struct dispute_response *response,
                                      const struct dispute *before, const struct dispute *after,
                                      const char **outcome) MUST_CHECK;
const struct error *dispute_response_refused(struct call *call,
                                             const struct dispute_response *response, bool *refused)
    MUST_CHECK;
const struct error *dispute_response_wait(struct call *call,
                                          const struct dispute_response *response) MUST_CHECK;

/* Nobody found out in time: an incident, and the dispute can be answered again. */
const struct error *dispute_response_give_up(struct call *call,
                                             const struct dispute_response *response,
                                             const char *detail) MUST_CHECK;

/* dispute_response.c */

/*
 * What both calls do once their request is read: replay, rules, recorded intent, gateway, result.
 * `evidence` is NULL when we give in.
 */
const struct error *dispute_answer_bank(struct call *call, const struct uuid ids[2],
                                        const char *name,
                                        const Dues__Payment__V1__DisputeEvidence *evidence,
                                        Dues__Payment__V1__Dispute *reply) MUST_CHECK;

/* dispute_rules.c */

/* Is it about this dispute, and in its currency? */
bool dispute_news_fit(const struct dispute *dispute, const struct gateway_dispute *news);

/* What the gateway's present shows of a response that may have arrived. */
enum dispute_seen {
    DISPUTE_SEEN_DONE,
    DISPUTE_SEEN_REFUSED, /* it is over without it */
    DISPUTE_SEEN_ABSENT,  /* it is not there, and may be on its way */
    DISPUTE_SEEN_NOTHING, /* evidence is there, and was before */
};

enum dispute_seen dispute_response_seen(const struct dispute_response *response,
                                        const struct gateway_dispute *news);

/* What an adapter leaves out is nothing.  False: no dispute is like that. */
bool dispute_news_complete(struct arena *arena, struct gateway_dispute *news);

/* dispute_proto.c */

void dispute_to_proto(struct arena *arena, const struct dispute *dispute,
                      Dues__Payment__V1__Dispute *proto);

/* CR LF becomes LF; a CR alone is refused before. */
void dispute_evidence_join_line_ends(Dues__Payment__V1__DisputeEvidence *evidence);

/* The texts that are there, by their names in the contract. */
size_t dispute_evidence_texts(const Dues__Payment__V1__DisputeEvidence *evidence,
                              struct gateway_evidence_text texts[GATEWAY_EVIDENCE_TEXTS]);
