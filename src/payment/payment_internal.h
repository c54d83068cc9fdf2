/*
 * What the files of this room share and nobody above needs.
 */
#pragma once

#include "base/check.h"
#include "base/owner.h"
#include "dues/payment/v1/payment_service.pb-c.h"
#include "payment/capture.h"
#include "payment/charge.h"
#include "payment/dispute.h"
#include "payment/payment.h"
#include "payment/payment_method.h"
#include "payment/refund.h"

#define CREATE_PAYMENT_METHOD  "/dues.payment.v1.PaymentService/CreatePayment"
#define CAPTURE_PAYMENT_METHOD "/dues.payment.v1.PaymentService/CapturePayment"
#define CANCEL_PAYMENT_METHOD  "/dues.payment.v1.PaymentService/CancelPayment"
#define CREATE_REFUND_METHOD   "/dues.payment.v1.PaymentService/CreateRefund"

#define PAYMENT_METHOD_PATTERN "customers/{}/paymentMethods/{}"
#define PAYMENT_PATTERN        "customers/{}/payments/{}"
#define REFUND_PATTERN         "customers/{}/payments/{}/refunds/{}"
#define DISPUTE_PATTERN        "customers/{}/disputes/{}"
#define INVOICE_PATTERN        "customers/{}/invoices/{}"
#define INCIDENT_PATTERN       "customers/{}/incidents/{}"

rpc_handler create_payment_method, get_payment_method, list_payment_methods;
rpc_handler update_payment_method, delete_payment_method;
rpc_handler create_payment, get_payment, list_payments;
rpc_handler confirm_payment, capture_payment, cancel_payment;
rpc_handler create_refund, get_refund, list_refunds;
rpc_handler get_dispute, list_disputes, submit_dispute_evidence, accept_dispute;
rpc_handler list_events;
rpc_stream_handler watch_events, watch_payments;
rpc_handler get_balance, list_ledger_entries;
rpc_handler create_webhook_endpoint, get_webhook_endpoint, list_webhook_endpoints;
rpc_handler update_webhook_endpoint, delete_webhook_endpoint, rotate_webhook_secret;
rpc_handler list_webhook_deliveries, redeliver_webhook;
rpc_handler list_incidents, resolve_incident;
rpc_handler run_reconciliation, list_reconciliations;

/* payment_store.c */

/* Which payments a list asks for; see payment_filter.c. */
struct payment_filter {
    const char *states;        /* "SUCCEEDED,FAILED"; NULL: all */
    int64_t created_from_us;   /* inclusive; 0: no bound */
    int64_t created_until_us;  /* exclusive; 0: no bound */
    const char *created_never; /* RFC 3339 times, comma-separated; NULL: none */
};

const struct error *payment_list(struct call *call, struct uuid customer,
                                 const struct payment_filter *filter, struct uuid before,
                                 int64_t limit, struct payment **payments, size_t *count)
    MUST_CHECK;

/* Fails with INVALID_ARGUMENT / FILTER_INVALID. */
const struct error *payment_filter_parse(struct call *call, const char *text,
                                         struct payment_filter *filter) MUST_CHECK;
const struct error *dispute_filter_parse(struct call *call, const char *text,
                                         struct payment_filter *filter) MUST_CHECK;

/* attempt_store.c */

struct attempt {
    struct uuid id;
    struct uuid payment;
    struct uuid refund; /* UUID_NIL: no refund */
    enum gateway_operation operation;
    enum attempt_state state;
    const char *gateway;
    const char *gateway_key;
    struct money amount;
    bool off_session;
    const char *acted_on;    /* capture, void, refund: the gateway's transaction */
    const char *transaction; /* what the gateway made of it; "" while unknown */
    bool is_final;
    int64_t epoch;
    int64_t age_us;        /* since the first send, by the database's clock */
    int64_t lease_left_us; /* 0: nobody drives it */
};

/* `*found` false: no such attempt. */
const struct error *attempt_find(struct call *call, struct uuid customer, struct uuid id,
                                 struct attempt *attempt, bool *found) MUST_CHECK;

/* The same when only its id is known, as a gateway tells it: also whose it is. */
const struct error *attempt_find_anywhere(struct call *call, struct uuid id, struct uuid *customer,
                                          struct attempt *attempt, bool *found) MUST_CHECK;

/* The charge or authorization of a payment. */
const struct error *attempt_of_payment(struct call *call, struct uuid customer, struct uuid payment,
                                       struct attempt *attempt, bool *found) MUST_CHECK;

/* Is a fiber of some server at work on the newest attempt?  `refund` UUID_NIL: the charge. */
const struct error *attempt_is_driven(struct call *call, struct uuid customer, struct uuid payment,
                                      struct uuid refund, bool *driven) MUST_CHECK;

/* Step T2 again, under a new epoch; `*claimed` false: somebody else holds it. */
const struct error *attempt_claim(struct call *call, struct uuid customer, struct attempt *attempt,
                                  int64_t lease_ms, bool *claimed) MUST_CHECK;

