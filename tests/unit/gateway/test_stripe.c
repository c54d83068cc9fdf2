/*
 * The Stripe gateway over real TLS, against a server that answers from a script: what is asked, in
 * which order, and what becomes of it.
 */

#include "unit/gateway/stripe_fixture.h"

static void a_charge_is_one_confirmed_intent(void **state)
{
    struct fixture *f = *state;
    given(f, 0,
          post("/v1/payment_intents",
               "amount=1999&currency=usd&customer=cus_1&payment_method=pm_1"
               "&payment_method_types%5B0%5D=card&confirm=true&capture_method=automatic"
               "&metadata%5Battempt_id%5D=" REFERENCE "&metadata%5Bpayment_id%5D=" PAYMENT
               "&expand%5B0%5D=latest_charge",
               200, PAID));

    fiber_run(f->fibers, run_send, f);

    then(f, GATEWAY_SUCCEEDED, 1);
    assert_string_equal(f->keys[0], "key-of-the-attempt");
    assert_string_equal(f->answer.transaction, "pi_1");
}

static void a_renewal_says_that_nobody_is_there(void **state)
{
    struct fixture *f = *state;
    f->request.off_session = true;
    given(f, 0,
          post("/v1/payment_intents", "&off_session=true&", 402,
               "{\"error\":{\"type\":\"card_error\",\"code\":\"authentication_required\","
               "\"decline_code\":\"authentication_required\"}}"));

    fiber_run(f->fibers, run_send, f);

    then(f, GATEWAY_DECLINED, 1);
    assert_string_equal(f->answer.decline_code, "authentication_required");
    assert_null(strstr(f->answer.evidence, SECRET));
}

static void a_lost_answer_is_unknown_and_the_same_again_is_safe(void **state)
{
    struct fixture *f = *state;
    given(f, 0, (struct step){"POST", "/v1/payment_intents", NULL, 200, NULL, PAID, true});
    given(f, 1, replayed(200, PAID));

    fiber_run(f->fibers, run_send, f);
    then(f, GATEWAY_UNKNOWN, 1);
    fiber_run(f->fibers, run_send, f);
    then(f, GATEWAY_SUCCEEDED, 2);
    assert_string_equal(f->keys[0], f->keys[1]);
}

static void a_stored_500_is_looked_up(void **state)
{
    struct fixture *f = *state;
    given(f, 0, replayed(500, "{\"error\":{\"type\":\"api_error\"}}"));
    given(f, 1, get(SEARCH_GET, 200, LIST("")));
    given(f, 2, get(LIST_GET, 200, LIST("{\"id\":\"pi_9\",\"metadata\":{}}," PAID)));

    fiber_run(f->fibers, run_send, f);

    then(f, GATEWAY_SUCCEEDED, 3);
}

static void a_stored_500_that_left_nothing_stays_unknown(void **state)
{
    struct fixture *f = *state;
    given(f, 0, replayed(500, "{}"));
    given(f, 1, get(SEARCH_GET, 200, LIST("")));
    given(f, 2, get(LIST_GET, 200, LIST("")));

    fiber_run(f->fibers, run_send, f);

    then(f, GATEWAY_UNKNOWN, 3);
}

static void a_replayed_beginning_is_looked_at_as_it_stands_now(void **state)
{
    struct fixture *f = *state;
    given(f, 0, replayed(200, WORKING));
    given(f, 1, get(PI_GET, 200, PAID));

    fiber_run(f->fibers, run_send, f);

    then(f, GATEWAY_SUCCEEDED, 2);
}

static void a_query_finds_nothing_in_all_pages(void **state)
{
    struct fixture *f = *state;
    given(f, 0, get(SEARCH_GET, 200, LIST("")));
    given(f, 1,
          get(LIST_GET, 200, "{\"has_more\":true,\"data\":[{\"id\":\"pi_7\"},{\"id\":\"pi_8\"}]}"));
    given(f, 2,
          get("/v1/payment_intents?customer=cus_1&limit=30&starting_after=pi_8", 200, LIST("")));

    fiber_run(f->fibers, run_query, f);

    then(f, GATEWAY_FAILED, 3);
}

/* "Never executed" would make what was paid fail. */
static void a_list_that_is_not_whole_says_nothing(void **state)
{
    static const char *const lists[] = {
        "{\"has_more\":true,\"data\":[]}",
        "{\"has_more\":true,\"data\":[{\"id\":\"pi_7\"},{\"object\":\"payment_intent\"}]}",
        "{\"data\":[]}",
        "{\"has_more\":\"true\",\"data\":[{\"id\":\"pi_7\"}]}",
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < ARRAY_LENGTH(lists); i++) {
        f->asked = 0;
        given(f, 0, get(SEARCH_GET, 200, LIST("")));
        given(f, 1, get(LIST_GET, 200, lists[i]));

        fiber_run(f->fibers, run_query, f);

        then(f, GATEWAY_UNKNOWN, 2);
        assert_string_equal(f->answer.transaction, "");
    }
}

static void a_query_that_is_not_answered_says_nothing(void **state)
{
    struct fixture *f = *state;
    given(f, 0, get(SEARCH_GET, 500, ""));
    given(f, 1, get(LIST_GET, 500, ""));

    fiber_run(f->fibers, run_query, f);

    then(f, GATEWAY_UNKNOWN, 2);
}

