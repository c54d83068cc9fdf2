/*
 * From a form's token to something that can be charged later, over real TLS, against a server that
 * answers from a script.
 */

#include "unit/gateway/stripe_fixture.h"

#define KEY_DIGITS 32

#define METHOD(id, customer)                                                                       \
    "{\"id\":\"" id "\",\"object\":\"payment_method\",\"customer\":" customer "," CARD "}"
#define STRANGER "{\"id\":\"cus_7\",\"object\":\"customer\"}"
#define SETUP(method, status)                                                                      \
    "{\"id\":\"seti_1\",\"object\":\"setup_intent\",\"customer\":\"cus_7\",\"payment_method\":"    \
    "\"" method "\",\"status\":\"" status "\"}"

static void a_card_is_given_a_customer_and_set_up(void **state)
{
    struct fixture *f = *state;
    f->token = "pm_8";
    given(f, 0,
          (struct step){"GET", "/v1/payment_methods/pm_8", NULL, 200, NULL, METHOD("pm_8", "null"),
                        false});
    given(f, 1,
          (struct step){"POST", "/v1/customers", "metadata%5Bcustomer_id%5D=" CUSTOMER, 200, NULL,
                        STRANGER, false});
    given(f, 2,
          (struct step){"POST", "/v1/setup_intents",
                        "customer=cus_7&payment_method=pm_8"
                        "&payment_method_types%5B0%5D=card&usage=off_session&confirm=true",
                        200, NULL, SETUP("pm_8", "succeeded"), false});
    given(f, 3,
          (struct step){"GET", "/v1/payment_methods/pm_8", NULL, 200, NULL,
                        METHOD("pm_8", "\"cus_7\""), false});

    fiber_run(f->fibers, run_describe, f);

    assert_null(f->error);
    assert_string_equal(f->card.token, "cus_7/pm_8");
    assert_string_equal(f->card.brand, "visa");
    assert_string_equal(f->card.last4, "4242");
    assert_int_equal(f->card.exp_month, 12);
    assert_int_equal(f->card.exp_year, 2034);
    assert_string_equal(f->keys[1] + KEY_DIGITS, "-customer");
    assert_string_equal(f->keys[2] + KEY_DIGITS, "-setup");
    assert_memory_equal(f->keys[1], f->keys[2], KEY_DIGITS);
}

static void a_test_name_becomes_the_method_that_it_made(void **state)
{
    struct fixture *f = *state;
    f->token = "pm_card_visa";
    given(f, 0, (struct step){"POST", "/v1/customers", NULL, 200, NULL, STRANGER, false});
    given(f, 1,
          (struct step){"POST", "/v1/setup_intents", "payment_method=pm_card_visa&", 200, NULL,
                        SETUP("pm_9", "succeeded"), false});
    given(f, 2,
          (struct step){"GET", "/v1/payment_methods/pm_9", NULL, 200, NULL,
                        METHOD("pm_9", "\"cus_7\""), false});

    fiber_run(f->fibers, run_describe, f);

    assert_null(f->error);
    assert_string_equal(f->card.token, "cus_7/pm_9");
}

static void a_card_whose_bank_asks_first_is_attached(void **state)
{
    struct fixture *f = *state;
    f->token = "pm_1";
    given(f, 0,
          (struct step){"GET", "/v1/payment_methods/pm_1", NULL, 200, NULL, METHOD("pm_1", "null"),
                        false});
    given(f, 1, (struct step){"POST", "/v1/customers", NULL, 200, NULL, STRANGER, false});
    given(f, 2,
          (struct step){"POST", "/v1/setup_intents", NULL, 200, NULL,
                        SETUP("pm_1", "requires_action"), false});
    given(f, 3,
          (struct step){"POST", "/v1/payment_methods/pm_1/attach", "customer=cus_7", 200, NULL,
                        METHOD("pm_1", "\"cus_7\""), false});
    given(f, 4,
          (struct step){"GET", "/v1/payment_methods/pm_1", NULL, 200, NULL,
                        METHOD("pm_1", "\"cus_7\""), false});

    fiber_run(f->fibers, run_describe, f);

    assert_null(f->error);
    assert_string_equal(f->card.token, "cus_7/pm_1");
    assert_int_equal(f->asked, 5);
}

