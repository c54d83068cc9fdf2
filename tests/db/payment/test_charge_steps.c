/*
 * The steps of a charge, one at a time, with a crash thought between them: what is durable, what a
 * stale worker may write, what happens to evidence that comes late.  Numbers P… are those of the
 * crash table of the charging protocol.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "db/payment/payment_fixture.h"

/* A charge driven step by step. */
struct drive {
    struct payer payer;
    struct charge charge;
    struct gateway_answer answer;
    struct payment payment;
    enum charge_recorded recorded;
    bool again; /* record twice, as after a lost COMMIT */
};

static const struct error *prepare_and_record(struct call *call, void *arg)
{
    struct drive *drive = arg;
    struct customer customer;
    struct uuid first;

    call->method = CREATE_PAYMENT_METHOD;
    call->request_id = "request-1";
    drive->charge = (struct charge){.amount = money_make("USD", 999), .description = "socks"};
    TRY(customer_load(call, drive->payer.customer, &customer));
    TRY(charge_prepare(call, &customer, drive->payer.method, &drive->charge));
    TRY(charge_record(call, &drive->charge, &drive->recorded, &first));
    if (drive->again)
        TRY(charge_record(call, &drive->charge, &drive->recorded, &first));
    return NULL;
}

static const struct error *send_only(struct call *call, void *arg)
{
    struct drive *drive = arg;

    charge_send(call, &drive->charge, &drive->answer);
    return NULL;
}

static const struct error *settle_only(struct call *call, void *arg)
{
    struct drive *drive = arg;

    return payment_purpose_direct.settle(call, &drive->charge, &drive->answer, &drive->payment);
}

static const struct error *claim_only(struct call *call, void *arg)
{
    struct drive *drive = arg;
    struct attempt attempt = {.id = drive->charge.attempt, .epoch = drive->charge.epoch};
    bool claimed;

    TRY(attempt_claim(call, drive->payer.customer, &attempt, 60000, &claimed));
    drive->charge.epoch = claimed ? attempt.epoch : 0;
    return NULL;
}

static struct drive given_recorded(struct payment_fixture *f, const char *token)
{
    struct drive drive = {.payer = given_payer(f, token)};

    assert_null(db_run(f->db, prepare_and_record, &drive));
    assert_int_equal(drive.recorded, CHARGE_RECORDED);
    return drive;
}

static struct drive given_sent(struct payment_fixture *f, const char *token)
{
    struct drive drive = given_recorded(f, token);

    assert_null(db_run(f->db, send_only, &drive));
    return drive;
}

static void end_lease(struct payment_fixture *f, const struct drive *drive)
{
    db_execute(f->db, db_printf(f->db,
                                "UPDATE attempt SET lease_until = clock_timestamp() - interval"
                                " '1 s' WHERE attempt_id = '%s'",
                                db_uuid_text(f->db, drive->charge.attempt)));
}

static struct gateway_answer answer_of(enum gateway_outcome outcome, const char *transaction)
{
    return (struct gateway_answer){
        .outcome = outcome,
        .transaction = transaction,
        .amount = money_make("USD", 999),
        .decline_code = outcome == GATEWAY_DECLINED ? "do_not_honor" : "",
        .evidence = "test",
    };
}

static void what_may_have_left_is_durable_before_it_leaves(void **state)
{
    struct payment_fixture *f = *state;

    struct drive drive = given_recorded(f, "tok_visa"); /* P3, P5: the process dies here */

    struct uuid customer = drive.payer.customer;
    assert_string_equal(of_customer_text(f, "state FROM payment", customer), "PROCESSING");
    assert_string_equal(of_customer_text(f, "state FROM attempt", customer), "SENDING");
    assert_int_equal(of_customer(f, "send_count FROM attempt", customer), 1);
    assert_int_equal(of_customer(f, "epoch FROM attempt", customer), 1);
    assert_int_equal(of_customer(f, "count(*) FROM obligation", customer), 1);
    assert_string_equal(of_customer_text(f, "kind FROM obligation", customer), "payment.resolve");
    assert_int_equal(of_customer(f, "count(*) FROM ledger_entry", customer), 0);
    assert_string_equal(of_customer_text(f, "answer IS NULL FROM recorded_request", customer), "t");
}

