/*
 * Attempts: reading them, and taking them over.  Their results are recorded with what follows from
 * them, by the step of whoever charges.
 */

#include "payment/payment_internal.h"

#include "base/bug.h"
#include "base/fail_point.h"

const struct pg_statement attempt_find_statement = {
    .name = "attempt_find",
    .sql = "SELECT attempt_id, payment_id, refund_id, operation, state, gateway, gateway_key,"
           "       currency::text AS currency, amount, off_session, charge_transaction, is_final,"
           "       gateway_transaction, epoch,"
           "       (extract(epoch FROM clock_timestamp() - first_sent_time) * 1000000)::bigint"
           "           AS age_us,"
           "       coalesce(greatest(extract(epoch FROM lease_until - clock_timestamp())"
           "                         * 1000000, 0), 0)::bigint AS lease_left_us"
           "  FROM attempt WHERE customer_id = $1 AND attempt_id = $2",
    .is_lookup = true,
};

const struct error *attempt_find(struct call *call, struct uuid customer, struct uuid id,
                                 struct attempt *attempt, bool *found)
{
    struct pg_rows rows;

    TRY(pg_read(call, customer, &attempt_find_statement, PG_PARAMS(pg_uuid(customer), pg_uuid(id)),
                &rows));
    *found = rows.count > 0;
    if (!*found)
        return NULL;
    *attempt = (struct attempt){
        .id = id,
        .payment = pg_get_uuid(&rows, 0, "payment_id"),
        .refund = pg_get_uuid(&rows, 0, "refund_id"),
        .gateway = pg_get_text(&rows, 0, "gateway"),
        .gateway_key = pg_get_text(&rows, 0, "gateway_key"),
        .amount = money_make(pg_get_text(&rows, 0, "currency"), pg_get_int64(&rows, 0, "amount")),
        .off_session = pg_get_bool(&rows, 0, "off_session"),
        .acted_on = pg_get_text(&rows, 0, "charge_transaction"),
        .transaction = pg_get_text(&rows, 0, "gateway_transaction"),
        .is_final = pg_get_bool(&rows, 0, "is_final"),
        .epoch = pg_get_int64(&rows, 0, "epoch"),
        .age_us = pg_get_int64(&rows, 0, "age_us"),
        .lease_left_us = pg_get_int64(&rows, 0, "lease_left_us"),
    };
    if (!attempt_state_parse(pg_get_text(&rows, 0, "state"), &attempt->state))
        bug("attempt in unknown state \"%s\"", pg_get_text(&rows, 0, "state"));
    if (!gateway_operation_parse(pg_get_text(&rows, 0, "operation"), &attempt->operation))
        bug("attempt at unknown operation \"%s\"", pg_get_text(&rows, 0, "operation"));
    return NULL;
}

/* Of no customer: a gateway names none. */
const struct pg_statement attempt_owner_statement = {
    .name = "attempt_owner",
    .sql = "SELECT customer_id FROM attempt WHERE attempt_id = $1",
};

const struct error *attempt_find_anywhere(struct call *call, struct uuid id, struct uuid *customer,
                                          struct attempt *attempt, bool *found)
{
    struct pg_rows rows;

    TRY(pg_read(call, UUID_NIL, &attempt_owner_statement, PG_PARAMS(pg_uuid(id)), &rows));
    *found = rows.count > 0;
    if (!*found)
        return NULL;
    *customer = pg_get_uuid(&rows, 0, "customer_id");
    return attempt_find(call, *customer, id, attempt, found);
}

const struct pg_statement attempt_of_payment_statement = {
    .name = "attempt_of_payment",
    .sql = "SELECT attempt_id FROM attempt"
           " WHERE customer_id = $1 AND payment_id = $2 AND operation IN ('CHARGE', 'AUTHORIZE')"
           " ORDER BY sequence DESC LIMIT 1",
};

const struct error *attempt_of_payment(struct call *call, struct uuid customer, struct uuid payment,
                                       struct attempt *attempt, bool *found)
{
    struct pg_rows rows;

    TRY(pg_read(call, customer, &attempt_of_payment_statement,
                PG_PARAMS(pg_uuid(customer), pg_uuid(payment)), &rows));
    *found = rows.count > 0;
    if (!*found)
        return NULL;
    return attempt_find(call, customer, pg_get_uuid(&rows, 0, "attempt_id"), attempt, found);
}

const struct pg_statement attempt_driven_statement = {
    .name = "attempt_is_driven",
    .sql = "SELECT lease_until IS NOT NULL AND lease_until > clock_timestamp() AS is_driven"
           "  FROM attempt"
           " WHERE customer_id = $1 AND payment_id = $2 AND refund_id IS NOT DISTINCT FROM $3"
           "   AND operation IN ('CHARGE', 'AUTHORIZE', 'REFUND')"
           " ORDER BY sequence DESC LIMIT 1",
};

const struct error *attempt_is_driven(struct call *call, struct uuid customer, struct uuid payment,
                                      struct uuid refund, bool *driven)
{
    struct pg_rows rows;

    TRY(pg_read(call, customer, &attempt_driven_statement,
                PG_PARAMS(pg_uuid(customer), pg_uuid(payment), pg_uuid_or_null(refund)), &rows));
    *driven = rows.count > 0 && pg_get_bool(&rows, 0, "is_driven");
    return NULL;
}

const struct pg_statement attempt_claim_statement = {
    .name = "attempt_claim",
    .sql = "SELECT attempt_claim($1, $2, $3, $4, $5) AS epoch",
};

const struct error *attempt_claim(struct call *call, struct uuid customer, struct attempt *attempt,
                                  int64_t lease_ms, bool *claimed)
{
    /* Names this claim, so that it finds itself when it is run again after a lost COMMIT. */
    struct uuid claim = uuid_make(call->house->random, call->now_us);
    struct pg_rows rows;

    TRY(FAIL_STEP(call, "attempt.claim", "",
                  pg_write(call, customer, &attempt_claim_statement,
                           PG_PARAMS(pg_uuid(customer), pg_uuid(attempt->id),
                                     pg_int64(attempt->epoch), pg_int64(lease_ms), pg_uuid(claim)),
                           &rows)));
    *claimed = !pg_is_null(&rows, 0, "epoch");
    if (*claimed)
        attempt->epoch = pg_get_int64(&rows, 0, "epoch");
    return NULL;
}

const struct pg_statement attempt_give_up_statement = {
    .name = "attempt_give_up",
    .sql = "SELECT attempt_give_up($1, $2, $3, $4) AS gave_up",
};

const struct error *attempt_give_up(struct call *call, struct uuid customer,
                                    const struct attempt *attempt, int64_t now_us, bool *gave_up)
{
    struct pg_rows rows;

    TRY(FAIL_STEP(call, "attempt.give_up", "",
                  pg_write(call, customer, &attempt_give_up_statement,
                           PG_PARAMS(pg_uuid(customer), pg_uuid(attempt->id),
                                     pg_int64(attempt->epoch), pg_time(now_us)),
                           &rows)));
    *gave_up = pg_get_bool(&rows, 0, "gave_up");
    return NULL;
}
