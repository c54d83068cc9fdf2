/*
 * Every lie that dues-simulator knows.  What it holds in the end is the truth; the gateway may not
 * know it at once, but it may never say anything else, and nothing is done twice.
 */

#include "stripe/gateway_fixture.h"

#define TRIES_MAX 8

/* What the resolver does: the same again, until the answer is one. */
static void resolve(struct fixture *f)
{
    for (int tries = 0; tries < TRIES_MAX; tries++) {
        when_asked(f, false);
        if (f->answer.outcome != GATEWAY_UNKNOWN && f->answer.outcome != GATEWAY_IN_FLIGHT &&
            f->answer.outcome != GATEWAY_NOT_SENT)
            return;
        usleep(300 * US_PER_MS);
    }
}

static const struct lie {
    const char *fault;
    enum gateway_outcome first; /* of a charge */
} lies[] = {
    {"late=400", GATEWAY_SUCCEEDED},         {"timeout_before=3000", GATEWAY_UNKNOWN},
    {"timeout_after=3000", GATEWAY_UNKNOWN}, {"reset_before", GATEWAY_UNKNOWN},
    {"reset_after=0", GATEWAY_UNKNOWN},      {"reset_after=300", GATEWAY_UNKNOWN},
    {"truncate=100", GATEWAY_UNKNOWN},       {"other_currency", GATEWAY_SUCCEEDED},
    {"other_object", GATEWAY_UNKNOWN},       {"too_many_requests", GATEWAY_NOT_SENT},
    {"error_503", GATEWAY_UNKNOWN},
};

static void given_lie(struct fixture *f, const char *lie, const char *path)
{
    const char *equals = strchr(lie, '=');
    size_t length = strcspn(lie, "=");

    tell(f, "DELETE", "/_simulator/faults", NULL);
    tell(f, "POST", "/_simulator/faults",
         arena_printf(f->call.arena,
                      "{\"fault\":\"%.*s\",\"method\":\"POST\",\"path\":\"%s\",\"count\":1%s%s}",
                      (int)length, lie, path, equals != NULL ? ",\"value\":" : "",
                      equals != NULL ? equals + 1 : ""));
}

static int64_t count_of(struct fixture *f, const char *path, const char *reference)
{
    int64_t count = 0;

    tell(f, "GET", path, NULL);
    for (const char *at = f->reply.body; (at = strstr(at, reference)) != NULL; at++)
        count++;
    return count;
}

static void no_lie_makes_a_second_charge(void **state)
{
    struct fixture *f = *state;
    given_card(f, "pm_card_visa");

    for (size_t i = 0; i < ARRAY_LENGTH(lies); i++) {
        f->request.idempotency_key = new_id(f);
        f->request.reference = new_id(f);
        given_lie(f, lies[i].fault, "/v1/payment_intents");
        when_asked(f, false);
        /* A connection that was kept and is reset is none: libcurl takes another. */
        if (f->answer.outcome != GATEWAY_SUCCEEDED || !text_starts_with(lies[i].fault, "reset_"))
            then(f, lies[i].first);
        if (strcmp(lies[i].fault, "other_currency") == 0)
            assert_false(money_same_currency(f->answer.amount, f->request.amount));
        resolve(f);
        then(f, GATEWAY_SUCCEEDED);
        assert_true(money_same_currency(f->answer.amount, f->request.amount));
        assert_int_equal(f->answer.amount.minor_units, AMOUNT);
        assert_int_equal(count_of(f, "/v1/payment_intents?limit=100", f->request.reference), 1);
    }
}

static void a_stored_error_is_resolved_by_looking(void **state)
{
    struct fixture *f = *state;
    given_card(f, "pm_card_visa");

    given_lie(f, "error_500_after", "/v1/payment_intents");
    when_asked(f, false);
    then(f, GATEWAY_UNKNOWN);
    when_asked(f, false);
    then(f, GATEWAY_SUCCEEDED);

    f->request.idempotency_key = new_id(f);
    f->request.reference = new_id(f);
    given_lie(f, "error_500", "/v1/payment_intents");
    when_asked(f, false);
    then(f, GATEWAY_UNKNOWN);
    when_asked(f, false);
    then(f, GATEWAY_UNKNOWN);
    when_asked(f, true);
    then(f, GATEWAY_FAILED);
}