static void the_key_is_a_pure_function_of_the_attempt(void **state)
{
    struct payment_fixture *f = *state;
    struct drive drive = given_recorded(f, "tok_visa");
    struct call call = {.arena = f->db->arena, .house = &f->db->house};

    const char *again = attempt_gateway_key(&call, drive.charge.attempt, GATEWAY_CHARGE);
    const char *refund = attempt_gateway_key(&call, drive.charge.attempt, GATEWAY_REFUND);

    assert_string_equal(again, drive.charge.gateway_key);
    assert_string_not_equal(refund, again);
    assert_in_range(strlen(again), 16, 36);
}

static void recording_again_after_a_lost_commit_is_the_same_charge(void **state)
{
    struct payment_fixture *f = *state;
    struct drive drive = {.payer = given_payer(f, "tok_visa"), .again = true};

    const struct error *error = db_run(f->db, prepare_and_record, &drive); /* P2 */

    assert_null(error);
    assert_int_equal(drive.recorded, CHARGE_RECORDED);
    assert_int_equal(of_customer(f, "count(*) FROM payment", drive.payer.customer), 1);
    assert_int_equal(of_customer(f, "count(*) FROM attempt", drive.payer.customer), 1);
}

static void settling_writes_everything_in_one_commit(void **state)
{
    struct payment_fixture *f = *state;
    struct drive drive = given_sent(f, "tok_visa");

    assert_null(db_run(f->db, settle_only, &drive));

    struct uuid customer = drive.payer.customer;
    assert_int_equal(drive.payment.state, PAYMENT_SUCCEEDED);
    assert_int_equal(drive.payment.captured_minor, 999);
    assert_string_equal(of_customer_text(f, "state FROM attempt", customer), "SUCCEEDED");
    assert_int_equal(of_customer(f, "sum(amount) FROM ledger_entry", customer), 0);
    assert_int_equal(of_customer(f, "count(*) FROM ledger_entry", customer), 2);
    assert_int_equal(of_customer(f, "count(*) FROM gateway_transaction", customer), 1);
    assert_int_equal(of_customer(f, "count(*) FROM obligation", customer), 0);
    assert_string_equal(of_customer_text(f, "type FROM event", customer), "payment.succeeded");
    assert_string_equal(of_customer_text(f, "length(answer) > 0 FROM recorded_request", customer),
                        "t");
}

static void settling_again_changes_nothing(void **state)
{
    struct payment_fixture *f = *state;
    struct drive drive = given_sent(f, "tok_visa");

    assert_null(db_run(f->db, settle_only, &drive));
    assert_null(db_run(f->db, settle_only, &drive)); /* P9: COMMIT lost, the step runs again */

    struct uuid customer = drive.payer.customer;
    assert_int_equal(drive.payment.state, PAYMENT_SUCCEEDED);
    assert_int_equal(of_customer(f, "count(*) FROM ledger_entry", customer), 2);
    assert_int_equal(of_customer(f, "count(*) FROM event", customer), 1);
    assert_int_equal(of_customer(f, "count(*) FROM incident", customer), 0);
}

static void a_worker_that_lost_its_lease_writes_nothing(void **state)
{
    struct payment_fixture *f = *state;
    struct drive slow = given_sent(f, "tok_visa");
    struct drive resolver = slow;

    end_lease(f, &slow);
    assert_null(db_run(f->db, claim_only, &resolver)); /* P11 */
    assert_null(db_run(f->db, settle_only, &slow));
    const char *after_slow = of_customer_text(f, "state FROM attempt", slow.payer.customer);
    assert_null(db_run(f->db, send_only, &resolver));
    assert_null(db_run(f->db, settle_only, &resolver));

    assert_int_equal(resolver.charge.epoch, 2);
    assert_int_equal(slow.payment.state, PAYMENT_PROCESSING);
    assert_string_equal(after_slow, "RESOLVING");
    assert_int_equal(resolver.payment.state, PAYMENT_SUCCEEDED);
    assert_string_equal(resolver.answer.transaction, slow.answer.transaction);
    assert_int_equal(of_customer(f, "count(*) FROM ledger_entry", slow.payer.customer), 2);
}

static const struct error *settle_soon(struct call *call, void *arg)
{
    call->deadline_us = clock_monotonic_us(call->house->clock) + US_PER_SECOND;
    return settle_only(call, arg);
}

