/*
 * CreatePayment from handler to tables: once, whatever is repeated, raced or crashed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "db/payment/payment_fixture.h"

static const Dues__Payment__V1__Payment *payment_in(const struct asked *asked)
{
    return (const Dues__Payment__V1__Payment *)asked->reply;
}

static void release(struct asked *asked)
{
    if (asked->reply != NULL)
        protobuf_c_message_free_unpacked(asked->reply, NULL);
    asked->reply = NULL;
}

static void answers_a_repeat_with_the_same_bytes(void **state)
{
    struct payment_fixture *f = *state;
    struct payer payer = given_payer(f, "tok_visa");
    struct asked first = asked_payment(f, payer.customer, payer.method, 999, "request-1");
    struct asked second = first;

    assert_null(db_run(f->db, asked_run, &first));
    assert_null(db_run(f->db, asked_run, &second));

    assert_int_equal(payment_in(&first)->state, DUES__PAYMENT__V1__PAYMENT__STATE__STATE_SUCCEEDED);
    assert_false(first.replayed);
    assert_true(second.replayed);
    assert_int_equal(first.bytes.size, second.bytes.size);
    assert_memory_equal(first.bytes.data, second.bytes.data, first.bytes.size);
    assert_int_equal(of_customer(f, "count(*) FROM payment", payer.customer), 1);
    release(&first);
    release(&second);
}

static void a_decline_is_an_answer_that_is_kept(void **state)
{
    struct payment_fixture *f = *state;
    struct payer payer = given_payer(f, "tok_chargeDeclinedInsufficientFunds");
    struct asked first = asked_payment(f, payer.customer, payer.method, 999, "request-1");
    struct asked second = first;

    assert_null(db_run(f->db, asked_run, &first));
    assert_null(db_run(f->db, asked_run, &second));

    assert_int_equal(payment_in(&first)->state, DUES__PAYMENT__V1__PAYMENT__STATE__STATE_FAILED);
    assert_string_equal(payment_in(&first)->decline->code, "insufficient_funds");
    assert_int_equal(payment_in(&first)->amount_captured->minor_units, 0);
    assert_int_equal(first.bytes.size, second.bytes.size);
    assert_memory_equal(first.bytes.data, second.bytes.data, first.bytes.size);
    assert_int_equal(of_customer(f, "count(*) FROM ledger_entry", payer.customer), 0);
    release(&first);
    release(&second);
}

static void refuses_another_request_under_the_same_id(void **state)
{
    struct payment_fixture *f = *state;
    struct payer payer = given_payer(f, "tok_visa");
    struct asked first = asked_payment(f, payer.customer, payer.method, 999, "request-1");
    struct asked other = asked_payment(f, payer.customer, payer.method, 998, "request-1");

    assert_null(db_run(f->db, asked_run, &first));
    const struct error *error = db_run(f->db, asked_run, &other);

    assert_non_null(error);
    assert_string_equal(error->reason, "REQUEST_ID_REUSED");
    assert_int_equal(of_customer(f, "count(*) FROM payment", payer.customer), 1);
    release(&first);
}

#define RACERS 20

static void many_at_once_charge_once(void **state)
{
    struct payment_fixture *f = *state;
    struct payer payer = given_payer(f, "tok_visa");
    struct asked racers[RACERS];
    const struct error *errors[RACERS];
    int before = gateway_approvals(f, "CHARGE");

    for (size_t i = 0; i < RACERS; i++)
        racers[i] = asked_payment(f, payer.customer, payer.method, 999, "request-1");
    db_run_all(f->db, asked_run, racers, sizeof racers[0], RACERS, errors);

    int answered = 0;
    for (size_t i = 0; i < RACERS; i++) {
        if (errors[i] != NULL) {
            assert_string_equal(errors[i]->reason, "REQUEST_IN_PROGRESS");
            continue;
        }
        answered++;
        assert_int_equal(payment_in(&racers[i])->state,
                         DUES__PAYMENT__V1__PAYMENT__STATE__STATE_SUCCEEDED);
        assert_string_equal(
            payment_in(&racers[i])->name,
            name_make(f->db->arena, PAYMENT_PATTERN,
                      (struct uuid[]){payer.customer, only_payment(f, payer.customer)}));
        release(&racers[i]);
    }
    assert_true(answered >= 1);
    assert_int_equal(gateway_approvals(f, "CHARGE"), before + 1);
    assert_int_equal(of_customer(f, "count(*) FROM ledger_entry", payer.customer), 2);
}

static void what_is_not_known_is_processing_and_never_failed(void **state)
{
    struct payment_fixture *f = *state;
    struct payer payer = given_payer(f, "tok_timeoutAfterSuccess");
    struct asked first = asked_payment(f, payer.customer, payer.method, 999, "request-1");
    struct asked second = first;

    assert_null(db_run(f->db, asked_run, &first));
    assert_null(db_run(f->db, asked_run, &second));

    assert_int_equal(payment_in(&first)->state,
                     DUES__PAYMENT__V1__PAYMENT__STATE__STATE_PROCESSING);
    assert_null(payment_in(&first)->decline);
    assert_int_equal(payment_in(&second)->state,
                     DUES__PAYMENT__V1__PAYMENT__STATE__STATE_PROCESSING);
    assert_false(second.replayed);
    assert_int_equal(of_customer(f, "count(*) FROM payment", payer.customer), 1);
    release(&first);
    release(&second);
}

static void asks_for_authentication(void **state)
{
    struct payment_fixture *f = *state;
    struct payer payer = given_payer(f, "tok_authenticationRequired");
    struct asked asked = asked_payment(f, payer.customer, payer.method, 999, "request-1");

    assert_null(db_run(f->db, asked_run, &asked));

    assert_int_equal(payment_in(&asked)->state,
                     DUES__PAYMENT__V1__PAYMENT__STATE__STATE_REQUIRES_ACTION);
    assert_int_equal(payment_in(&asked)->decline->decline_class,
                     DUES__PAYMENT__V1__DECLINE__DECLINE_CLASS__DECLINE_CLASS_STEP_UP);
    assert_string_equal(
        of_customer_text(f, "string_agg(kind, ' ') FROM obligation", payer.customer),
        "payment.action");
    release(&asked);
}

static void finds_no_method_of_somebody_else(void **state)
{
    struct payment_fixture *f = *state;
    struct payer ours = given_payer(f, "tok_visa");
    struct payer theirs = given_payer(f, "tok_visa");
    struct asked asked = asked_payment(f, ours.customer, theirs.method, 999, "request-1");

    const struct error *error = db_run(f->db, asked_run, &asked);

    assert_non_null(error);
    assert_int_equal(error->status, STATUS_NOT_FOUND);
    assert_string_equal(error->reason, "PAYMENT_METHOD_NOT_FOUND");
    assert_int_equal(of_customer(f, "count(*) FROM payment", ours.customer), 0);
    assert_int_equal(of_customer(f, "count(*) FROM recorded_request", ours.customer), 0);
}

static void the_token_is_nowhere_in_the_clear(void **state)
{
    struct payment_fixture *f = *state;
    struct payer payer = given_payer(f, "tok_mastercard");

    assert_int_equal(of_customer(f,
                                 "position('tok_mastercard'::bytea IN token_sealed)"
                                 " FROM payment_method",
                                 payer.customer),
                     0);
    assert_string_equal(of_customer_text(f, "brand FROM payment_method", payer.customer),
                        "mastercard");
}

/* All in one transaction, so that nothing they leave behind can be cleared away meanwhile. */
static void charges_end_on_the_pages_where_they_began(void **state)
{
    struct payment_fixture *f = *state;
    struct payer payer = given_payer(f, "tok_visa");
    const char *place = "SELECT 'payment' AS kind, payment_id AS id, ctid AS at FROM payment "
                        "UNION ALL SELECT 'attempt', attempt_id, ctid FROM attempt "
                        "UNION ALL SELECT 'request', object_id, ctid FROM recorded_request";
    const char *sql = db_printf(
        f->db,
        "SET LOCAL search_path = dues, pg_temp;"
        "CREATE TEMPORARY TABLE begun ON COMMIT DROP AS"
        "    SELECT '%s'::uuid AS c, md5('p' || n)::uuid AS p, md5('a' || n)::uuid AS a"
        "      FROM generate_series(1, 100) n;"
        "SELECT request_record(c, ROW('spiffe://dues.local/service/checkout', '%s', p::text,"
        "                             sha256(p::text::bytea))::request_key, p, NULL, now()),"
        "       payment_open(c, ROW(p, a, '%s', NULL, 'USD', 999, 'socks', 'sandbox', a::text,"
        "                           false, 22000, false)::charge_intent, now()) FROM begun;"
        "CREATE TEMPORARY TABLE place ON COMMIT DROP AS %s;"
        "SELECT payment_finish(c, ROW(p, a, 1, 'SUCCEEDED', 'ch_' || p, 999, '', '', '', '', NULL,"
        "                             NULL, NULL)::settlement, '%s', decode(repeat('0a', 250),"
        "                      'hex'), now()) FROM begun;"
        "SELECT count(*) FILTER (WHERE later.at <> place.at) || ' written again, ' ||"
        "       count(*) FILTER (WHERE (later.at::text::point)[0] <> "
        "(place.at::text::point)[0])"
        "       || ' elsewhere' FROM place JOIN (%s) later USING (kind, id)"
        " WHERE id IN (SELECT unnest(ARRAY[p, a]) FROM begun)",
        db_uuid_text(f->db, payer.customer), CREATE_PAYMENT_METHOD,
        db_uuid_text(f->db, payer.method), place, CREATE_PAYMENT_METHOD, place);

    assert_string_equal(db_text(f->db, sql), "300 written again, 0 elsewhere");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_a_repeat_with_the_same_bytes),
        cmocka_unit_test(a_decline_is_an_answer_that_is_kept),
        cmocka_unit_test(refuses_another_request_under_the_same_id),
        cmocka_unit_test(many_at_once_charge_once),
        cmocka_unit_test(what_is_not_known_is_processing_and_never_failed),
        cmocka_unit_test(asks_for_authentication),
        cmocka_unit_test(finds_no_method_of_somebody_else),
        cmocka_unit_test(the_token_is_nowhere_in_the_clear),
        cmocka_unit_test(charges_end_on_the_pages_where_they_began),
    };
    return cmocka_run_group_tests_name("payments", tests, payment_setup, payment_teardown);
}