/* Step T6.  `*gave_up` false: it has moved meanwhile. */
const struct error *attempt_give_up(struct call *call, struct uuid customer,
                                    const struct attempt *attempt, int64_t now_us, bool *gave_up)
    MUST_CHECK;

/* attempt.c */

/* Pure function of the attempt and what it does; never holds anything personal. */
const char *attempt_gateway_key(struct call *call, struct uuid attempt,
                                enum gateway_operation operation);

/* The same for whatever else is asked under a key; `letter` tells what from what. */
const char *gateway_key_make(struct call *call, struct uuid id, uint8_t letter);

/* What a gateway answered is recorded also when nobody waits for it any more. */
void attempt_be_patient(struct call *call);

/* How long a sender holds an attempt: longer than the gateway's timeout. */
int64_t attempt_lease_ms(const struct call *call);

/* A request to the gateway under a lease of attempt_lease_ms that began after `armed_us`. */
struct attempt_ask {
    const char *gateway;
    struct gateway_request request;
    int64_t armed_us;
    bool query_only; /* the gateway's window for sending again has passed */
};

/* Sends or queries; see charge_send for what it promises. */
void attempt_ask(struct call *call, const struct attempt_ask *ask, struct gateway_answer *answer);

/* Waiting for whoever drives an attempt; begins as {0}. */
struct attempt_wait {
    int64_t waited_us;
};

/* Sleeps a little, longer from time to time; false, at once: it has been long enough. */
bool attempt_wait(struct call *call, struct attempt_wait *wait);

/* refund_watch.c */

/* Of a refund that had succeeded: does the gateway say that it has failed after all? */
bool refund_has_failed(const struct attempt *attempt, const struct gateway_answer *answer);

/* capture.c */

/* ABORTED CAPTURE_IN_PROGRESS, with RetryInfo. */
const struct error *capture_in_progress(struct call *call);

/* The first request with this id is not answered yet: its answer, or the payment as it stands. */
const struct error *capture_as_it_stands(struct call *call, struct uuid customer,
                                         struct uuid attempt_id, Dues__Payment__V1__Payment *reply)
    MUST_CHECK;

/* What tells a capture that a caller asks for from a void. */
struct capture_rules {
    /* NULL: the payment, as it has become meanwhile, still allows it. */
    const struct error *(*check)(struct call *call, const struct payment *payment,
                                 const void *intent);
    const void *intent;
    /* `payment` is what has become of it. */
    const struct error *(*refused)(struct call *call, const struct gateway_answer *answer,
                                   const struct payment *payment);
};

/* All that follows once it is prepared: records it, asks the gateway, settles, answers. */
const struct error *capture_run(struct call *call, const struct capture *capture,
                                const struct capture_rules *rules,
                                Dues__Payment__V1__Payment *reply) MUST_CHECK;

/* hold.c */

/*
 * Has the gateway let go of what is held and free.  `*payment` becomes what is recorded; it stays
 * as it was while something else is on its way or the answer is not known: its resolver goes on.
 * `*refused`: the gateway does not, which people are told.
 */
const struct error *hold_let_go(struct call *call, struct payment *payment, int64_t now_us,
                                bool *refused) MUST_CHECK;

/* The same where the gateway has said that it holds nothing; nothing, where that is known. */
const struct error *hold_end(struct call *call, struct uuid customer, struct uuid payment_id,
                             struct payment *payment) MUST_CHECK;

/*
 * Asks the gateway whether it has given up what the authorization holds, and if so, ends it.
 * `*heard`: it has answered, or there was nothing to ask.
 */
const struct error *hold_look(struct call *call, struct uuid customer,
                              const struct attempt *authorization, bool *heard) MUST_CHECK;

/* payment_method_store.c */

/*
 * Records what differs between the two, and the answer.  `*changed`: the method is not as `before`
 * any more; nothing was written.
 */
const struct error *payment_method_update(struct call *call, const struct payment_method *before,
                                          const struct payment_method *after, struct bytes answer,
                                          int64_t now_us, bool *changed) MUST_CHECK;

/* charge_store.c */

/* All that CreatePayment rests on, from one look. */
struct payment_ground {
    bool replayed;     /* call->recorded holds the first answer; nothing else is set */
    struct uuid first; /* what the first request with this id made; UUID_NIL: it is the first */
    int64_t now_us;    /* the customer's present */
    bool has_method;
    struct payment_method method;
};

/* Fails with NOT_FOUND CUSTOMER_NOT_FOUND, INVALID_ARGUMENT REQUEST_ID_REUSED. */
const struct error *payment_ground_load(struct call *call, struct uuid customer,
                                        struct uuid payment_method, struct payment_ground *ground)
    MUST_CHECK;

enum charge_recorded { CHARGE_RECORDED, CHARGE_REPLAYED, CHARGE_RUNNING };

/* Steps T1 and T2 of CreatePayment.  CHARGE_RUNNING: `*object` is the payment of the first request.
 */
const struct error *charge_record(struct call *call, const struct charge *charge,
                                  enum charge_recorded *recorded, struct uuid *object) MUST_CHECK;

/* action.c */

/*
 * Asks the gateway what the customer did, of a charge that was claimed; `gives_up`: if nothing yet,
 * the gateway lets go of it, and that is the answer.
 */