static void no_lie_makes_a_second_capture_void_or_refund(void **state)
{
    struct fixture *f = *state;

    for (size_t i = 0; i < ARRAY_LENGTH(lies); i++) {
        given_authorization(f);
        const char *held = f->answer.transaction;
        given_next(f, GATEWAY_CAPTURE, 1000);
        given_lie(f, lies[i].fault, "/capture");
        resolve(f);
        if (f->answer.outcome == GATEWAY_SUCCEEDED &&
            !money_same_currency(f->answer.amount, f->request.amount))
            when_asked(f, true);
        then(f, GATEWAY_SUCCEEDED);
        assert_int_equal(f->answer.amount.minor_units, 1000);

        given_next(f, GATEWAY_CAPTURE, 500);
        f->request.transaction = held;
        f->request.final = true;
        when_asked(f, false);
        then(f, GATEWAY_SUCCEEDED);

        given_next(f, GATEWAY_REFUND, 700);
        f->request.transaction = held;
        given_lie(f, lies[i].fault, "/v1/refunds");
        resolve(f);
        if (f->answer.outcome == GATEWAY_SUCCEEDED &&
            !money_same_currency(f->answer.amount, f->request.amount))
            when_asked(f, true);
        then(f, GATEWAY_SUCCEEDED);
        assert_int_equal(f->answer.amount.minor_units, 700);
        assert_int_equal(
            count_of(f, arena_printf(f->call.arena, "/v1/refunds?payment_intent=%s", held),
                     f->request.reference),
            1);

        given_authorization(f);
        given_next(f, GATEWAY_VOID, PLENTY);
        given_lie(f, lies[i].fault, "/cancel");
        resolve(f);
        then(f, GATEWAY_SUCCEEDED);
    }
}

/* The answer is lost, the rest is captured meanwhile, and then somebody asks what became of it. */
static void a_capture_is_found_although_another_came_after_it(void **state)
{
    struct fixture *f = *state;
    given_authorization(f);
    const char *held = f->answer.transaction;
    given_next(f, GATEWAY_CAPTURE, 1000);
    struct gateway_request first = f->request;
    given_lie(f, "timeout_after=3000", "/capture");
    when_asked(f, false);
    then(f, GATEWAY_UNKNOWN);
    given_next(f, GATEWAY_CAPTURE, 700);
    f->request.transaction = held;
    when_asked(f, false);
    then(f, GATEWAY_SUCCEEDED);
    assert_int_equal(f->answer.amount.minor_units, 700);

    f->request = first;
    when_asked(f, false);
    then(f, GATEWAY_SUCCEEDED);
    assert_int_equal(f->answer.amount.minor_units, 1000);
    when_asked(f, true);
    then(f, GATEWAY_SUCCEEDED);
    assert_int_equal(f->answer.amount.minor_units, 1000);
    assert_int_equal(count_of(f, arena_printf(f->call.arena, "/v1/payment_intents/%s", held),
                              "\"amount_received\": 1700"),
                     1);
}

static void an_amount_that_is_not_true_is_not_passed_off_as_ours(void **state)
{
    struct fixture *f = *state;
    given_card(f, "pm_card_visa");
    given_fault(f, "other_amount", "/v1/payment_intents", 1);

    when_asked(f, false);

    assert_true(f->answer.outcome == GATEWAY_UNKNOWN || f->answer.amount.minor_units != AMOUNT);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
    const struct CMUnitTest tests[] = {
        TEST(no_lie_makes_a_second_charge),
        TEST(a_stored_error_is_resolved_by_looking),
        TEST(no_lie_makes_a_second_capture_void_or_refund),
        TEST(a_capture_is_found_although_another_came_after_it),
        TEST(an_amount_that_is_not_true_is_not_passed_off_as_ours),
    };

    return cmocka_run_group_tests(tests, begin_group, end_group);
}
