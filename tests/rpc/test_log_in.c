/*
 * LogIn over the wire.
 */
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "support/rpc_auth.h"

static const SessionAnswer *session_of(const struct dues_answer *answer)
{
    assert_int_equal(answer->status, DUES_OK);
    return (const void *)answer->reply;
}

static void opens_a_session(void **state)
{
    struct rpc_fixture *f = *state;
    struct rpc_user user = rpc_given_user(f);

    const SessionAnswer *session =
        session_of(ask_log_in(f, AS(APP_DEMO), user.email, user.password, NULL));

    assert_ptr_equal(strstr(session->name, user.user), session->name);
    assert_string_equal(session->token_type, "Bearer");
    assert_true(strlen(session->access_token) <= 2048);
    assert_true(strlen(session->refresh_token) <= 128);
    assert_string_equal(reason_of_me(f, AS_USER(APP_DEMO, session->access_token)), "");
}

static void refuses_services(void **state)
{
    struct rpc_fixture *f = *state;
    struct rpc_user user = rpc_given_user(f);

    assert_refusal(ask_log_in(f, AS(SERVICE_BILLING), user.email, user.password, NULL),
                   DUES_PERMISSION_DENIED, "CALLER_NOT_ALLOWED");
}

static void names_every_wrong_field(void **state)
{
    struct rpc_fixture *f = *state;

    const struct dues_answer *answer = ask_log_in(f, AS(APP_DEMO), "", "", NULL);

    assert_refusal(answer, DUES_INVALID_ARGUMENT, "INVALID_FIELD");
    assert_true(answer_names(answer, "email"));
    assert_true(answer_names(answer, "password"));
}

static void answers_unknown_address_and_wrong_password_alike(void **state)
{
    struct rpc_fixture *f = *state;
    struct rpc_user user = rpc_given_user(f);

    const struct dues_answer *wrong =
        ask_log_in(f, AS(APP_DEMO), user.email, "a long and loud afternoon", NULL);
    const struct dues_answer *unknown =
        ask_log_in(f, AS(APP_DEMO), auth_new_email(f), user.password, NULL);

    assert_refusal(wrong, DUES_UNAUTHENTICATED, "CREDENTIALS_INVALID");
    assert_refusal(unknown, DUES_UNAUTHENTICATED, "CREDENTIALS_INVALID");
    assert_string_equal(wrong->message, unknown->message);
    assert_int_equal(wrong->metadata_count, unknown->metadata_count);
}

static void binds_the_token_to_the_certificate_of_the_call(void **state)
{
    struct rpc_fixture *f = *state;
    struct rpc_user user = rpc_given_user(f);
    struct enrolled_device device = given_device(f, &user);
    struct rpc_as on_device = {.client = device.client};

    const SessionAnswer *session =
        session_of(ask_log_in(f, on_device, user.email, user.password, NULL));
    on_device.token = session->access_token;

    assert_string_equal(reason_of_me(f, on_device), "");
    assert_string_equal(reason_of_me(f, AS_USER(APP_DEMO, session->access_token)),
                        "TOKEN_WRONG_CERTIFICATE");
    assert_string_equal(reason_of_me(f, AS_USER(APP_OTHER, user.token)), "TOKEN_WRONG_CERTIFICATE");
    dues_client_close(device.client);
}

static void refuses_the_device_of_somebody_else(void **state)
{
    struct rpc_fixture *f = *state;
    struct rpc_user owner = rpc_given_user(f);
    struct rpc_user other = rpc_given_user(f);
    struct enrolled_device device = given_device(f, &owner);

    assert_refusal(
        ask_log_in(f, (struct rpc_as){.client = device.client}, other.email, other.password, NULL),
        DUES_UNAUTHENTICATED, "CREDENTIALS_INVALID");
    dues_client_close(device.client);
}

static void strangers_who_guess_do_not_lock_a_persons_device_out(void **state)
{
    struct rpc_fixture *f = *state;
    struct rpc_user user = rpc_given_user(f);
    struct enrolled_device device = given_device(f, &user);
    for (int i = 0; i < 6; i++)
        ask_log_in(f, AS(APP_OTHER), user.email, "a long and loud afternoon", NULL);

    const struct dues_answer *stranger =
        ask_log_in(f, AS(APP_DEMO), user.email, user.password, NULL);
    const struct dues_answer *owner =
        ask_log_in(f, (struct rpc_as){.client = device.client}, user.email, user.password, NULL);

    assert_refusal(stranger, DUES_RESOURCE_EXHAUSTED, "LOG_IN_DELAYED");
    assert_true(stranger->retry_after_ms > 0);
    session_of(owner);
    dues_client_close(device.client);
}

static void answers_a_repeat_byte_for_byte(void **state)
{
    struct rpc_fixture *f = *state;
    struct rpc_user user = rpc_given_user(f);
    const char *id = auth_new_request_id(f);

    const struct dues_answer *first = ask_log_in(f, AS(APP_DEMO), user.email, user.password, id);
    const struct dues_answer *again = ask_log_in(f, AS(APP_DEMO), user.email, user.password, id);

    assert_replay(first, again);
}

static void refuses_another_user_under_the_same_id(void **state)
{
    struct rpc_fixture *f = *state;
    struct rpc_user one = rpc_given_user(f);
    struct rpc_user two = rpc_given_user(f);
    const char *id = auth_new_request_id(f);
    session_of(ask_log_in(f, AS(APP_DEMO), one.email, one.password, id));

    assert_refusal(ask_log_in(f, AS(APP_DEMO), two.email, two.password, id), DUES_INVALID_ARGUMENT,
                   "REQUEST_ID_REUSED");
}

struct racer {
    struct rpc_fixture *f;
    const struct rpc_user *user;
    const char *id;
    const struct dues_answer *answer;
};

static void *race(void *arg)
{
    struct racer *racer = arg;
    racer->answer =
        ask_log_in(racer->f, AS(APP_DEMO), racer->user->email, racer->user->password, racer->id);
    return NULL;
}

static void gives_racing_repeats_one_session(void **state)
{
    struct rpc_fixture *f = *state;
    struct rpc_user user = rpc_given_user(f);
    const char *id = auth_new_request_id(f);
    struct racer racers[2] = {{f, &user, id, NULL}, {f, &user, id, NULL}};

    rpc_race(race, racers, 2, sizeof(racers[0]));

    assert_string_equal(session_of(racers[0].answer)->access_token,
                        session_of(racers[1].answer)->access_token);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(opens_a_session),
        cmocka_unit_test(refuses_services),
        cmocka_unit_test(names_every_wrong_field),
        cmocka_unit_test(answers_unknown_address_and_wrong_password_alike),
        cmocka_unit_test(binds_the_token_to_the_certificate_of_the_call),
        cmocka_unit_test(refuses_the_device_of_somebody_else),
        cmocka_unit_test(strangers_who_guess_do_not_lock_a_persons_device_out),
        cmocka_unit_test(answers_a_repeat_byte_for_byte),
        cmocka_unit_test(refuses_another_user_under_the_same_id),
        cmocka_unit_test(gives_racing_repeats_one_session),
    };
    return cmocka_run_group_tests_name("LogIn", tests, rpc_setup, rpc_teardown);
}
