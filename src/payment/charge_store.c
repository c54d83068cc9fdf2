/*
 * The recorded steps of a payment of its own, and reading a charge back for the resolver.
 */

#include "payment/payment_internal.h"

#include "base/fail_point.h"
#include "base/fiber.h"
#include "base/text.h"
#include "base/time.h"
#include "payment/payment_measure.h"
#include "payment/payment_method.h"
#include "payment/payment_proto.h"
#include "pg/replay.h"

/* Below what attempt_ask asks to be left of the lease. */
#define BUSY_WAIT_US        (50 * US_PER_MS)
#define BUSY_WAIT_IN_ALL_US (2 * US_PER_SECOND)

const struct pg_statement payment_ground_statement = {
    .name = "payment_ground",
    .sql = "SELECT " REPLAY_COLUMNS(
        "$5") ", t.clock_time, m.payment_method_id, m.gateway,"
              "       m.token_sealed, m.state = 'ACTIVE' AS is_usable, m.retry_time,"
              "       k.wrapped_key AS data_key"
              "  FROM customer c"
              "  LEFT JOIN test_clock t ON t.test_clock_id = c.test_clock_id"
              "  LEFT JOIN recorded_request r ON r.customer_id = $1 AND r.caller = $2"
              "       AND r.method = $3 AND r.request_id = $4"
              "  LEFT JOIN payment_method m ON m.customer_id = $1 AND m.payment_method_id = $6"
              "  LEFT JOIN customer_data_key k ON k.customer_id = $1"
              " WHERE c.customer_id = $1",
    .is_lookup = true,
};

const struct error *payment_ground_load(struct call *call, struct uuid customer,
                                        struct uuid payment_method, struct payment_ground *ground)
{
    struct pg_rows rows;

    *ground = (struct payment_ground){.first = UUID_NIL};
    TRY(pg_read(call, customer, &payment_ground_statement,
                PG_PARAMS(pg_uuid(customer), REPLAY_PARAMS(call), pg_uuid(payment_method)), &rows));
    if (rows.count == 0)
        return not_found(call, "CUSTOMER_NOT_FOUND",
                         name_make(call->arena, "customers/{}", &customer));
    TRY(replay_from_row(call, &rows, &ground->replayed, &ground->first));
    ground->now_us =
        pg_is_null(&rows, 0, "clock_time") ? call->now_us : pg_get_time(&rows, 0, "clock_time");
    ground->has_method = !pg_is_null(&rows, 0, "payment_method_id");
    ground->method = (struct payment_method){
        .customer = customer,
        .id = payment_method,
        .gateway = pg_get_text(&rows, 0, "gateway"),
        .is_usable = pg_get_bool(&rows, 0, "is_usable"),
        .retry_us = pg_get_time(&rows, 0, "retry_time"),
    };
    payment_method_sealed_from_row(&rows, 0, &ground->method);
    return NULL;
}

const struct pg_statement charge_record_statement = {
    .name = "payment_create",
    .sql =
        "SELECT outcome, answer, object_id"
        "  FROM payment_create($1, ROW($2, $3, $4, $5)::request_key,"
        "       ROW($6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $18)::charge_intent, $17)",
};

/* Of SQL payment_method_refuses. */
static bool is_refusal(const char *outcome)
{
    static const char *const refusals[] = {"unusable", "mandate", "limit", "busy"};

    for (size_t i = 0; i < ARRAY_LENGTH(refusals); i++) {
        if (text_equal(refusals[i], outcome))
            return true;
    }
    return false;
}

const struct error *charge_record(struct call *call, const struct charge *charge,
                                  enum charge_recorded *recorded, struct uuid *object)
{
    const char *outcome;
    struct pg_rows rows;
    bool found;

    for (int64_t waited_us = 0;; waited_us += BUSY_WAIT_US) {
        TRY(FAIL_STEP(call, "charge.record", "",
                      pg_write(call, charge->customer, &charge_record_statement,
                               PG_PARAMS(pg_uuid(charge->customer), REPLAY_PARAMS(call),
                                         CHARGE_PARAMS(charge), pg_time(charge->now_us),
                                         pg_bool(charge->is_manual)),
                               &rows)));
        outcome = pg_get_text(&rows, 0, "outcome");
        /* So many charges of one card at once are rare; most will succeed, and then there is room.
         */
        if (!text_equal(outcome, "busy") || waited_us >= BUSY_WAIT_IN_ALL_US ||
            call_time_left_us(call) < US_PER_SECOND)
            break;
        fiber_sleep(BUSY_WAIT_US);
    }
    if (is_refusal(outcome))
        return charge_refused(call, charge);
    *object = pg_get_uuid(&rows, 0, "object_id");
    if (text_equal(outcome, "running")) {
        *recorded = CHARGE_RUNNING;
        return NULL;
    }
    TRY(replay_outcome(call, &rows, &found));
    *recorded = found ? CHARGE_REPLAYED : CHARGE_RECORDED;
    return NULL;
}

/*
 * The payment as it will stand once `answer` is recorded; false: not a definitive answer, nor is
 * one that the customer has to do something about.
 */
