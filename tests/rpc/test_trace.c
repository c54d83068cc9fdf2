/*
 * A trace goes through the server: from the caller's traceparent to the log and to the gateway.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/text.h"
#include "dues/auth/v1/auth_service.pb-c.h"
#include "support/rpc_payment.h"

#define ID   "4bf92f3577b34da6a3ce929d0e0e4736"
#define SPAN "00f067aa0ba902b7"

typedef Dues__Sandbox__V1__ListGatewayCallsResponse Calls;

static const struct dues_answer *ask_plans(struct rpc_fixture *f,
                                           const struct dues_metadata *metadata, size_t count)
{
    struct rpc_as as = AS(SERVICE_BILLING);
    Dues__Membership__V1__ListPlansRequest request = DUES__MEMBERSHIP__V1__LIST_PLANS_REQUEST__INIT;

    as.metadata = metadata;
    as.metadata_count = count;
    return rpc_ask(f, as, &dues__membership__v1__membership_service__descriptor, "ListPlans",
                   &request.base);
}

static void a_trace_is_gone_on_with(void **state)
{
    struct rpc_fixture *f = *state;
    const struct dues_metadata metadata[] = {{"traceparent", "00-" ID "-" SPAN "-01"}};

    const struct dues_answer *answer = ask_plans(f, metadata, 1);

    assert_int_equal(answer->status, DUES_OK);
    assert_string_equal(answer->request_trace, ID);
    assert_true(rpc_log_has(f, "\"trace\":\"" ID "\""));
    assert_true(rpc_log_has(f, "\"parent_span\":\"" SPAN "\""));
    assert_false(rpc_log_has(f, "\"span\":\"" SPAN "\""));
}

static void what_is_no_traceparent_begins_a_trace(void **state)
{
    struct rpc_fixture *f = *state;
    const struct dues_metadata wrong[] = {{"traceparent", "00-" ID "-0000000000000000-01"}};
    const struct dues_metadata twice[] = {{"traceparent", "00-" ID "-" SPAN "-01"},
                                          {"traceparent", "00-" ID "-" SPAN "-01"}};

    const struct dues_answer *first = ask_plans(f, wrong, 1);
    const struct dues_answer *second = ask_plans(f, twice, 2);

    assert_int_equal(strlen(first->request_trace), 32);
    assert_string_not_equal(first->request_trace, ID);
    assert_string_not_equal(second->request_trace, ID);
    assert_string_not_equal(second->request_trace, first->request_trace);
}

static void the_gateway_is_told_the_trace(void **state)
{
    struct rpc_fixture *f = *state;
    struct payer payer = given_payer(f, "tok_visa");
    const struct dues_metadata metadata[] = {{"traceparent", "00-" ID "-" SPAN "-01"}};
    struct payment_wish wish = wish_of(payer, "traced");
    wish.as.metadata = metadata;
    wish.as.metadata_count = 1;

    const Payment *payment = must_reply(ask_wished(f, &wish));

    Dues__Sandbox__V1__ListGatewayCallsRequest request =
        DUES__SANDBOX__V1__LIST_GATEWAY_CALLS_REQUEST__INIT;
    request.payment = payment->name;
    const Calls *calls =
        must_reply(rpc_ask(f, AS(SERVICE_BILLING), &dues__sandbox__v1__sandbox_service__descriptor,
                           "ListGatewayCalls", &request.base));
    assert_int_equal(calls->n_gateway_calls, 1);
    const char *sent = calls->gateway_calls[0]->traceparent;
    assert_true(text_starts_with(sent, "00-" ID "-"));
    assert_false(text_starts_with(sent, "00-" ID "-" SPAN));
    assert_string_equal(sent + strlen(sent) - 3, "-01");
}

static void the_line_of_a_call_names_what_it_was_about(void **state)
{
    struct rpc_fixture *f = *state;
    struct payer payer = given_payer(f, "tok_visa");

    const char *payment = given_payment(f, payer);

    char object[300];
    snprintf(object, sizeof object, "\"object\":\"%s\"", payment);
    assert_true(rpc_log_has(f, object));
}

static void the_line_of_a_user_names_the_user(void **state)
{
    struct rpc_fixture *f = *state;
    struct rpc_user user = rpc_given_user(f);
    Dues__Auth__V1__GetUserRequest request = DUES__AUTH__V1__GET_USER_REQUEST__INIT;
    char me[] = "users/me";
    request.name = me;

    assert_int_equal(rpc_ask(f, AS_USER(APP_DEMO, user.token),
                             &dues__auth__v1__auth_service__descriptor, "GetUser", &request.base)
                         ->status,
                     DUES_OK);

    assert_true(rpc_log_has(f, "\"user\":\""));
    assert_true(rpc_log_has(f, "\"object\":\"users/me\"") || rpc_log_has(f, "\"object\":\"users/"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_trace_is_gone_on_with),
        cmocka_unit_test(what_is_no_traceparent_begins_a_trace),
        cmocka_unit_test(the_gateway_is_told_the_trace),
        cmocka_unit_test(the_line_of_a_call_names_what_it_was_about),
        cmocka_unit_test(the_line_of_a_user_names_the_user),
    };

    return cmocka_run_group_tests_name("trace", tests, rpc_setup, rpc_teardown);
}