static void a_result_that_cannot_be_recorded_is_not_a_failure(void **state)
{
    struct payment_fixture *f = *state;
    struct drive drive = given_sent(f, "tok_visa");
    struct uuid customer = drive.payer.customer;
    int charged = gateway_approvals(f, "CHARGE");

    /* P22: the database is away for the server. */
    db_execute(f->db, db_printf(f->db, "REVOKE CONNECT ON DATABASE %s FROM dues_service",
                                f->db->database));
    db_execute(f->db, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                      " WHERE usename = 'dues_service' AND datname = current_database()");
    const struct error *error = db_run(f->db, settle_soon, &drive);
    db_execute(f->db,
               db_printf(f->db, "GRANT CONNECT ON DATABASE %s TO dues_service", f->db->database));
    const char *left = of_customer_text(f, "state FROM attempt", customer);
    end_lease(f, &drive);
    while (db_run(f->db, claim_only, &drive) != NULL || drive.charge.epoch == 0)
        drive.charge.epoch = 1;
    assert_null(db_run(f->db, send_only, &drive));
    assert_null(db_run(f->db, settle_only, &drive));

    assert_non_null(error);
    assert_int_equal(error->status, STATUS_UNAVAILABLE);
    assert_string_equal(left, "SENDING");
    assert_int_equal(drive.payment.state, PAYMENT_SUCCEEDED);
    assert_int_equal(gateway_approvals(f, "CHARGE"), charged);
}

static void nobody_takes_over_while_the_lease_holds(void **state)
{
    struct payment_fixture *f = *state;
    struct drive drive = given_recorded(f, "tok_visa");

    assert_null(db_run(f->db, claim_only, &drive));

    assert_int_equal(drive.charge.epoch, 0);
    assert_int_equal(of_customer(f, "epoch FROM attempt", drive.payer.customer), 1);
}

static void nothing_is_sent_when_the_lease_is_nearly_over(void **state)
{
    struct payment_fixture *f = *state;
    struct drive drive = given_recorded(f, "tok_visa");
    int before = gateway_approvals(f, "CHARGE");

    drive.charge.armed_us -= 7 * US_PER_SECOND; /* P12 */
    assert_null(db_run(f->db, send_only, &drive));
    assert_null(db_run(f->db, settle_only, &drive));

    assert_int_equal(drive.answer.outcome, GATEWAY_NOT_SENT);
    assert_int_equal(gateway_approvals(f, "CHARGE"), before);
    assert_int_equal(drive.payment.state, PAYMENT_PROCESSING);
    assert_string_equal(of_customer_text(f, "state FROM attempt", drive.payer.customer), "UNKNOWN");
}

static void an_unknown_result_waits_longer_each_time(void **state)
{
    struct payment_fixture *f = *state;
    struct drive drive = given_sent(f, "tok_timeoutAfterSuccess");
    struct uuid customer = drive.payer.customer;
    static const int64_t waits[] = {5, 15, 60, 300, 1800, 7200, 86400, 86400};

    for (size_t i = 0; i < ARRAY_LENGTH(waits); i++) {
        drive.answer = answer_of(GATEWAY_UNKNOWN, "");
        assert_null(db_run(f->db, settle_only, &drive));
        assert_int_equal(drive.payment.state, PAYMENT_PROCESSING);
        assert_string_equal(of_customer_text(f, "state FROM attempt", customer), "UNKNOWN");
        assert_int_equal(of_customer(f,
                                     "round(extract(epoch FROM due_time - clock_timestamp()))"
                                     " FROM obligation",
                                     customer),
                         waits[i]);
        assert_null(db_run(f->db, claim_only, &drive));
    }

    assert_int_equal(of_customer(f, "send_count FROM attempt", customer), 9);
    assert_int_equal(of_customer(f, "count(*) FROM ledger_entry", customer), 0);
}

static void opposite_evidence_goes_to_people(void **state)
{
    struct payment_fixture *f = *state;
    struct drive drive = given_recorded(f, "tok_visa");
    struct uuid customer = drive.payer.customer;

    drive.answer = answer_of(GATEWAY_DECLINED, "");
    assert_null(db_run(f->db, settle_only, &drive));
    drive.answer = answer_of(GATEWAY_SUCCEEDED, "ch_late");
    assert_null(db_run(f->db, settle_only, &drive));

    assert_int_equal(drive.payment.state, PAYMENT_FAILED);
    assert_string_equal(of_customer_text(f, "state FROM attempt", customer), "MANUAL");
    assert_string_equal(of_customer_text(f, "kind FROM incident", customer),
                        "LATE_OPPOSITE_EVIDENCE");
    assert_int_equal(of_customer(f, "sum(amount) FROM ledger_entry", customer), 0);
    assert_string_equal(of_customer_text(f,
                                         "string_agg(account, ' ' ORDER BY line_no)"
                                         " FROM ledger_entry",
                                         customer),
                        "gateway_clearing:sandbox suspense");
}

