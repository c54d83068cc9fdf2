/*
 * ListPayments: page by page, filtered by state and time.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/text.h"
#include "base/time.h"
#include "support/rpc_payment.h"

typedef Dues__Payment__V1__ListPaymentsResponse Payments;

static const Payments *payments_of(struct rpc_fixture *f, const char *customer, int32_t page_size,
                                   const char *page_token, const char *filter)
{
    return must_reply(ask_payment_list(f, AS(SERVICE_BILLING), "ListPayments", customer, page_size,
                                       page_token, filter));
}

static void lists_newest_first_in_pages_without_gaps(void **state)
{
    struct rpc_fixture *f = *state;
    struct payer payer = given_payer(f, "tok_visa");
    const char *names[5];
    const char *token = "";
    size_t seen = 0;

    for (size_t i = 0; i < 5; i++) {
        fake_clock_advance(f->clock, 1000000);
        names[i] = given_payment(f, payer);
    }
    do {
        const Payments *page = payments_of(f, payer.customer, 2, token, "");
        for (size_t i = 0; i < page->n_payments; i++, seen++)
            assert_string_equal(page->payments[i]->name, names[4 - seen]);
        token = page->next_page_token;
    } while (token[0] != '\0');

    assert_int_equal(seen, 5);
}

static void filters_by_state(void **state)
{
    struct rpc_fixture *f = *state;
    struct payer good = given_payer(f, "tok_visa");
    struct payer bad = {good.customer, given_card(f, good.customer, "tok_chargeDeclined")};

    given_payment(f, good);
    ask_payment(f, bad, new_request_id(f));
    given_payment(f, good);
    const Payments *succeeded = payments_of(f, good.customer, 0, "", "state = SUCCEEDED");
    const Payments *others = payments_of(f, good.customer, 0, "", "state != SUCCEEDED");
    const Payments *none = payments_of(f, good.customer, 0, "", "state = CANCELED");

    assert_int_equal(succeeded->n_payments, 2);
    assert_int_equal(others->n_payments, 1);
    assert_int_equal(others->payments[0]->state, PAYMENT_STATE(FAILED));
    assert_int_equal(none->n_payments, 0);
}

static const char *rfc3339(struct rpc_fixture *f, int64_t time_us)
{
    char text[TIME_TEXT_SIZE];

    time_format(time_us, text);
    return rpc_printf(f, "%s", text);
}

static void filters_by_time(void **state)
{
    struct rpc_fixture *f = *state;
    struct payer payer = given_payer(f, "tok_visa");

    const char *old = given_payment(f, payer);
    fake_clock_advance(f->clock, 60000000);
    const char *new_time = rfc3339(f, clock_wall_us(&f->clock->clock));
    const char *new_one = given_payment(f, payer);
    const Payments *since =
        payments_of(f, payer.customer, 0, "", rpc_printf(f, "create_time >= \"%s\"", new_time));
    const Payments *before =
        payments_of(f, payer.customer, 0, "",
                    rpc_printf(f, "state = SUCCEEDED AND create_time < \"%s\"", new_time));
    const Payments *other =
        payments_of(f, payer.customer, 0, "", rpc_printf(f, "create_time != \"%s\"", new_time));

    assert_int_equal(since->n_payments, 1);
    assert_string_equal(since->payments[0]->name, new_one);
    assert_int_equal(before->n_payments, 1);
    assert_string_equal(before->payments[0]->name, old);
    assert_int_equal(other->n_payments, 1);
    assert_string_equal(other->payments[0]->name, old);
}

static void refuses_a_filter_it_does_not_know(void **state)
{
    struct rpc_fixture *f = *state;
    const char *customer = given_customer(f, "");

    const struct dues_answer *answer =
        ask_payment_list(f, AS(SERVICE_BILLING), "ListPayments", customer, 0, "", "amount > 5");

    assert_int_equal(answer->status, DUES_INVALID_ARGUMENT);
    assert_string_equal(answer->reason, "FILTER_INVALID");
    assert_true(answer_names(answer, "filter"));
}

static void refuses_a_page_token_when_the_filter_changed(void **state)
{
    struct rpc_fixture *f = *state;
    struct payer payer = given_payer(f, "tok_visa");

    given_payment(f, payer);
    given_payment(f, payer);
    const Payments *first = payments_of(f, payer.customer, 1, "", "");
    const struct dues_answer *answer =
        ask_payment_list(f, AS(SERVICE_BILLING), "ListPayments", payer.customer, 1,
                         first->next_page_token, "state = FAILED");

    assert_int_equal(answer->status, DUES_INVALID_ARGUMENT);
    assert_string_equal(answer->reason, "PAGE_TOKEN_INVALID");
}

static void finds_no_customer_that_does_not_exist_or_is_not_ours(void **state)
{
    struct rpc_fixture *f = *state;
    struct rpc_world *world = world_new(f);
    struct payer payer = given_payer(f, "tok_visa");
    const char *absent = rpc_printf(f, "customers/%s", db_uuid_text(f->db, db_uuid(f->db)));

    const struct dues_answer *nothing =
        ask_payment_list(f, AS(OPERATOR_DEMO), "ListPayments", absent, 0, "", "");
    const struct dues_answer *theirs =
        ask_payment_list(f, user_of(world), "ListPayments", payer.customer, 0, "", "");

    assert_int_equal(nothing->status, DUES_NOT_FOUND);
    assert_string_equal(nothing->reason, "CUSTOMER_NOT_FOUND");
    assert_int_equal(theirs->status, DUES_NOT_FOUND);
    world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_newest_first_in_pages_without_gaps),
        cmocka_unit_test(filters_by_state),
        cmocka_unit_test(filters_by_time),
        cmocka_unit_test(refuses_a_filter_it_does_not_know),
        cmocka_unit_test(refuses_a_page_token_when_the_filter_changed),
        cmocka_unit_test(finds_no_customer_that_does_not_exist_or_is_not_ours),
    };
    return cmocka_run_group_tests_name("ListPayments", tests, members_setup, rpc_teardown);
}
