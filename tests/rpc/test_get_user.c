/*
 * GetUser over the wire.
 */
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "support/rpc_auth.h"

static const UserAnswer *user_of(const struct dues_answer *answer)
{
    assert_int_equal(answer->status, DUES_OK);
    return (const void *)answer->reply;
}

static void reads_oneself(void **state)
{
    struct rpc_fixture *f = *state;
    struct rpc_user user = rpc_given_user(f);

    const UserAnswer *me = user_of(ask_user(f, AS_USER(APP_DEMO, user.token), "users/me"));
    const UserAnswer *by_name = user_of(ask_user(f, AS_USER(APP_DEMO, user.token), user.user));

    assert_string_equal(me->name, user.user);
    assert_string_equal(by_name->name, user.user);
    assert_string_equal(me->email, user.email);
    assert_string_equal(me->display_name, "Ada");
    assert_string_equal(me->customer, user.customer);
}

static void shows_services_and_operators_anybody(void **state)
{
    struct rpc_fixture *f = *state;
    struct rpc_user user = rpc_given_user(f);

    assert_string_equal(user_of(ask_user(f, AS(SERVICE_BILLING), user.user))->email, user.email);
    assert_string_equal(user_of(ask_user(f, AS(OPERATOR_DEMO), user.user))->email, user.email);
}

static void refuses_who_has_no_token_or_no_scope(void **state)
{
    struct rpc_fixture *f = *state;
    struct rpc_user user = rpc_given_user(f);

    assert_refusal(ask_user(f, AS(APP_DEMO), user.user), DUES_UNAUTHENTICATED, "TOKEN_REQUIRED");
    assert_refusal(ask_user(f, AS(SERVICE_POOR), user.user), DUES_PERMISSION_DENIED,
                   "SCOPE_MISSING");
}

static void hides_other_users_as_if_they_were_not_there(void **state)
{
    struct rpc_fixture *f = *state;
    struct rpc_user user = rpc_given_user(f);
    struct rpc_user other = rpc_given_user(f);
    const char *nobody = "users/0190a1b2-c3d4-7e5f-8a6b-7c8d9e0f1a2b";

    assert_refusal(ask_user(f, AS_USER(APP_DEMO, user.token), other.user), DUES_NOT_FOUND,
                   "USER_NOT_FOUND");
    assert_refusal(ask_user(f, AS_USER(APP_DEMO, user.token), nobody), DUES_NOT_FOUND,
                   "USER_NOT_FOUND");
    assert_refusal(ask_user(f, AS(SERVICE_BILLING), nobody), DUES_NOT_FOUND, "USER_NOT_FOUND");
}

static void names_the_field_of_a_name_that_is_none(void **state)
{
    struct rpc_fixture *f = *state;
    static const char *const names[] = {"", "users/1", "customers/me", "users/me"};

    for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
        const struct dues_answer *answer = ask_user(f, AS(SERVICE_BILLING), names[i]);
        assert_refusal(answer, DUES_INVALID_ARGUMENT, "INVALID_FIELD");
        assert_true(answer_names(answer, "name"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_oneself),
        cmocka_unit_test(shows_services_and_operators_anybody),
        cmocka_unit_test(refuses_who_has_no_token_or_no_scope),
        cmocka_unit_test(hides_other_users_as_if_they_were_not_there),
        cmocka_unit_test(names_the_field_of_a_name_that_is_none),
    };
    return cmocka_run_group_tests_name("GetUser", tests, rpc_setup, rpc_teardown);
}
