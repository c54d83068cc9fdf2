/*
 * CreatePaymentMethod: a card, by the gateway's token only.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/text.h"
#include "support/rpc_payment.h"

static const struct dues_answer *ask_card(struct rpc_fixture *f, struct rpc_as as,
                                          const char *parent, const char *token,
                                          const char *request_id)
{
    Dues__Payment__V1__CreatePaymentMethodRequest request =
        DUES__PAYMENT__V1__CREATE_PAYMENT_METHOD_REQUEST__INIT;
    PaymentMethod method = DUES__PAYMENT__V1__PAYMENT_METHOD__INIT;

    request.parent = (char *)(uintptr_t)parent;
    request.request_id = (char *)(uintptr_t)request_id;
    method.gateway_token = (char *)(uintptr_t)token;
    request.payment_method = &method;
    return ask_payment_service(f, as, "CreatePaymentMethod", &request.base);
}

static int64_t card_count(struct rpc_fixture *f, const char *customer)
{
    return db_count(f->db, db_printf(f->db, "dues.payment_method WHERE customer_id = '%s'",
                                     customer_id_of(f, customer)));
}

static void shows_the_card_and_never_the_token(void **state)
{
    struct rpc_fixture *f = *state;
    const char *customer = given_customer(f, "");

    const PaymentMethod *card =
        must_reply(ask_card(f, AS(SERVICE_BILLING), customer, "tok_mastercard", ""));

    assert_true(text_starts_with(card->name, rpc_printf(f, "%s/paymentMethods/", customer)));
    assert_string_equal(card->gateway, "sandbox");
    assert_string_equal(card->brand, "mastercard");
    assert_string_equal(card->last4, "4444");
    assert_int_equal(card->exp_month, 12);
    assert_int_equal(card->state, DUES__PAYMENT__V1__PAYMENT_METHOD__STATE__STATE_ACTIVE);
    assert_string_equal(card->gateway_token, "");
    assert_false(rpc_log_has(f, "tok_mastercard"));
}

static void the_first_becomes_the_default(void **state)
{
    struct rpc_fixture *f = *state;
    const char *customer = given_customer(f, "");

    const PaymentMethod *first =
        must_reply(ask_card(f, AS(SERVICE_BILLING), customer, "tok_visa", ""));
    const PaymentMethod *second =
        must_reply(ask_card(f, AS(SERVICE_BILLING), customer, "tok_visa", ""));

    assert_true(first->is_default);
    assert_false(second->is_default);
}

static void a_user_stores_a_card_as_me(void **state)
{
    struct rpc_fixture *f = *state;
    struct rpc_world *world = world_new(f);

    const PaymentMethod *card =
        must_reply(ask_card(f, user_of(world), "customers/me", "tok_visa", ""));

    assert_true(text_starts_with(card->name, world->owner.customer));
    world_free(world);
}

static void answers_a_repeat_with_the_first_card(void **state)
{
    struct rpc_fixture *f = *state;
    const char *customer = given_customer(f, "");

    const struct dues_answer *first =
        ask_card(f, AS(SERVICE_BILLING), customer, "tok_visa", "card-1");
    rpc_restart(f);
    const struct dues_answer *second =
        ask_card(f, AS(SERVICE_BILLING), customer, "tok_visa", "card-1");
    const struct dues_answer *other =
        ask_card(f, AS(SERVICE_BILLING), customer, "tok_amex", "card-1");

    assert_int_equal(second->reply_size, first->reply_size);
    assert_memory_equal(second->reply_bytes, first->reply_bytes, first->reply_size);
    assert_false(is_replayed(first));
    assert_true(is_replayed(second));
    assert_int_equal(other->status, DUES_INVALID_ARGUMENT);
    assert_string_equal(other->reason, "REQUEST_ID_REUSED");
    assert_int_equal(card_count(f, customer), 1);
}

static void refuses_a_token_that_the_gateway_does_not_know(void **state)
{
    struct rpc_fixture *f = *state;
    const char *customer = given_customer(f, "");
    static const char *const wrong[] = {"", "tok_nothing", "tok_vis\xc3\xa4"};

    for (size_t i = 0; i < ARRAY_LENGTH(wrong); i++) {
        const struct dues_answer *answer = ask_card(f, AS(SERVICE_BILLING), customer, wrong[i], "");

        assert_int_equal(answer->status, DUES_INVALID_ARGUMENT);
        assert_string_equal(answer->reason, "INVALID_FIELD");
        assert_true(answer_names(answer, "payment_method.gateway_token"));
    }
    assert_int_equal(card_count(f, customer), 0);
}

static void refuses_a_card_number_and_logs_nothing_of_it(void **state)
{
    struct rpc_fixture *f = *state;
    const char *customer = given_customer(f, "");

    const struct dues_answer *answer =
        ask_card(f, AS(SERVICE_BILLING), customer, "4242 4242 4242 4242", "");

    assert_int_equal(answer->status, DUES_INVALID_ARGUMENT);
    assert_string_equal(answer->reason, "CARD_NUMBER_REFUSED");
    assert_false(rpc_log_has(f, "4242 4242"));
    assert_int_equal(card_count(f, customer), 0);
}

static void the_house_has_no_cards(void **state)
{
    struct rpc_fixture *f = *state;
    const char *house = "customers/00000000-0000-8000-8000-000000000000";

    db_execute(f->db, "SELECT dues.house_customer_ensure(dues.house_customer(), now())");
    const struct dues_answer *answer = ask_card(f, AS(SERVICE_BILLING), house, "tok_visa", "");

    assert_int_equal(answer->status, DUES_NOT_FOUND);
    assert_string_equal(answer->reason, "CUSTOMER_NOT_FOUND");
}

static void finds_no_customer_of_somebody_else(void **state)
{
    struct rpc_fixture *f = *state;
    struct rpc_world *world = world_new(f);

    const struct dues_answer *answer =
        ask_card(f, user_of(world), world->other.customer, "tok_visa", "");

    assert_int_equal(answer->status, DUES_NOT_FOUND);
    assert_string_equal(answer->reason, "CUSTOMER_NOT_FOUND");
    assert_int_equal(card_count(f, world->other.customer), 0);
    world_free(world);
}

struct racer {
    struct rpc_fixture *f;
    const char *customer;
    const struct dues_answer *answer;
};

static void *race(void *arg)
{
    struct racer *racer = arg;

    racer->answer = ask_card(racer->f, AS(SERVICE_BILLING), racer->customer, "tok_visa", "");
    return NULL;
}

static void of_two_at_once_one_is_the_default(void **state)
{
    struct rpc_fixture *f = *state;
    const char *customer = given_customer(f, "");
    struct racer racers[2] = {{f, customer, NULL}, {f, customer, NULL}};

    rpc_race(race, racers, 2, sizeof(racers[0]));

    const PaymentMethod *first = must_reply(racers[0].answer);
    const PaymentMethod *second = must_reply(racers[1].answer);
    assert_int_equal(first->is_default + second->is_default, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shows_the_card_and_never_the_token),
        cmocka_unit_test(the_first_becomes_the_default),
        cmocka_unit_test(a_user_stores_a_card_as_me),
        cmocka_unit_test(answers_a_repeat_with_the_first_card),
        cmocka_unit_test(refuses_a_token_that_the_gateway_does_not_know),
        cmocka_unit_test(refuses_a_card_number_and_logs_nothing_of_it),
        cmocka_unit_test(the_house_has_no_cards),
        cmocka_unit_test(finds_no_customer_of_somebody_else),
        cmocka_unit_test(of_two_at_once_one_is_the_default),
    };
    return cmocka_run_group_tests_name("CreatePaymentMethod", tests, members_setup, rpc_teardown);
}