static void a_stored_error_is_stepped_over_with_another_key(void **state)
{
    struct fixture *f = *state;
    f->token = "pm_card_visa";
    given(f, 0,
          (struct step){"POST", "/v1/customers", NULL, 500, "Idempotent-Replayed: true\r\n", "{}",
                        false});
    given(f, 1, (struct step){"POST", "/v1/customers", NULL, 200, NULL, STRANGER, false});
    given(f, 2,
          (struct step){"POST", "/v1/setup_intents", NULL, 200, NULL, SETUP("pm_9", "succeeded"),
                        false});
    given(f, 3,
          (struct step){"GET", "/v1/payment_methods/pm_9", NULL, 200, NULL,
                        METHOD("pm_9", "\"cus_7\""), false});

    fiber_run(f->fibers, run_describe, f);

    assert_null(f->error);
    assert_string_equal(f->keys[0] + KEY_DIGITS, "-customer");
    assert_string_equal(f->keys[1] + KEY_DIGITS, "-customer-2");
    assert_memory_equal(f->keys[0], f->keys[1], KEY_DIGITS);
}

/* The key under which this call makes its customer. */
static const char *key_of_call(struct fixture *f, const char *request_id, const char *customer)
{
    f->call.request_id = request_id;
    f->call.customer = customer;
    f->asked = 0;
    given(f, 0, (struct step){"POST", "/v1/customers", NULL, 200, NULL, STRANGER, false});
    given(f, 1,
          (struct step){"POST", "/v1/setup_intents", NULL, 200, NULL, SETUP("pm_9", "succeeded"),
                        false});
    given(f, 2,
          (struct step){"GET", "/v1/payment_methods/pm_9", NULL, 200, NULL,
                        METHOD("pm_9", "\"cus_7\""), false});
    fiber_run(f->fibers, run_describe, f);
    assert_null(f->error);
    return arena_strdup(f->call.arena, f->keys[0]);
}

static void only_a_repeat_of_the_request_has_its_key(void **state)
{
    struct fixture *f = *state;
    f->token = "pm_card_visa";

    const char *first = key_of_call(f, "one", CUSTOMER);
    const char *again = key_of_call(f, "one", CUSTOMER);
    const char *other_request = key_of_call(f, "two", CUSTOMER);
    const char *other_customer = key_of_call(f, "one", "0197a1b2-0000-7000-8000-000000000009");
    const char *none = key_of_call(f, "", CUSTOMER);
    const char *none_again = key_of_call(f, "", CUSTOMER);

    assert_string_equal(first, again);
    assert_string_not_equal(first, other_request);
    assert_string_not_equal(first, other_customer);
    assert_string_not_equal(none, none_again);
}

static void a_card_of_another_customer_is_not_taken(void **state)
{
    struct fixture *f = *state;
    f->token = "pm_1";
    given(f, 0,
          (struct step){
              "GET", "/v1/payment_methods/pm_1", NULL, 200, NULL,
              "{\"id\":\"pm_1\",\"object\":\"payment_method\",\"customer\":\"cus_9\"," CARD "}",
              false});
    given(f, 1,
          (struct step){"GET", "/v1/customers/cus_9", NULL, 200, NULL,
                        "{\"id\":\"cus_9\",\"object\":\"customer\",\"metadata\":{\"customer_id\":"
                        "\"0197a1b2-0000-7000-8000-000000000009\"}}",
                        false});

    fiber_run(f->fibers, run_describe, f);

    assert_non_null(f->error);
    assert_int_equal(f->error->status, STATUS_INVALID_ARGUMENT);
    assert_int_equal(f->asked, 2);
}

static void a_token_that_is_none_is_refused_without_asking(void **state)
{
    struct fixture *f = *state;
    static const char *const tokens[] = {"tok_visa", "pm_", "pm_1/../../v1/x", "pm_ 1", ""};

    for (size_t i = 0; i < ARRAY_LENGTH(tokens); i++) {
        f->token = tokens[i];
        fiber_run(f->fibers, run_describe, f);
        assert_non_null(f->error);
        assert_int_equal(f->error->status, STATUS_INVALID_ARGUMENT);
    }
    assert_int_equal(f->asked, 0);
}

