/*
 * Refunds: reading them, and their two recorded steps.
 */

#include "payment/payment_internal.h"

#include "base/bug.h"
#include "base/fail_point.h"
#include "base/text.h"
#include "base/time.h"
#include "payment/payment_measure.h"
#include "payment/payment_proto.h"
#include "pg/replay.h"

#define REFUND_COLUMNS                                                                             \
    "refund_id, payment_id, currency::text AS currency, amount, reason, state, failure_code,"      \
    " create_time, update_time, origin"

static void refund_from_row(struct call *call, struct uuid customer, const struct pg_rows *rows,
                            size_t row, struct refund *refund)
{
    const char *state = pg_get_text(rows, row, "state");

    *refund = (struct refund){
        .customer = customer,
        .payment = pg_get_uuid(rows, row, "payment_id"),
        .id = pg_get_uuid(rows, row, "refund_id"),
        .amount = money_make(pg_get_text(rows, row, "currency"), pg_get_int64(rows, row, "amount")),
        .reason = arena_strdup(call->arena, pg_get_text(rows, row, "reason")),
        .failure_code = arena_strdup(call->arena, pg_get_text(rows, row, "failure_code")),
        .is_of_gateway = text_equal(pg_get_text(rows, row, "origin"), "GATEWAY"),
        .create_time_us = pg_get_time(rows, row, "create_time"),
        .update_time_us = pg_get_time(rows, row, "update_time"),
    };
    if (!refund_state_parse(state, &refund->state))
        bug("refund in unknown state \"%s\"", state);
}

const struct pg_statement refund_load_statement = {
    .name = "refund_load",
    .sql = "SELECT " REFUND_COLUMNS " FROM refund"
           " WHERE customer_id = $1 AND payment_id = $2 AND refund_id = $3",
    .is_lookup = true,
};

const struct error *refund_load(struct call *call, struct uuid customer, struct uuid payment,
                                struct uuid id, struct refund *refund)
{
    static const struct pg_named named = {&refund_load_statement, REFUND_PATTERN,
                                          "REFUND_NOT_FOUND"};
    struct pg_rows rows;

    TRY(pg_load(call, &named, (struct uuid[]){customer, payment, id}, 3, &rows));
    refund_from_row(call, customer, &rows, 0, refund);
    return NULL;
}

const struct pg_statement refund_list_statement = {
    .name = "refund_list",
    .sql = "SELECT " REFUND_COLUMNS " FROM refund"
           " WHERE customer_id = $1 AND payment_id = $2 AND " PG_BELOW(
               "refund_id", "$3") " ORDER BY refund_id DESC LIMIT $4",
};

const struct error *refund_list(struct call *call, struct uuid customer, struct uuid payment,
                                struct uuid before, int64_t limit, struct refund **refunds,
                                size_t *count)
{
    struct pg_rows rows;

    TRY(pg_read(
        call, customer, &refund_list_statement,
        PG_PARAMS(pg_uuid(customer), pg_uuid(payment), pg_uuid_or_null(before), pg_int64(limit)),
        &rows));
    *refunds = arena_array(call->arena, rows.count + 1, sizeof **refunds);
    for (size_t i = 0; i < rows.count; i++)
        refund_from_row(call, customer, &rows, i, &(*refunds)[i]);
    *count = rows.count;
    return NULL;
}

const struct pg_statement refund_prepare_statement = {
    .name = "refund_prepare",
    .sql = "SELECT gateway, gateway_transaction FROM attempt"
           " WHERE customer_id = $1 AND payment_id = $2 AND operation IN ('CHARGE', 'AUTHORIZE')"
           "   AND gateway_transaction <> '' ORDER BY sequence DESC LIMIT 1",
};

const struct error *refund_prepare(struct call *call, const struct refund *refund,
                                   struct refund_attempt *attempt)
{
    struct pg_rows rows;

    TRY(pg_read(call, refund->customer, &refund_prepare_statement,
                PG_PARAMS(pg_uuid(refund->customer), pg_uuid(refund->payment)), &rows));
    if (rows.count == 0)
        return refuse(call, STATUS_FAILED_PRECONDITION, "PAYMENT_NOT_REFUNDABLE",
                      "the payment has captured nothing that could be returned");
    attempt->id = uuid_make(call->house->random, call->now_us);
    attempt->gateway = pg_get_text(&rows, 0, "gateway");
    attempt->acted_on = pg_get_text(&rows, 0, "gateway_transaction");
    attempt->gateway_key = attempt_gateway_key(call, attempt->id, GATEWAY_REFUND);
    attempt->lease_ms = attempt_lease_ms(call);
    attempt->epoch = 1;
    attempt->now_us = refund->create_time_us;
    attempt->armed_us = clock_monotonic_us(call->house->clock);
    return NULL;
}

