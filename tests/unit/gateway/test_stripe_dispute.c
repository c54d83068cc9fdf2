/*
 * Stripe's disputes: what is asked, and that no answer is believed that does not fit.
 */

#include "unit/gateway/stripe_fixture.h"

#define DISPUTE_GET "/v1/disputes/du_1?expand%5B0%5D=payment_intent"
#define MOVED(amount, fee)                                                                         \
    "{\"amount\":" amount ",\"fee\":" fee                                                          \
    ",\"currency\":\"usd\",\"object\":\"balance_transaction\"}"
#define DISPUTE(status, moved)                                                                     \
    "{\"id\":\"du_1\",\"object\":\"dispute\",\"livemode\":false,\"amount\":1999,"                  \
    "\"currency\":\"usd\",\"created\":1767225600,\"reason\":\"fraudulent\",\"status\":\"" status   \
    "\",\"balance_transactions\":[" moved "],\"evidence_details\":{\"due_by\":1768003200,"         \
    "\"submission_count\":0},\"payment_intent\":" PAID "}"
#define TAKEN    MOVED("-1999", "1500")
#define RETURNED TAKEN "," MOVED("1999", "0")

static struct {
    enum gateway_outcome outcome;
    struct gateway_dispute dispute;
    struct gateway_dispute_page page;
    bool is_listed;
} result;

static void run_get(void *argument)
{
    struct fixture *f = argument;

    result.outcome = f->gateway->get_dispute(f->gateway, &f->call, "du_1", &result.dispute);
}

static const struct gateway_dispute_request response = {
    .idempotency_key = "key-of-the-response",
    .dispute = "du_1",
    .evidence = {{"customer_name", "Ada"}, {"uncategorized_text", "she read it"}},
    .evidence_count = 2,
};

static void run_submit(void *argument)
{
    struct fixture *f = argument;

    result.outcome = f->gateway->submit_evidence(f->gateway, &f->call, &response, &result.dispute);
}

static void run_accept(void *argument)
{
    struct fixture *f = argument;

    result.outcome = f->gateway->accept_dispute(f->gateway, &f->call, &response, &result.dispute);
}

static void run_list(void *argument)
{
    struct fixture *f = argument;

    result.is_listed =
        f->gateway->list_disputes(f->gateway, &f->call, 1767225600000000, "", &result.page);
}

static void asked(const struct fixture *f, enum gateway_outcome outcome)
{
    assert_false(f->went_wrong);
    assert_int_equal(f->asked, 1);
    assert_int_equal(result.outcome, outcome);
}

static void the_money_is_in_its_balance_transactions(void **state)
{
    struct fixture *f = *state;
    given(f, 0, get(DISPUTE_GET, 200, DISPUTE("needs_response", TAKEN)));

    fiber_run(f->fibers, run_get, f);

    asked(f, GATEWAY_SUCCEEDED);
    assert_int_equal(result.dispute.status, GATEWAY_DISPUTE_NEEDS_RESPONSE);
    assert_string_equal(result.dispute.reference, REFERENCE);
    assert_string_equal(result.dispute.transaction, "pi_1");
    assert_int_equal(result.dispute.amount.minor_units, 1999);
    assert_int_equal(result.dispute.withdrawn_minor, 1999);
    assert_int_equal(result.dispute.fee.minor_units, 1500);
    assert_int_equal(result.dispute.evidence_due_us, 1768003200000000);
    assert_false(result.dispute.has_evidence);
}

static void what_was_given_back_is_not_withdrawn(void **state)
{
    struct fixture *f = *state;
    given(f, 0, get(DISPUTE_GET, 200, DISPUTE("won", RETURNED)));

    fiber_run(f->fibers, run_get, f);

    asked(f, GATEWAY_SUCCEEDED);
    assert_int_equal(result.dispute.status, GATEWAY_DISPUTE_WON);
    assert_int_equal(result.dispute.withdrawn_minor, 0);
    assert_int_equal(result.dispute.fee.minor_units, 1500);
}

