/*
 * The recorded steps of captures and voids.
 */

#include "payment/payment_internal.h"

#include "base/fail_point.h"
#include "base/text.h"
#include "base/time.h"
#include "payment/payment_proto.h"
#include "pg/replay.h"

/* Other steps on the payment that may come between reading and writing. */
#define SETTLE_TRIES_MAX 20

const struct pg_statement capture_prepare_statement = {
    .name = "capture_prepare",
    .sql = "SELECT gateway, gateway_transaction FROM attempt"
           " WHERE customer_id = $1 AND payment_id = $2 AND operation = 'AUTHORIZE'"
           "   AND state = 'SUCCEEDED'",
};

const struct error *capture_prepare(struct call *call, const struct payment *payment,
                                    struct capture *capture)
{
    struct pg_rows rows;

    TRY(pg_read(call, payment->customer, &capture_prepare_statement,
                PG_PARAMS(pg_uuid(payment->customer), pg_uuid(payment->id)), &rows));
    if (rows.count == 0)
        return refuse(call, STATUS_FAILED_PRECONDITION, "PAYMENT_NOT_CAPTURABLE",
                      "people are looking into what the gateway holds for the payment");
    capture->customer = payment->customer;
    capture->payment = payment->id;
    capture->id = uuid_make(call->house->random, call->now_us);
    capture->gateway = pg_get_text(&rows, 0, "gateway");
    capture->transaction = pg_get_text(&rows, 0, "gateway_transaction");
    capture->gateway_key = attempt_gateway_key(call, capture->id, capture->operation);
    capture->lease_ms = attempt_lease_ms(call);
    capture->epoch = 1;
    capture->armed_us = clock_monotonic_us(call->house->clock);
    return NULL;
}

const struct error *void_prepare(struct call *call, const struct payment *payment, int64_t now_us,
                                 struct capture *capture)
{
    *capture = (struct capture){
        .operation = GATEWAY_VOID,
        .amount = money_make(payment->amount.currency, payment->capturable_minor),
        .is_final = true,
        .now_us = now_us,
    };
    return capture_prepare(call, payment, capture);
}

const struct pg_statement capture_record_statement = {
    .name = "capture_open",
    .sql = "SELECT outcome, answer, object_id"
           "  FROM capture_open($1, ROW($2, $3, $4, $5)::request_key,"
           "       ROW($6, $7, $8, $9, $10, $11, $12)::capture_intent, $13)",
};

const struct error *capture_record(struct call *call, const struct capture *capture,
                                   enum capture_recorded *recorded, struct uuid *object)
{
    struct pg_rows rows;
    bool found;

    TRY(FAIL_STEP(call, "capture.record", gateway_operation_name(capture->operation),
                  pg_write(call, capture->customer, &capture_record_statement,
                           PG_PARAMS(pg_uuid(capture->customer), REPLAY_PARAMS(call),
                                     pg_uuid(capture->id), pg_uuid(capture->payment),
                                     pg_text(gateway_operation_name(capture->operation)),
                                     pg_int64(capture->amount.minor_units),
                                     pg_bool(capture->is_final), pg_text(capture->gateway_key),
                                     pg_int64(capture->lease_ms), pg_time(capture->now_us)),
                           &rows)));
    const char *outcome = pg_get_text(&rows, 0, "outcome");
    *object = pg_get_uuid(&rows, 0, "object_id");
    if (text_equal(outcome, "running") || text_equal(outcome, "exceeds")) {
        *recorded = text_equal(outcome, "running") ? CAPTURE_RUNNING : CAPTURE_EXCEEDS;
        return NULL;
    }
    TRY(replay_outcome(call, &rows, &found));
    *recorded = found ? CAPTURE_REPLAYED : CAPTURE_RECORDED;
    return NULL;
}

const struct pg_statement capture_settle_statement = {
    .name = "capture_settle",
    .sql = "SELECT outcome, payment_id, payment_method_id, invoice_id, currency, amount,"
           "       description, state, decline_code, amount_captured, amount_refunded,"
           "       amount_refund_pending, create_time, update_time, is_manual, amount_capturable,"
           "       amount_capture_pending, authorization_expire_time,"
           "       amount_disputed, network_decline_code, advice"
           "  FROM capture_settle($1, $2, ROW($3, $4, $5, $6, $7, $8, $9, $10, $11, $12, NULL,"
           "       NULL, NULL)::settlement, ROW($13, $14, $15, $16, $17)::payment_known, $18, $19,"
           "       $20)",
};

/* Once, against the payment as it was read; the row's `outcome`. */
static const struct error *settle_against(struct call *call, const struct capture *capture,
                                          const struct gateway_answer *answer,
                                          struct payment *payment, const char **outcome)
{
    const struct payment known = *payment;
    struct bytes packed = {NULL, 0};
    struct pg_rows rows;

    if (answer->outcome == GATEWAY_SUCCEEDED) {
        Dues__Payment__V1__Payment proto = DUES__PAYMENT__V1__PAYMENT__INIT;
        struct payment after = payment_after_capture(&known, capture, answer, capture->now_us);
        payment_to_proto(call->arena, &after, &proto);
        packed = message_pack(call->arena, &proto.base);
    }
    TRY(FAIL_STEP(
        call, "capture.settle", gateway_operation_name(capture->operation),
        pg_write(
            call, capture->customer, &capture_settle_statement,
            PG_PARAMS(pg_uuid(capture->customer),
                      pg_text(gateway_operation_name(capture->operation)),
                      pg_uuid(capture->payment), pg_uuid(capture->id), pg_int64(capture->epoch),
                      pg_text(gateway_outcome_name(answer->outcome)), pg_text(answer->transaction),
                      pg_int64(answer->amount.minor_units), pg_text(answer->decline_code),
                      pg_text(answer->evidence), pg_text(answer->network_decline_code),
                      pg_text(answer->advice), pg_text(payment_state_name(known.state)),
                      pg_int64(known.captured_minor), pg_int64(known.capturable_minor),
                      pg_int64(known.capture_pending_minor), pg_int64(known.refunded_minor),
                      pg_text(capture->operation == GATEWAY_VOID ? CANCEL_PAYMENT_METHOD
                                                                 : CAPTURE_PAYMENT_METHOD),
                      packed.data == NULL ? pg_null(PG_BYTES) : pg_bytes(packed.data, packed.size),
                      pg_time(capture->now_us)),
            &rows)));
    payment_from_row(call, capture->customer, &rows, 0, payment);
    *outcome = pg_get_text(&rows, 0, "outcome");
    return NULL;
}

const struct error *capture_settle(struct call *call, const struct capture *capture,
                                   const struct gateway_answer *answer, struct payment *payment,
                                   bool *refused)
{
    const char *outcome = "changed";

    TRY(payment_load(call, capture->customer, capture->payment, payment));
    /* What has changed meanwhile is in the answer: no need to read it again. */
    for (int i = 0; i < SETTLE_TRIES_MAX && text_equal(outcome, "changed"); i++)
        TRY(settle_against(call, capture, answer, payment, &outcome));
    if (text_equal(outcome, "changed"))
        return error_retry(refuse(call, STATUS_ABORTED, "CONCURRENT_CHANGE",
                                  "payment changed while its capture was recorded"),
                           1000);
    if (refused != NULL)
        *refused = text_equal(outcome, "refused");
    return NULL;
}