void action_ask(struct call *call, const struct charge *charge, bool gives_up,
                struct gateway_answer *answer);

/*
 * Before a "no" is recorded of what the customer was given to pay: sees to it that the gateway lets
 * go of it, else `*answer` becomes what is known then, UNKNOWN when that is nothing.
 */
void action_close(struct call *call, const struct charge *charge, struct gateway_answer *answer);

/*
 * action_look (payment.h) for who has to know: `*payment` is as the gateway said after this call
 * began.  Fails with ABORTED CONFIRMATION_IN_PROGRESS while it has not said that.
 */
const struct error *action_confirm(struct call *call, struct payment *payment) MUST_CHECK;

/* Is it time to wait no longer for the customer?  Also tells the charge whether it was canceled. */
const struct error *action_is_over(struct call *call, struct charge *charge, bool *over) MUST_CHECK;

/*
 * What was let go of on request was canceled, whoever finds it out: its caller, the resolver, news,
 * a reconciliation.
 */
struct gateway_answer action_name_end(const struct charge *charge,
                                      const struct gateway_answer *answer);

/* The decline of an attempt that CancelPayment ended; never a payment's. */
#define DECLINE_CANCELED "canceled"

/* action_store.c */

struct action_terms {
    bool found;
    int64_t expire_us; /* customer's time */
    int64_t create_us;
    bool is_wanted; /* false: the invoice that it pays is not open any more */
    bool is_canceled;
};
const struct error *action_terms_load(struct call *call, struct uuid customer, struct uuid payment,
                                      struct action_terms *terms) MUST_CHECK;

/*
 * Records that nobody waits for the customer any more.  CAPTURE_EXCEEDS: nobody did;
 * CAPTURE_RUNNING: `*object` is the attempt of the first request.
 */
const struct error *action_cancel_record(struct call *call, const struct payment *payment,
                                         struct uuid attempt, int64_t now_us,
                                         enum capture_recorded *recorded, struct uuid *object)
    MUST_CHECK;

/* Builds the charge again from what is recorded, for the resolver. */
const struct error *charge_restore(struct call *call, const struct customer *customer,
                                   const struct attempt *attempt, struct charge *charge) MUST_CHECK;

struct gateway_request charge_request(struct call *call, const struct charge *charge);
struct gateway_request refund_request(struct call *call, const struct refund *refund,
                                      const struct refund_attempt *attempt);

/* What each *_store.c prepares, for payment_statements. */
extern const struct pg_statement payment_load_statement, payment_list_statement;
extern const struct pg_statement attempt_find_statement, attempt_driven_statement;
extern const struct pg_statement attempt_claim_statement, attempt_give_up_statement;
extern const struct pg_statement payment_ground_statement, charge_record_statement,
    charge_settle_statement, charge_restore_statement;
extern const struct pg_statement refund_load_statement, refund_list_statement;
extern const struct pg_statement refund_prepare_statement, refund_record_statement,
    refund_settle_statement;
extern const struct pg_statement attempt_of_payment_statement, action_load_statement,
    action_terms_statement, action_cancel_statement;
extern const struct pg_statement capture_prepare_statement, capture_record_statement,
    capture_settle_statement, release_refused_statement;
extern const struct pg_statement refund_reverse_statement, refund_came_back_statement;
extern const struct pg_statement incident_open_statement, incident_load_statement,
    incident_list_statement, incident_approvals_statement, incident_approve_statement,
    incident_take_statement, incident_finish_statement;
extern const struct pg_statement attempt_owner_statement;
extern const struct pg_statement dispute_load_statement, dispute_find_statement,
    dispute_list_statement, dispute_known_statement, dispute_record_statement;
extern const struct pg_statement dispute_give_up_statement, dispute_respond_statement,
    dispute_response_load_statement, dispute_responded_statement, dispute_refused_statement,
    dispute_wait_statement;
extern const struct pg_statement reconciliation_load_statement, reconciliation_list_statement,
    reconciliation_begin_statement, reconciliation_pass_statement, reconciliation_trouble_statement,
    reconciliation_sweep_statement, reconcile_report_statement, reconcile_hurry_statement,
    reconcile_find_statement, reconcile_differences_statement, reconcile_disputes_statement,
    reconcile_dispute_version_statement, reconciliation_compared_statement,
    reconciliation_page_statement, reconciliation_own_statement, reconciliation_fees_statement,
    reconciliation_fee_statement, reconciliation_leaks_statement, reconcile_mark_statement,
    reconcile_confirmed_statement, reconcile_unconfirmed_statement,
    reconciliation_schedule_statement, reconciliation_doubt_statement, reconciliation_ask_statement,
    reconciliation_asked_statement, reconcile_next_doubt_statement;
extern const struct pg_statement payment_method_load_statement, payment_method_list_statement,
    payment_method_record_statement, payment_method_update_statement,
    payment_method_refresh_statement, payment_method_delete_statement,
    payment_method_notice_statement, payment_method_is_awaited_statement,
    payment_method_detached_statement, payment_method_told_statement;