static void an_inquiry_has_moved_nothing(void **state)
{
    struct fixture *f = *state;
    given(f, 0, get(DISPUTE_GET, 200, DISPUTE("warning_needs_response", "")));

    fiber_run(f->fibers, run_get, f);

    asked(f, GATEWAY_SUCCEEDED);
    assert_true(result.dispute.is_inquiry);
    assert_int_equal(result.dispute.withdrawn_minor, 0);
    assert_int_equal(result.dispute.fee.minor_units, 0);
}

static void what_does_not_fit_says_nothing(void **state)
{
    static const char *const answers[] = {
        "{}",
        DISPUTE("a_new_status", TAKEN),
        DISPUTE("lost", MOVED("\"-1999\"", "0")),
        DISPUTE("lost", TAKEN "," TAKEN "," MOVED("-9223372036854775807", "0")),
        DISPUTE("lost", "1"),
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < ARRAY_LENGTH(answers); i++) {
        f->asked = 0;
        given(f, 0, get(DISPUTE_GET, 200, answers[i]));
        fiber_run(f->fibers, run_get, f);
        asked(f, GATEWAY_UNKNOWN);
    }
}

static void evidence_is_one_post_under_its_key(void **state)
{
    struct fixture *f = *state;
    given(f, 0,
          post("/v1/disputes/du_1",
               "evidence%5Bcustomer_name%5D=Ada&evidence%5Buncategorized_text%5D=she%20read%20it"
               "&submit=true&expand%5B0%5D=payment_intent",
               200, DISPUTE("under_review", TAKEN)));

    fiber_run(f->fibers, run_submit, f);

    asked(f, GATEWAY_SUCCEEDED);
    assert_string_equal(f->keys[0], "key-of-the-response");
    assert_int_equal(result.dispute.status, GATEWAY_DISPUTE_UNDER_REVIEW);
}

static void a_lost_answer_is_unknown_and_a_refusal_is_not(void **state)
{
    struct fixture *f = *state;
    given(f, 0,
          (struct step){"POST", "/v1/disputes/du_1/close", NULL, 200, NULL, DISPUTE("lost", TAKEN),
                        true});

    fiber_run(f->fibers, run_accept, f);
    asked(f, GATEWAY_UNKNOWN);
    f->asked = 0;
    given(f, 0,
          post("/v1/disputes/du_1/close", NULL, 400,
               "{\"error\":{\"type\":\"invalid_request_error\",\"message\":\"closed\"}}"));
    fiber_run(f->fibers, run_accept, f);
    asked(f, GATEWAY_FAILED);
    f->asked = 0;
    given(f, 0,
          post("/v1/disputes/du_1/close", NULL, 400,
               "{\"error\":{\"type\":\"idempotency_error\",\"message\":\"used\"}}"));
    fiber_run(f->fibers, run_accept, f);
    asked(f, GATEWAY_UNKNOWN);
}

static void a_list_gives_ids_and_where_to_go_on(void **state)
{
    struct fixture *f = *state;
    given(f, 0,
          get("/v1/disputes?created%5Bgte%5D=1767225600&limit=100", 200,
              "{\"object\":\"list\",\"has_more\":true,\"data\":[{\"id\":\"du_2\"},"
              "{\"id\":\"du_1\"}]}"));

    fiber_run(f->fibers, run_list, f);

    assert_true(result.is_listed);
    assert_int_equal(result.page.count, 2);
    assert_string_equal(result.page.ids[0], "du_2");
    assert_string_equal(result.page.next, "du_1");
    assert_false(f->went_wrong);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_money_is_in_its_balance_transactions, setup, teardown),
        cmocka_unit_test_setup_teardown(what_was_given_back_is_not_withdrawn, setup, teardown),
        cmocka_unit_test_setup_teardown(an_inquiry_has_moved_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(what_does_not_fit_says_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(evidence_is_one_post_under_its_key, setup, teardown),
        cmocka_unit_test_setup_teardown(a_lost_answer_is_unknown_and_a_refusal_is_not, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_list_gives_ids_and_where_to_go_on, setup, teardown),
    };

    return cmocka_run_group_tests_name("stripe disputes", tests, NULL, NULL);
}
