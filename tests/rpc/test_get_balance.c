/*
 * GetBalance: what stands on each account, now and at any time before.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/text.h"
#include "support/rpc_payment.h"

typedef Dues__Payment__V1__Balance Balance;

/* `read_time_us` 0: now. */
static const struct dues_answer *ask_balance(struct rpc_fixture *f, struct rpc_as as,
                                             const char *customer, int64_t read_time_us)
{
    Dues__Payment__V1__GetBalanceRequest request = DUES__PAYMENT__V1__GET_BALANCE_REQUEST__INIT;
    Google__Protobuf__Timestamp time = GOOGLE__PROTOBUF__TIMESTAMP__INIT;

    request.name = member_text(f, rpc_printf(f, "%s/balance", customer));
    time.seconds = read_time_us / 1000000;
    time.nanos = (int32_t)(read_time_us % 1000000) * 1000;
    if (read_time_us != 0)
        request.read_time = &time;
    return ask_payment_service(f, as, "GetBalance", &request.base);
}

/* "account=minor_units …" */
static const char *balance_of(struct rpc_fixture *f, const char *customer, int64_t read_time_us)
{
    const Balance *balance =
        must_reply(ask_balance(f, AS(SERVICE_BILLING), customer, read_time_us));
    const char *text = "";

    for (size_t i = 0; i < balance->n_accounts; i++)
        text = rpc_printf(f, "%s%s%s=%lld", text, i == 0 ? "" : " ", balance->accounts[i]->account,
                          (long long)balance->accounts[i]->balance->minor_units);
    return text;
}

static int64_t present(struct rpc_fixture *f)
{
    fake_clock_advance(f->clock, 1000000);
    return clock_wall_us(&f->clock->clock);
}

static void tells_what_a_payment_and_a_refund_moved(void **state)
{
    struct rpc_fixture *f = *state;
    struct payer payer = given_payer(f, "tok_visa");
    const char *payment = given_payment(f, payer);

    given_refund(f, payment, 300);
    const Balance *balance = must_reply(ask_balance(f, AS(OPERATOR_DEMO), payer.customer, 0));

    assert_string_equal(balance_of(f, payer.customer, 0),
                        "gateway_clearing:sandbox=699 refunds=300 revenue=-999");
    assert_int_equal(balance->position, 4);
    assert_null(balance->read_time);
    assert_string_equal(balance->name, rpc_printf(f, "%s/balance", payer.customer));
    assert_int_equal(balance->accounts[0]->debits->minor_units, 999);
    assert_int_equal(balance->accounts[0]->credits->minor_units, -300);
    assert_string_equal(balance->accounts[0]->balance->currency_code, "USD");
}

static void tells_what_it_was_at_any_time_before(void **state)
{
    struct rpc_fixture *f = *state;
    struct payer payer = given_payer(f, "tok_visa");
    int64_t before_us = present(f);
    fake_clock_advance(f->clock, 1000000);
    const char *payment = given_payment(f, payer);
    int64_t between_us = present(f);
    fake_clock_advance(f->clock, 1000000);
    given_refund(f, payment, 300);
    int64_t after_us = present(f);

    assert_string_equal(balance_of(f, payer.customer, before_us), "");
    assert_string_equal(balance_of(f, payer.customer, between_us),
                        "gateway_clearing:sandbox=999 revenue=-999");
    assert_string_equal(balance_of(f, payer.customer, after_us),
                        "gateway_clearing:sandbox=699 refunds=300 revenue=-999");
    const Balance *balance =
        must_reply(ask_balance(f, AS(SERVICE_BILLING), payer.customer, between_us));
    assert_int_equal(balance->position, 2);
    assert_int_equal(time_in(balance->read_time), between_us);
}

static void of_a_customer_who_never_paid_it_is_empty(void **state)
{
    struct rpc_fixture *f = *state;

    const Balance *balance =
        must_reply(ask_balance(f, AS(SERVICE_BILLING), given_customer(f, ""), 0));

    assert_int_equal(balance->n_accounts, 0);
    assert_int_equal(balance->position, 0);
}

static void finds_no_customer_that_does_not_exist(void **state)
{
    struct rpc_fixture *f = *state;

    const struct dues_answer *answer =
        ask_balance(f, AS(SERVICE_BILLING),
                    rpc_printf(f, "customers/%s", db_uuid_text(f->db, db_uuid(f->db))), 0);

    assert_int_equal(answer->status, DUES_NOT_FOUND);
    assert_string_equal(answer->reason, "CUSTOMER_NOT_FOUND");
}

static void refuses_a_time_that_is_none(void **state)
{
    struct rpc_fixture *f = *state;

    const struct dues_answer *answer =
        ask_balance(f, AS(SERVICE_BILLING), given_customer(f, ""), INT64_C(253402300800) * 1000000);

    assert_int_equal(answer->status, DUES_INVALID_ARGUMENT);
    assert_true(answer_names(answer, "read_time"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tells_what_a_payment_and_a_refund_moved),
        cmocka_unit_test(tells_what_it_was_at_any_time_before),
        cmocka_unit_test(of_a_customer_who_never_paid_it_is_empty),
        cmocka_unit_test(finds_no_customer_that_does_not_exist),
        cmocka_unit_test(refuses_a_time_that_is_none),
    };
    return cmocka_run_group_tests_name("GetBalance", tests, members_setup, rpc_teardown);
}