static bool payment_foresee(const struct call *call, const struct charge *charge,
                            const struct gateway_answer *answer, struct payment *payment)
{
    *payment = (struct payment){
        .customer = charge->customer,
        .id = charge->payment,
        .payment_method = charge->payment_method,
        .invoice = charge->invoice,
        .amount = charge->amount,
        .description = charge->description,
        .decline_code = answer->decline_code[0] == '\0' ? "generic_decline" : answer->decline_code,
        .network_decline_code = "",
        .advice = "",
        .is_manual = charge->is_manual,
        .create_time_us = charge->create_time_us,
        .update_time_us = charge->now_us,
    };
    switch (answer->outcome) {
    case GATEWAY_SUCCEEDED:
        payment->state = charge->is_manual ? PAYMENT_REQUIRES_CAPTURE : PAYMENT_SUCCEEDED;
        payment->captured_minor = charge->is_manual ? 0 : answer->amount.minor_units;
        payment->capturable_minor = charge->is_manual ? answer->amount.minor_units : 0;
        payment->authorization_expire_us = charge_authorization_expire_us(call, charge, answer);
        payment->decline_code = "";
        return true;
    case GATEWAY_DECLINED:
        payment->state = PAYMENT_FAILED;
        if (text_equal(answer->decline_code, DECLINE_CANCELED)) {
            payment->state = PAYMENT_CANCELED;
            payment->decline_code = "";
        } else {
            payment->network_decline_code = answer->network_decline_code;
            payment->advice = answer->advice;
        }
        return true;
    case GATEWAY_FAILED:
        payment->state = PAYMENT_FAILED;
        payment->network_decline_code = answer->network_decline_code;
        payment->advice = answer->advice;
        return true;
    case GATEWAY_REQUIRES_ACTION:
    case GATEWAY_NOT_SENT:
    case GATEWAY_IN_FLIGHT:
    case GATEWAY_UNKNOWN:
        break;
    }
    return false;
}

const struct pg_statement charge_settle_statement = {
    .name = "payment_finish",
    .sql = "SELECT payment_finish($1, ROW($2, $3, $4, $5, $6, $7, $8, $9, $13, $14, $15, $16,"
           "       $17)::settlement, $10, $11, $12) AS outcome",
};

static const struct error *settle_direct(struct call *call, const struct charge *charge,
                                         const struct gateway_answer *given,
                                         struct payment *payment)
{
    const struct gateway_answer named = action_name_end(charge, given);
    const struct gateway_answer *answer = &named;
    struct bytes packed = {NULL, 0};
    struct bytes action;
    struct pg_rows rows;
    bool foreseen;
    bool settled;

    TRY(charge_seal_action(call, charge, answer, &action));
    foreseen = payment_foresee(call, charge, answer, payment);
    if (foreseen) {
        Dues__Payment__V1__Payment proto = DUES__PAYMENT__V1__PAYMENT__INIT;
        payment_to_proto(call->arena, payment, &proto);
        packed = message_pack(call->arena, &proto.base);
    }
    TRY(FAIL_STEP(
        call, "charge.settle", "",
        pg_write(
            call, charge->customer, &charge_settle_statement,
            PG_PARAMS(pg_uuid(charge->customer), SETTLEMENT_PARAMS(charge, answer),
                      pg_text(CREATE_PAYMENT_METHOD),
                      packed.data == NULL ? pg_null(PG_BYTES) : pg_bytes(packed.data, packed.size),
                      pg_time(charge->now_us), SETTLEMENT_MORE(call, charge, answer, action)),
            &rows)));
    settled = text_equal(pg_get_text(&rows, 0, "outcome"), "settled");
    if (!foreseen || !settled) {
        TRY(payment_load(call, charge->customer, charge->payment, payment));
        if (payment->state == PAYMENT_REQUIRES_ACTION)
            TRY(payment_action_load(call, payment));
    }
    if (settled && payment->state != PAYMENT_CANCELED)
        payment_count_settled(call, answer);
    return NULL;
}

const struct payment_purpose payment_purpose_direct = {"direct", settle_direct};

const struct pg_statement charge_restore_statement = {
    .name = "charge_restore",
    .sql = "SELECT p.payment_method_id, p.invoice_id, p.description, p.create_time, m.token_sealed,"
           "       k.wrapped_key AS data_key,"
           "       p.is_manual, p.state = 'REQUIRES_ACTION' AS is_with_customer"
           "  FROM payment p JOIN payment_method m"
           "    ON m.customer_id = p.customer_id AND m.payment_method_id = p.payment_method_id"
           "  LEFT JOIN customer_data_key k ON k.customer_id = $1"
           " WHERE p.customer_id = $1 AND p.payment_id = $2 AND m.customer_id = $1",
    .is_lookup = true,
};

const struct error *charge_restore(struct call *call, const struct customer *customer,
                                   const struct attempt *attempt, struct charge *charge)
{
    struct pg_rows rows;

    TRY(pg_read(call, customer->id, &charge_restore_statement,
                PG_PARAMS(pg_uuid(customer->id), pg_uuid(attempt->payment)), &rows));
    if (rows.count == 0)
        return not_found(call, "PAYMENT_NOT_FOUND",
                         name_make(call->arena, PAYMENT_PATTERN,
                                   (struct uuid[]){customer->id, attempt->payment}));
    *charge = (struct charge){
        .customer = customer->id,
        .payment = attempt->payment,
        .attempt = attempt->id,
        .payment_method = pg_get_uuid(&rows, 0, "payment_method_id"),
        .invoice = pg_get_uuid(&rows, 0, "invoice_id"),
        .amount = attempt->amount,
        .description = pg_get_text(&rows, 0, "description"),
        .gateway = attempt->gateway,
        .gateway_key = attempt->gateway_key,
        .off_session = attempt->off_session,
        .is_manual = pg_get_bool(&rows, 0, "is_manual"),
        .is_with_customer = pg_get_bool(&rows, 0, "is_with_customer"),
        .transaction = attempt->transaction,
        .lease_ms = attempt_lease_ms(call),
        .epoch = attempt->epoch,
        .now_us = customer->now_us,
        .create_time_us = pg_get_time(&rows, 0, "create_time"),
    };
    struct payment_method method = {.customer = customer->id, .id = charge->payment_method};
    payment_method_sealed_from_row(&rows, 0, &method);
    return payment_method_open(call, &method, &charge->token);
}