static void a_query_by_id_is_one_look(void **state)
{
    struct fixture *f = *state;
    f->request.transaction = "pi_1";
    given(f, 0, get(PI_GET, 200, PAID));

    fiber_run(f->fibers, run_query, f);

    then(f, GATEWAY_SUCCEEDED, 1);
}

static void a_capture_notes_what_it_takes(void **state)
{
    struct fixture *f = *state;
    given_operation(f, GATEWAY_CAPTURE);
    given(f, 0,
          post(PI_PATH "/capture",
               "amount_to_capture=1999&final_capture=false&metadata%5B" NOTE "%5D=1999", 200,
               HELD("2999", ",\"" NOTE "\":\"1999\",\"capture_of_another\":\"1000\"},"
                            "\"status\":\"requires_capture\"")));

    fiber_run(f->fibers, run_send, f);

    then(f, GATEWAY_SUCCEEDED, 1);
    assert_int_equal(f->answer.amount.minor_units, 1999);
}

static void a_capture_is_found_by_its_note_whoever_captured_since(void **state)
{
    struct fixture *f = *state;
    given_operation(f, GATEWAY_CAPTURE);
    given(f, 0,
          get(PI_GET, 200,
              HELD("2999", ",\"" NOTE "\":\"1999\",\"capture_of_another\":\"1000\"},"
                           "\"status\":\"succeeded\"")));

    fiber_run(f->fibers, run_query, f);

    then(f, GATEWAY_SUCCEEDED, 1);
    assert_int_equal(f->answer.amount.minor_units, 1999);
}

static void a_capture_of_what_has_ended_fails(void **state)
{
    struct fixture *f = *state;
    given_operation(f, GATEWAY_CAPTURE);
    given(f, 0,
          post(PI_PATH "/capture", NULL, 400,
               "{\"error\":{\"type\":\"invalid_request_error\",\"code\":"
               "\"payment_intent_unexpected_state\"}}"));
    given(f, 1, get(PI_GET, 200, HELD("0", "},\"status\":\"canceled\"")));

    fiber_run(f->fibers, run_send, f);

    then(f, GATEWAY_FAILED, 2);
}

static void a_void_of_what_is_canceled_is_a_success(void **state)
{
    struct fixture *f = *state;
    given_operation(f, GATEWAY_VOID);
    given(f, 0,
          post(PI_PATH "/cancel", NULL, 400,
               "{\"error\":{\"type\":\"invalid_request_error\",\"code\":"
               "\"payment_intent_unexpected_state\"}}"));
    given(f, 1, get(PI_GET, 200, HELD("0", "},\"status\":\"canceled\"")));

    fiber_run(f->fibers, run_send, f);

    then(f, GATEWAY_SUCCEEDED, 2);
}

static void a_refund_is_of_the_intent(void **state)
{
    struct fixture *f = *state;
    given_operation(f, GATEWAY_REFUND);
    given(f, 0,
          post("/v1/refunds", "payment_intent=pi_1&amount=1999&metadata%5Battempt_id%5D=" REFERENCE,
               200, REFUNDED));
    given(f, 1, get("/v1/refunds?payment_intent=pi_1&limit=30", 200, LIST(REFUNDED)));

    fiber_run(f->fibers, run_send, f);
    then(f, GATEWAY_SUCCEEDED, 1);
    assert_string_equal(f->answer.transaction, "re_1");

    fiber_run(f->fibers, run_query, f);
    then(f, GATEWAY_SUCCEEDED, 2);
}

static void what_stripe_cannot_be_asked_is_not_sent(void **state)
{
    struct fixture *f = *state;
    f->request.amount = money_make("BHD", 1234);
    fiber_run(f->fibers, run_send, f);
    then(f, GATEWAY_FAILED, 0);

    f->request.amount = money_make("USD", 1);
    f->request.token = "tok_visa";
    fiber_run(f->fibers, run_send, f);
    then(f, GATEWAY_FAILED, 0);

    f->request.operation = GATEWAY_REFUND;
    f->request.transaction = "ch_1/../../x";
    fiber_run(f->fibers, run_send, f);
    then(f, GATEWAY_FAILED, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_charge_is_one_confirmed_intent),
        TEST(a_renewal_says_that_nobody_is_there),
        TEST(a_lost_answer_is_unknown_and_the_same_again_is_safe),
        TEST(a_stored_500_is_looked_up),
        TEST(a_stored_500_that_left_nothing_stays_unknown),
        TEST(a_replayed_beginning_is_looked_at_as_it_stands_now),
        TEST(a_query_finds_nothing_in_all_pages),
        TEST(a_list_that_is_not_whole_says_nothing),
        TEST(a_query_that_is_not_answered_says_nothing),
        TEST(a_query_by_id_is_one_look),
        TEST(a_capture_notes_what_it_takes),
        TEST(a_capture_is_found_by_its_note_whoever_captured_since),
        TEST(a_capture_of_what_has_ended_fails),
        TEST(a_void_of_what_is_canceled_is_a_success),
        TEST(a_refund_is_of_the_intent),
        TEST(what_stripe_cannot_be_asked_is_not_sent),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