static void a_second_transaction_never_counts_twice(void **state)
{
    struct payment_fixture *f = *state;
    struct drive drive = given_sent(f, "tok_visa");
    struct uuid customer = drive.payer.customer;

    assert_null(db_run(f->db, settle_only, &drive));
    drive.answer.transaction = "ch_another";
    assert_null(db_run(f->db, settle_only, &drive));

    assert_int_equal(drive.payment.state, PAYMENT_SUCCEEDED);
    assert_int_equal(drive.payment.captured_minor, 999);
    assert_string_equal(of_customer_text(f, "kind FROM incident", customer),
                        "LATE_OPPOSITE_EVIDENCE");
    assert_int_equal(of_customer(f, "sum(amount) FROM ledger_entry", customer), 0);
}

/* A gateway that took another amount than it was asked for. */
static void lie(const struct gateway *gateway, struct call *call,
                const struct gateway_request *request, struct gateway_answer *answer)
{
    (void)gateway, (void)call;
    *answer = answer_of(GATEWAY_SUCCEEDED, "ch_other_amount");
    answer->amount.minor_units = request->amount.minor_units - 1;
}

static struct drive given_sent_to(struct payment_fixture *f, const struct gateway *gateway)
{
    struct drive drive = given_recorded(f, "tok_visa");
    struct gateways sane = f->gateways;

    f->gateways.list[0] = gateway;
    assert_null(db_run(f->db, send_only, &drive));
    f->gateways = sane;
    return drive;
}

/* P26: it says so when it is asked by another way, too. */
static struct drive given_mismatch(struct payment_fixture *f)
{
    static const struct gateway liar = {.name = "sandbox", .send = lie, .query = lie};
    struct drive drive = given_sent_to(f, &liar);

    assert_null(db_run(f->db, settle_only, &drive));
    return drive;
}

static void an_amount_that_does_not_match_goes_to_people(void **state)
{
    struct payment_fixture *f = *state;
    struct drive drive = given_mismatch(f);
    struct uuid customer = drive.payer.customer;

    assert_int_equal(drive.payment.state, PAYMENT_PROCESSING);
    assert_string_equal(of_customer_text(f, "state FROM attempt", customer), "MANUAL");
    assert_string_equal(of_customer_text(f, "kind FROM incident", customer), "AMOUNT_MISMATCH");
    assert_int_equal(of_customer(f, "max(amount) FROM ledger_entry", customer), 998);
    assert_int_equal(of_customer(f, "sum(amount) FROM ledger_entry", customer), 0);
    assert_int_equal(of_customer(f, "count(*) FROM obligation", customer), 0);
}

static struct gateway_answer told;

static void tell(const struct gateway *gateway, struct call *call,
                 const struct gateway_request *request, struct gateway_answer *answer)
{
    (void)gateway, (void)call, (void)request;
    *answer = told;
}

static void one_wrong_amount_is_asked_about_again(void **state)
{
    static const struct gateway liar = {.name = "sandbox", .send = lie, .query = tell};
    struct payment_fixture *f = *state;

    told = answer_of(GATEWAY_SUCCEEDED, "ch_other_amount");
    struct drive heard = given_sent_to(f, &liar);
    told = answer_of(GATEWAY_FAILED, "");
    struct drive unsure = given_sent_to(f, &liar);
    assert_null(db_run(f->db, settle_only, &heard));
    assert_null(db_run(f->db, settle_only, &unsure));

    struct uuid customer = unsure.payer.customer;
    assert_int_equal(heard.payment.captured_minor, 999);
    assert_int_equal(of_customer(f, "count(*) FROM incident", heard.payer.customer), 0);
    assert_string_equal(of_customer_text(f, "state FROM attempt", customer), "UNKNOWN");
    assert_int_equal(of_customer(f, "count(*) FROM ledger_entry", customer), 0);
}

static void what_the_gateway_says_later_is_told_in_the_same_incident(void **state)
{
    struct payment_fixture *f = *state;
    struct drive drive = given_mismatch(f);
    struct uuid customer = drive.payer.customer;

    drive.answer = answer_of(GATEWAY_UNKNOWN, "ch_other_amount");
    drive.answer.amount.minor_units = 997;
    assert_null(db_run(f->db, settle_only, &drive));
    assert_int_equal(
        of_customer(f, "sum(amount) FILTER (WHERE account = 'suspense') FROM ledger_entry",
                    customer),
        -997);
    drive.answer = answer_of(GATEWAY_SUCCEEDED, "ch_other_amount");
    assert_null(db_run(f->db, settle_only, &drive));

    assert_int_equal(of_customer(f, "count(*) FROM incident", customer), 1);
    assert_int_equal(of_customer(f, "version FROM incident", customer), 3);
    assert_string_equal(of_customer_text(f, "state FROM attempt", customer), "MANUAL");
}

