/*
 * The resolver: whatever was left lying about ends in one result, or with people.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/text.h"
#include "db/payment/payment_fixture.h"
#include "jobs/jobs.h"

static void release(struct asked *asked)
{
    if (asked->reply != NULL)
        protobuf_c_message_free_unpacked(asked->reply, NULL);
    asked->reply = NULL;
}

/* One run of the customer's one obligation, as the engine would do it. */
struct run {
    const struct job_kind *kind;
    struct obligation obligation;
};

static const struct error *run_job(struct call *call, void *arg)
{
    const struct run *run = arg;

    return run->kind->run(call, &run->obligation);
}

static const struct error *resolve_now(struct payment_fixture *f, const struct job_kind *kind,
                                       struct uuid customer)
{
    struct run run = {
        .kind = kind,
        .obligation =
            {
                .customer = customer,
                .kind = of_customer_text(f, "kind FROM obligation", customer),
                .business_key = of_customer_text(f, "business_key FROM obligation", customer),
                .epoch = of_customer(f, "epoch FROM obligation", customer),
                .now_us = clock_wall_us(f->db->house.clock),
            },
    };

    return db_run(f->db, run_job, &run);
}

static void set_attempt(struct payment_fixture *f, const char *assignment, struct uuid customer)
{
    db_execute(f->db, db_printf(f->db, "UPDATE attempt SET %s WHERE customer_id = '%s'", assignment,
                                db_uuid_text(f->db, customer)));
}

/* A payment that its handler could not finish. */
static struct payer given_unfinished(struct payment_fixture *f, const char *token,
                                     struct asked *asked)
{
    struct payer payer = given_payer(f, token);

    *asked = asked_payment(f, payer.customer, payer.method, 999, "request-1");
    assert_null(db_run(f->db, asked_run, asked));
    assert_int_equal(((const Dues__Payment__V1__Payment *)asked->reply)->state,
                     DUES__PAYMENT__V1__PAYMENT__STATE__STATE_PROCESSING);
    release(asked);
    return payer;
}

static void finds_the_charge_whose_answer_was_lost(void **state)
{
    struct payment_fixture *f = *state;
    struct asked asked;
    int before = gateway_approvals(f, "CHARGE");
    struct payer payer = given_unfinished(f, "tok_timeoutAfterSuccess", &asked); /* P7 */

    assert_null(resolve_now(f, &payment_resolve_job, payer.customer));
    struct asked second = asked;
    struct asked third = asked;
    assert_null(db_run(f->db, asked_run, &second));
    assert_null(db_run(f->db, asked_run, &third));

    assert_int_equal(gateway_approvals(f, "CHARGE"), before + 1);
    assert_string_equal(of_customer_text(f, "state FROM payment", payer.customer), "SUCCEEDED");
    assert_int_equal(of_customer(f, "count(*) FROM obligation", payer.customer), 0);
    assert_int_equal(of_customer(f, "count(*) FROM ledger_entry", payer.customer), 2);
    assert_int_equal(((const Dues__Payment__V1__Payment *)second.reply)->state,
                     DUES__PAYMENT__V1__PAYMENT__STATE__STATE_SUCCEEDED);
    assert_true(second.replayed);
    assert_int_equal(second.bytes.size, third.bytes.size);
    assert_memory_equal(second.bytes.data, third.bytes.data, second.bytes.size);
    release(&second);
    release(&third);
}

static void sends_again_what_never_arrived(void **state)
{
    struct payment_fixture *f = *state;
    struct asked asked;
    int before = gateway_approvals(f, "CHARGE");
    struct payer payer = given_unfinished(f, "tok_timeoutBeforeSuccess", &asked); /* P5, P6 */

    assert_null(resolve_now(f, &payment_resolve_job, payer.customer));

    assert_int_equal(gateway_approvals(f, "CHARGE"), before + 1);
    assert_string_equal(of_customer_text(f, "state FROM payment", payer.customer), "SUCCEEDED");
    assert_int_equal(of_customer(f, "send_count FROM attempt", payer.customer), 2);
}

static void leaves_alone_what_is_still_driven(void **state)
{
    struct payment_fixture *f = *state;
    struct asked asked;
    struct payer payer = given_unfinished(f, "tok_timeoutAfterSuccess", &asked);

    set_attempt(f, "state = 'SENDING', lease_until = clock_timestamp() + interval '1 min'",
                payer.customer);
    assert_null(resolve_now(f, &payment_resolve_job, payer.customer));

    assert_int_equal(of_customer(f, "epoch FROM attempt", payer.customer), 1);
    assert_int_equal(of_customer(f, "count(*) FROM obligation", payer.customer), 1);
    assert_int_equal(of_customer(f,
                                 "extract(epoch FROM due_time - '2026-01-15T10:00:00Z')::int"
                                 " FROM obligation",
                                 payer.customer),
                     60);
}

static void survives_a_crash_between_sending_and_recording(void **state)
{
    struct payment_fixture *f = *state;
    struct asked asked;
    int before = gateway_approvals(f, "CHARGE");
    struct payer payer = given_unfinished(f, "tok_timeoutAfterSuccess", &asked);

    /* As a process leaves it that dies in its call, also in the resolver's: P4, P8. */
    set_attempt(f, "state = 'RESOLVING', lease_until = clock_timestamp() - interval '1 s'",
                payer.customer);
    assert_null(resolve_now(f, &payment_resolve_job, payer.customer));

    assert_int_equal(gateway_approvals(f, "CHARGE"), before + 1);
    assert_string_equal(of_customer_text(f, "state FROM payment", payer.customer), "SUCCEEDED");
}