const struct pg_statement refund_record_statement = {
    .name = "refund_open",
    .sql = "SELECT outcome, answer, object_id"
           "  FROM refund_open($1, ROW($2, $3, $4, $5)::request_key,"
           "       ROW($6, $7, $8, $9, $10, $11, $12)::refund_intent, $13)",
};

const struct error *refund_record(struct call *call, const struct refund *refund,
                                  const struct refund_attempt *attempt,
                                  enum refund_recorded *recorded, struct uuid *object)
{
    struct pg_rows rows;
    bool found;

    TRY(FAIL_STEP(
        call, "refund.record", "",
        pg_write(call, refund->customer, &refund_record_statement,
                 PG_PARAMS(pg_uuid(refund->customer), REPLAY_PARAMS(call),
                           REFUND_PARAMS(refund, attempt), pg_time(refund->create_time_us)),
                 &rows)));
    const char *outcome = pg_get_text(&rows, 0, "outcome");
    *object = pg_get_uuid(&rows, 0, "object_id");
    if (text_equal(outcome, "running") || text_equal(outcome, "exceeds")) {
        *recorded = text_equal(outcome, "running") ? REFUND_RUNNING : REFUND_EXCEEDS;
        return NULL;
    }
    TRY(replay_outcome(call, &rows, &found));
    *recorded = found ? REFUND_REPLAYED : REFUND_RECORDED;
    return NULL;
}

/* The refund as it will stand once `answer` is recorded; false: not a definitive answer. */
static bool refund_foresee(const struct refund_attempt *attempt,
                           const struct gateway_answer *answer, struct refund *refund)
{
    refund->update_time_us = attempt->now_us;
    switch (answer->outcome) {
    case GATEWAY_SUCCEEDED:
        refund->state = REFUND_SUCCEEDED;
        refund->amount = answer->amount;
        refund->failure_code = "";
        return true;
    case GATEWAY_DECLINED:
    case GATEWAY_FAILED:
        refund->state = REFUND_FAILED;
        refund->failure_code = answer->decline_code[0] == '\0' ? "unknown" : answer->decline_code;
        return true;
    case GATEWAY_REQUIRES_ACTION: /* means nothing for a refund */
    case GATEWAY_NOT_SENT:
    case GATEWAY_IN_FLIGHT:
    case GATEWAY_UNKNOWN:
        break;
    }
    return false;
}

const struct pg_statement refund_settle_statement = {
    .name = "refund_settle",
    .sql = "SELECT outcome, refund_id, payment_id, currency, amount, reason, state, failure_code,"
           "       create_time, update_time, origin"
           "  FROM refund_settle($1, ROW($2, $3, $4, $5, $6, $7, $8, $9, '', '', NULL, NULL,"
           "       NULL)::settlement, $10, $11, $12, $13)",
};

const struct error *refund_settle(struct call *call, const struct refund_attempt *attempt,
                                  const struct gateway_answer *answer, struct refund *refund)
{
    struct bytes packed = {NULL, 0};
    struct refund foreseen = *refund;
    struct pg_rows rows;

    if (refund_foresee(attempt, answer, &foreseen)) {
        Dues__Payment__V1__Refund proto = DUES__PAYMENT__V1__REFUND__INIT;
        refund_to_proto(call->arena, &foreseen, &proto);
        packed = message_pack(call->arena, &proto.base);
    }
    TRY(FAIL_STEP(
        call, "refund.settle", "",
        pg_write(call, refund->customer, &refund_settle_statement,
                 PG_PARAMS(
                     pg_uuid(refund->customer), pg_uuid(refund->payment), pg_uuid(attempt->id),
                     pg_int64(attempt->epoch), pg_text(gateway_outcome_name(answer->outcome)),
                     pg_text(answer->transaction), pg_int64(answer->amount.minor_units),
                     pg_text(answer->decline_code), pg_text(answer->evidence),
                     pg_text(CREATE_REFUND_METHOD), pg_bytes(packed.data, packed.size),
                     pg_time_or_null(refund_watch_from_us(call, attempt->gateway, attempt->now_us)),
                     pg_time(attempt->now_us)),
                 &rows)));
    refund_from_row(call, refund->customer, &rows, 0, refund);
    if (text_equal(pg_get_text(&rows, 0, "outcome"), "settled"))
        refund_count_settled(call, answer);
    return NULL;
}
