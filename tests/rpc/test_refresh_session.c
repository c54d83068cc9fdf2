/*
 * RefreshSession over the wire.
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

static void gives_new_tokens_that_work(void **state)
{
    struct rpc_fixture *f = *state;
    struct rpc_user user = rpc_given_user(f);
    fake_clock_advance(f->clock, 601 * US_PER_SECOND);
    assert_string_equal(reason_of_me(f, AS_USER(APP_DEMO, user.token)), "TOKEN_EXPIRED");

    const SessionAnswer *session =
        session_of(ask_refresh(f, AS(APP_DEMO), user.refresh_token, NULL));

    assert_string_not_equal(session->refresh_token, user.refresh_token);
    assert_string_equal(reason_of_me(f, AS_USER(APP_DEMO, session->access_token)), "");
}

static void refuses_tokens_that_are_none(void **state)
{
    struct rpc_fixture *f = *state;
    struct rpc_user user = rpc_given_user(f);

    assert_true(answer_names(ask_refresh(f, AS(APP_DEMO), "", NULL), "refresh_token"));
    assert_refusal(ask_refresh(f, AS(APP_DEMO), "dr1_hello", NULL), DUES_UNAUTHENTICATED,
                   "REFRESH_TOKEN_INVALID");
    assert_refusal(ask_refresh(f, AS(SERVICE_BILLING), user.refresh_token, NULL),
                   DUES_PERMISSION_DENIED, "CALLER_NOT_ALLOWED");
}

static void refuses_another_certificate(void **state)
{
    struct rpc_fixture *f = *state;
    struct rpc_user user = rpc_given_user(f);
    struct rpc_user other = rpc_given_user(f);
    struct enrolled_device device = given_device(f, &other);

    assert_refusal(ask_refresh(f, AS(APP_OTHER), user.refresh_token, NULL), DUES_UNAUTHENTICATED,
                   "TOKEN_WRONG_CERTIFICATE");
    assert_refusal(
        ask_refresh(f, (struct rpc_as){.client = device.client}, user.refresh_token, NULL),
        DUES_UNAUTHENTICATED, "TOKEN_WRONG_CERTIFICATE");
    assert_int_equal(ask_refresh(f, AS(APP_DEMO), user.refresh_token, NULL)->status, DUES_OK);
    dues_client_close(device.client);
}

static void moves_the_session_to_the_users_device(void **state)
{
    struct rpc_fixture *f = *state;
    struct rpc_user user = rpc_given_user(f);
    struct enrolled_device device = given_device(f, &user);
    struct rpc_as on_device = {.client = device.client};

    const SessionAnswer *session = session_of(ask_refresh(f, on_device, user.refresh_token, NULL));
    on_device.token = session->access_token;

    assert_string_equal(reason_of_me(f, on_device), "");
    assert_refusal(ask_refresh(f, AS(APP_DEMO), session->refresh_token, NULL), DUES_UNAUTHENTICATED,
                   "TOKEN_WRONG_CERTIFICATE");
    on_device.token = NULL;
    assert_int_equal(ask_refresh(f, on_device, session->refresh_token, NULL)->status, DUES_OK);
    dues_client_close(device.client);
}

static void repeats_the_successor_within_the_grace_also_after_a_restart(void **state)
{
    struct rpc_fixture *f = *state;
    struct rpc_user user = rpc_given_user(f);
    const char *successor =
        session_of(ask_refresh(f, AS(APP_DEMO), user.refresh_token, NULL))->refresh_token;

    rpc_restart(f);
    fake_clock_advance(f->clock, 30 * US_PER_SECOND);

    assert_string_equal(
        session_of(ask_refresh(f, AS(APP_DEMO), user.refresh_token, NULL))->refresh_token,
        successor);
}

static void ends_the_session_when_a_replaced_token_comes_later(void **state)
{
    struct rpc_fixture *f = *state;
    struct rpc_user user = rpc_given_user(f);
    const SessionAnswer *session =
        session_of(ask_refresh(f, AS(APP_DEMO), user.refresh_token, NULL));
    assert_string_equal(reason_of_me(f, AS_USER(APP_DEMO, session->access_token)), "");
    fake_clock_advance(f->clock, 31 * US_PER_SECOND);

    assert_refusal(ask_refresh(f, AS(APP_DEMO), user.refresh_token, NULL), DUES_UNAUTHENTICATED,
                   "REFRESH_TOKEN_REUSED");

    assert_refusal(ask_refresh(f, AS(APP_DEMO), session->refresh_token, NULL), DUES_UNAUTHENTICATED,
                   "REFRESH_TOKEN_INVALID");
    assert_string_equal(reason_of_me(f, AS_USER(APP_DEMO, session->access_token)), "TOKEN_INVALID");
}

static void answers_a_repeat_byte_for_byte(void **state)
{
    struct rpc_fixture *f = *state;
    struct rpc_user user = rpc_given_user(f);
    const char *id = auth_new_request_id(f);

    const struct dues_answer *first = ask_refresh(f, AS(APP_DEMO), user.refresh_token, id);
    fake_clock_advance(f->clock, US_PER_HOUR);
    const struct dues_answer *again = ask_refresh(f, AS(APP_DEMO), user.refresh_token, id);

    assert_replay(first, again);
}

static void refuses_another_token_under_the_same_id(void **state)
{
    struct rpc_fixture *f = *state;
    struct rpc_user user = rpc_given_user(f);
    const char *id = auth_new_request_id(f);
    const SessionAnswer *session = session_of(ask_refresh(f, AS(APP_DEMO), user.refresh_token, id));

    assert_refusal(ask_refresh(f, AS(APP_DEMO), session->refresh_token, id), DUES_INVALID_ARGUMENT,
                   "REQUEST_ID_REUSED");
    assert_int_equal(ask_refresh(f, AS(APP_DEMO), session->refresh_token, NULL)->status, DUES_OK);
}

struct racer {
    struct rpc_fixture *f;
    const char *token;
    const struct dues_answer *answer;
};

static void *race(void *arg)
{
    struct racer *racer = arg;
    racer->answer = ask_refresh(racer->f, AS(APP_DEMO), racer->token, NULL);
    return NULL;
}

static void rotates_once_for_two_racing_callers(void **state)
{
    struct rpc_fixture *f = *state;
    struct rpc_user user = rpc_given_user(f);
    struct racer racers[2] = {{f, user.refresh_token, NULL}, {f, user.refresh_token, NULL}};

    rpc_race(race, racers, 2, sizeof(racers[0]));

    assert_string_equal(session_of(racers[0].answer)->refresh_token,
                        session_of(racers[1].answer)->refresh_token);
}

int main(void)
{
    /* Those with devices come before the clock is moved: TLS looks at the machine's. */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_tokens_that_are_none),
        cmocka_unit_test(refuses_another_certificate),
        cmocka_unit_test(moves_the_session_to_the_users_device),
        cmocka_unit_test(gives_new_tokens_that_work),
        cmocka_unit_test(repeats_the_successor_within_the_grace_also_after_a_restart),
        cmocka_unit_test(ends_the_session_when_a_replaced_token_comes_later),
        cmocka_unit_test(answers_a_repeat_byte_for_byte),
        cmocka_unit_test(refuses_another_token_under_the_same_id),
        cmocka_unit_test(rotates_once_for_two_racing_callers),
    };
    return cmocka_run_group_tests_name("RefreshSession", tests, rpc_setup, rpc_teardown);
}