static void only_asks_when_the_gateway_forgets_keys(void **state)
{
    struct payment_fixture *f = *state;
    struct asked asked;
    int before = gateway_approvals(f, "CHARGE");
    struct payer payer = given_unfinished(f, "tok_timeoutBeforeSuccess", &asked);

    f->db->settings.unknown_budget_seconds = 3 * 86400;
    set_attempt(f, "first_sent_time = clock_timestamp() - interval '21 h'", payer.customer);
    assert_null(resolve_now(f, &payment_resolve_job, payer.customer)); /* P27 */
    f->db->settings.unknown_budget_seconds = 3600;

    assert_int_equal(gateway_approvals(f, "CHARGE"), before);
    assert_string_equal(of_customer_text(f, "state FROM payment", payer.customer), "FAILED");
}

/* The newest incident begins so, of the customer's payment and `more`. */
static void assert_people_are_told(struct payment_fixture *f, struct payer payer,
                                   const char *operation, const char *more)
{
    const char *told = of_customer_text(f, "detail FROM incident", payer.customer);
    const char *expected = db_printf(f->db, "%s customers/%s/payments/%s%s: ", operation,
                                     db_uuid_text(f->db, payer.customer),
                                     db_uuid_text(f->db, only_payment(f, payer.customer)), more);

    if (!text_starts_with(told, expected))
        print_error("%s\n", told);
    assert_true(text_starts_with(told, expected));
}

static void gives_up_after_its_budget(void **state)
{
    struct payment_fixture *f = *state;
    struct asked asked;
    struct payer payer = given_unfinished(f, "tok_timeoutAfterSuccess", &asked);

    set_attempt(f, "first_sent_time = clock_timestamp() - interval '2 h'", payer.customer);
    assert_null(resolve_now(f, &payment_resolve_job, payer.customer));

    assert_string_equal(of_customer_text(f, "state FROM attempt", payer.customer), "MANUAL");
    assert_string_equal(of_customer_text(f, "kind FROM incident", payer.customer),
                        "UNKNOWN_TOO_LONG");
    assert_people_are_told(f, payer, "charge of", "");
    assert_string_equal(of_customer_text(f, "state FROM payment", payer.customer), "PROCESSING");
    assert_int_equal(of_customer(f, "count(*) FROM obligation", payer.customer), 0);
}

static void finishes_a_refund_that_pends(void **state)
{
    struct payment_fixture *f = *state;
    struct payer payer = given_payer(f, "pm_card_pendingRefund");
    struct asked paying = asked_payment(f, payer.customer, payer.method, 1000, "request-1");

    assert_null(db_run(f->db, asked_run, &paying));
    release(&paying);
    struct asked refund =
        asked_refund(f, payer.customer, only_payment(f, payer.customer), 1000, "refund-1");
    assert_null(db_run(f->db, asked_run, &refund));
    release(&refund);
    assert_null(resolve_now(f, &refund_resolve_job, payer.customer));
    assert_null(db_run(f->db, asked_run, &refund));

    assert_true(refund.replayed);
    assert_int_equal(((const Dues__Payment__V1__Refund *)refund.reply)->state,
                     DUES__PAYMENT__V1__REFUND__STATE__STATE_SUCCEEDED);
    assert_int_equal(of_customer(f, "amount_refunded FROM payment", payer.customer), 1000);
    assert_int_equal(of_customer(f, "sum(amount) FROM ledger_entry", payer.customer), 0);
    release(&refund);
}

static void a_refund_that_is_given_up_names_itself(void **state)
{
    struct payment_fixture *f = *state;
    struct payer payer = given_payer(f, "pm_card_pendingRefund");
    struct asked paying = asked_payment(f, payer.customer, payer.method, 1000, "request-1");

    assert_null(db_run(f->db, asked_run, &paying));
    release(&paying);
    struct asked refund =
        asked_refund(f, payer.customer, only_payment(f, payer.customer), 1000, "refund-1");
    assert_null(db_run(f->db, asked_run, &refund));
    release(&refund);
    set_attempt(f, "first_sent_time = clock_timestamp() - interval '2 h'", payer.customer);
    assert_null(resolve_now(f, &refund_resolve_job, payer.customer));

    assert_people_are_told(f, payer, "refund",
                           db_printf(f->db, "/refunds/%s",
                                     of_customer_text(f, "refund_id FROM refund", payer.customer)));
}

static void the_gateway_crashing_too_changes_nothing(void **state)
{
    struct payment_fixture *f = *state;
    struct asked asked;
    int before = gateway_approvals(f, "CHARGE");
    struct payer payer = given_unfinished(f, "tok_timeoutAfterSuccess", &asked);

    sandbox_close(f->sandbox);
    fixture_open_gateway(f);
    assert_null(resolve_now(f, &payment_resolve_job, payer.customer));

    assert_int_equal(gateway_approvals(f, "CHARGE"), before + 1);
    assert_string_equal(of_customer_text(f, "state FROM payment", payer.customer), "SUCCEEDED");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_the_charge_whose_answer_was_lost),
        cmocka_unit_test(sends_again_what_never_arrived),
        cmocka_unit_test(leaves_alone_what_is_still_driven),
        cmocka_unit_test(survives_a_crash_between_sending_and_recording),
        cmocka_unit_test(only_asks_when_the_gateway_forgets_keys),
        cmocka_unit_test(gives_up_after_its_budget),
        cmocka_unit_test(finishes_a_refund_that_pends),
        cmocka_unit_test(a_refund_that_is_given_up_names_itself),
        cmocka_unit_test(the_gateway_crashing_too_changes_nothing),
    };
    return cmocka_run_group_tests_name("resolver", tests, payment_setup, payment_teardown);
}