static void a_transaction_belongs_to_one_attempt(void **state)
{
    struct payment_fixture *f = *state;
    struct drive first = given_sent(f, "tok_visa");
    struct drive second = first;

    assert_null(db_run(f->db, settle_only, &first));
    second.charge = (struct charge){0};
    db_execute(f->db, db_printf(f->db, "DELETE FROM recorded_request WHERE customer_id = '%s'",
                                db_uuid_text(f->db, first.payer.customer)));
    assert_null(db_run(f->db, prepare_and_record, &second));
    second.answer = first.answer;
    assert_null(db_run(f->db, settle_only, &second));

    assert_int_equal(second.payment.state, PAYMENT_PROCESSING);
    assert_string_equal(of_customer_text(f, "kind FROM incident", first.payer.customer),
                        "DUPLICATE_TRANSACTION");
    assert_int_equal(of_customer(f, "count(*) FROM ledger_entry", first.payer.customer), 2);
}

static void a_lost_card_ends_its_payment_method(void **state)
{
    struct payment_fixture *f = *state;
    struct drive drive = given_sent(f, "tok_chargeDeclinedLostCard");

    assert_null(db_run(f->db, settle_only, &drive));
    struct drive next = {.payer = drive.payer};
    const struct error *error = db_run(f->db, prepare_and_record, &next);

    assert_int_equal(drive.payment.state, PAYMENT_FAILED);
    assert_string_equal(drive.payment.decline_code, "lost_card");
    assert_string_equal(of_customer_text(f, "state FROM payment_method", drive.payer.customer),
                        "UNUSABLE");
    assert_non_null(error);
    assert_string_equal(error->reason, "PAYMENT_METHOD_UNUSABLE");
}

static void a_gateway_that_is_not_configured_is_no_fault_of_the_method(void **state)
{
    struct payment_fixture *f = *state;
    struct drive drive = {.payer = given_payer(f, "tok_visa")};
    int32_t count = f->gateways.count;
    f->gateways.count = 0;

    const struct error *error = db_run(f->db, prepare_and_record, &drive);

    f->gateways.count = count;
    assert_non_null(error);
    assert_int_equal(error->status, STATUS_UNAVAILABLE);
    assert_string_equal(error->reason, "GATEWAY_UNAVAILABLE");
    assert_int_equal(of_customer(f, "count(*) FROM payment", drive.payer.customer), 0);
    assert_string_equal(of_customer_text(f, "state FROM payment_method", drive.payer.customer),
                        "ACTIVE");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_may_have_left_is_durable_before_it_leaves),
        cmocka_unit_test(the_key_is_a_pure_function_of_the_attempt),
        cmocka_unit_test(recording_again_after_a_lost_commit_is_the_same_charge),
        cmocka_unit_test(settling_writes_everything_in_one_commit),
        cmocka_unit_test(settling_again_changes_nothing),
        cmocka_unit_test(a_worker_that_lost_its_lease_writes_nothing),
        cmocka_unit_test(a_result_that_cannot_be_recorded_is_not_a_failure),
        cmocka_unit_test(nobody_takes_over_while_the_lease_holds),
        cmocka_unit_test(nothing_is_sent_when_the_lease_is_nearly_over),
        cmocka_unit_test(an_unknown_result_waits_longer_each_time),
        cmocka_unit_test(opposite_evidence_goes_to_people),
        cmocka_unit_test(a_second_transaction_never_counts_twice),
        cmocka_unit_test(an_amount_that_does_not_match_goes_to_people),
        cmocka_unit_test(one_wrong_amount_is_asked_about_again),
        cmocka_unit_test(what_the_gateway_says_later_is_told_in_the_same_incident),
        cmocka_unit_test(a_transaction_belongs_to_one_attempt),
        cmocka_unit_test(a_lost_card_ends_its_payment_method),
        cmocka_unit_test(a_gateway_that_is_not_configured_is_no_fault_of_the_method),
    };
    return cmocka_run_group_tests_name("steps of a charge", tests, payment_setup, payment_teardown);
}
