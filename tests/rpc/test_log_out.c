/*
 * LogOut over the wire.
 */
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "support/rpc_auth.h"

static int ended_by(const struct dues_answer *answer)
{
    assert_int_equal(answer->status, DUES_OK);
    return ((const LogOutAnswer *)(const void *)answer->reply)->ended_session_count;
}

static const SessionAnswer *another_session(struct rpc_fixture *f, const struct rpc_user *user)
{
    const struct dues_answer *answer =
        ask_log_in(f, AS(APP_DEMO), user->email, user->password, NULL);
    assert_int_equal(answer->status, DUES_OK);
    return (const void *)answer->reply;
}

static void ends_this_session_at_once_and_no_other(void **state)
{
    struct rpc_fixture *f = *state;
    struct rpc_user user = rpc_given_user(f);
    const SessionAnswer *other = another_session(f, &user);
    assert_string_equal(reason_of_me(f, AS_USER(APP_DEMO, user.token)), "");

    int ended = ended_by(ask_log_out(f, AS_USER(APP_DEMO, user.token), false, NULL));

    assert_int_equal(ended, 1);
    assert_string_equal(reason_of_me(f, AS_USER(APP_DEMO, user.token)), "TOKEN_INVALID");
    assert_string_equal(reason_of_me(f, AS_USER(APP_DEMO, other->access_token)), "");
    assert_refusal(ask_refresh(f, AS(APP_DEMO), user.refresh_token, NULL), DUES_UNAUTHENTICATED,
                   "REFRESH_TOKEN_INVALID");
}

static void ends_all_sessions_of_the_user(void **state)
{
    struct rpc_fixture *f = *state;
    struct rpc_user user = rpc_given_user(f);
    struct rpc_user stranger = rpc_given_user(f);
    const SessionAnswer *other = another_session(f, &user);

    int ended = ended_by(ask_log_out(f, AS_USER(APP_DEMO, user.token), true, NULL));

    assert_int_equal(ended, 2);
    assert_string_equal(reason_of_me(f, AS_USER(APP_DEMO, other->access_token)), "TOKEN_INVALID");
    assert_string_equal(reason_of_me(f, AS_USER(APP_DEMO, stranger.token)), "");
}

static void needs_a_token(void **state)
{
    struct rpc_fixture *f = *state;

    assert_refusal(ask_log_out(f, AS(APP_DEMO), false, NULL), DUES_UNAUTHENTICATED,
                   "TOKEN_REQUIRED");
    assert_refusal(ask_log_out(f, AS(SERVICE_BILLING), false, NULL), DUES_PERMISSION_DENIED,
                   "CALLER_NOT_ALLOWED");
}

static void refuses_a_session_that_has_ended(void **state)
{
    struct rpc_fixture *f = *state;
    struct rpc_user user = rpc_given_user(f);
    ended_by(ask_log_out(f, AS_USER(APP_DEMO, user.token), false, NULL));

    assert_refusal(ask_log_out(f, AS_USER(APP_DEMO, user.token), false, NULL), DUES_UNAUTHENTICATED,
                   "TOKEN_INVALID");
}

static void answers_a_repeat_although_the_session_has_ended(void **state)
{
    struct rpc_fixture *f = *state;
    struct rpc_user user = rpc_given_user(f);
    const char *id = auth_new_request_id(f);

    const struct dues_answer *first = ask_log_out(f, AS_USER(APP_DEMO, user.token), false, id);
    const struct dues_answer *again = ask_log_out(f, AS_USER(APP_DEMO, user.token), false, id);

    assert_replay(first, again);
}

static void refuses_other_content_under_the_same_id(void **state)
{
    struct rpc_fixture *f = *state;
    struct rpc_user user = rpc_given_user(f);
    const SessionAnswer *other = another_session(f, &user);
    const char *id = auth_new_request_id(f);
    ended_by(ask_log_out(f, AS_USER(APP_DEMO, user.token), false, id));

    assert_refusal(ask_log_out(f, AS_USER(APP_DEMO, other->access_token), true, id),
                   DUES_INVALID_ARGUMENT, "REQUEST_ID_REUSED");
    assert_string_equal(reason_of_me(f, AS_USER(APP_DEMO, other->access_token)), "");
}

struct racer {
    struct rpc_fixture *f;
    const char *token;
    const struct dues_answer *answer;
};

static void *race(void *arg)
{
    struct racer *racer = arg;
    racer->answer = ask_log_out(racer->f, AS_USER(APP_DEMO, racer->token), false, NULL);
    return NULL;
}

static void lets_one_of_two_racing_callers_end_it(void **state)
{
    struct rpc_fixture *f = *state;
    struct rpc_user user = rpc_given_user(f);
    struct racer racers[2] = {{f, user.token, NULL}, {f, user.token, NULL}};

    rpc_race(race, racers, 2, sizeof(racers[0]));

    size_t winner = racers[0].answer->status == DUES_OK ? 0 : 1;
    assert_int_equal(ended_by(racers[winner].answer), 1);
    assert_refusal(racers[1 - winner].answer, DUES_UNAUTHENTICATED, "TOKEN_INVALID");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ends_this_session_at_once_and_no_other),
        cmocka_unit_test(ends_all_sessions_of_the_user),
        cmocka_unit_test(needs_a_token),
        cmocka_unit_test(refuses_a_session_that_has_ended),
        cmocka_unit_test(answers_a_repeat_although_the_session_has_ended),
        cmocka_unit_test(refuses_other_content_under_the_same_id),
        cmocka_unit_test(lets_one_of_two_racing_callers_end_it),
    };
    return cmocka_run_group_tests_name("LogOut", tests, rpc_setup, rpc_teardown);
}