static void what_stripe_says_of_a_token_is_passed_on(void **state)
{
    struct fixture *f = *state;
    static const struct {
        int status;
        enum status error;
        const char *body;
    } rows[] = {
        {404, STATUS_INVALID_ARGUMENT,
         "{\"error\":{\"type\":\"invalid_request_error\",\"code\":\"resource_missing\"}}"},
        {402, STATUS_INVALID_ARGUMENT,
         "{\"error\":{\"type\":\"card_error\",\"code\":\"card_declined\"}}"},
        {401, STATUS_UNAVAILABLE, "{\"error\":{\"type\":\"invalid_request_error\"}}"},
        {500, STATUS_UNAVAILABLE, ""},
        {200, STATUS_UNAVAILABLE, "{}"},
        {200, STATUS_UNAVAILABLE,
         "{\"id\":\"pm_1\",\"object\":\"payment_method\",\"type\":\"card\",\"card\":{\"last4\":"
         "\"4242424242424242\",\"exp_month\":1,\"exp_year\":2030}}"},
        {200, STATUS_INVALID_ARGUMENT,
         "{\"id\":\"pm_1\",\"object\":\"payment_method\",\"type\":\"sepa_debit\"}"},
    };
    f->token = "pm_1";

    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        f->asked = 0;
        given(f, 0,
              (struct step){"GET", "/v1/payment_methods/pm_1", NULL, rows[i].status, NULL,
                            rows[i].body, false});
        fiber_run(f->fibers, run_describe, f);
        assert_non_null(f->error);
        assert_int_equal(f->error->status, rows[i].error);
        assert_int_equal(f->asked, 1);
        assert_null(strstr(f->error->message, SECRET));
    }
}

static void keys_and_urls_that_are_none_are_refused(void **state)
{
    struct fixture *f = *state;
    static const char *const urls[] = {"http://localhost", "https://", "https://a/b",
                                       "https://a@b",      "",         "https://a?b"};
    struct stripe_options options = {.url = "https://localhost",
                                     .secret_key = SECRET,
                                     .ca_file = "",
                                     .return_url = "",
                                     .timeout_ms = 1000,
                                     .active_max = 1};
    static const char *const keys[] = {"",         "51abc",           "pk_test_51abc",
                                       "sk_test_", "sk_test_51abc\n", "sk_test_51abc 1"};
    char problem[STRIPE_PROBLEM_SIZE];

    for (size_t i = 0; i < ARRAY_LENGTH(urls); i++) {
        options.url = urls[i];
        assert_null(stripe_open(&options, problem));
    }
    options.url = "https://localhost";
    for (size_t i = 0; i < ARRAY_LENGTH(keys); i++) {
        options.secret_key = keys[i];
        assert_null(stripe_open(&options, problem));
        assert_non_null(strstr(problem, "not a secret key"));
        assert_null(strstr(problem, "51abc"));
        assert_false(stripe_change_key(f->stripe, keys[i], problem));
    }
}

static void a_key_is_changed_under_the_requests(void **state)
{
    struct fixture *f = *state;
    char problem[STRIPE_PROBLEM_SIZE];

    assert_false(stripe_change_key(f->stripe, "sk_live_51abcdefXYZ", problem));
    assert_non_null(strstr(problem, "for real money"));
    assert_true(stripe_change_key(f->stripe, "rk_test_51other", problem));
    f->secret = "rk_test_51other";
    f->token = "pm_8";
    given(f, 0, (struct step){"GET", "/v1/payment_methods/pm_8", NULL, 404, NULL, "{}", false});

    fiber_run(f->fibers, run_describe, f);

    assert_int_equal(f->asked, 1);
    assert_false(f->went_wrong);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(only_a_repeat_of_the_request_has_its_key, setup, teardown),
        TEST(a_card_is_given_a_customer_and_set_up),
        TEST(a_test_name_becomes_the_method_that_it_made),
        TEST(a_card_whose_bank_asks_first_is_attached),
        TEST(a_stored_error_is_stepped_over_with_another_key),
        TEST(a_card_of_another_customer_is_not_taken),
        TEST(a_token_that_is_none_is_refused_without_asking),
        TEST(what_stripe_says_of_a_token_is_passed_on),
        TEST(keys_and_urls_that_are_none_are_refused),
        TEST(a_key_is_changed_under_the_requests),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
