/*
 * LogOut against the database.
 */

#include "db/auth/auth_fixture.h"

static struct signed_up another_session(struct db_fixture *f, struct signed_up user)
{
    struct step step = log_in_step(f, user.email, GOOD_PASSWORD, NULL);
    run(f, &step);
    const SessionMessage *session = session_answer(&step);
    struct uuid ids[2];
    assert_true(name_parse("users/{}/sessions/{}", session->name, ids, 2));
    user.access_token = arena_strdup(f->arena, session->access_token);
    user.refresh_token = arena_strdup(f->arena, session->refresh_token);
    user.who.session = ids[1];
    end_step(&step);
    return user;
}

static int ended_count(const struct step *step)
{
    assert_answered(step);
    return ((const LogOutResponse *)(const void *)step->reply)->ended_session_count;
}

static void ends_this_session_only(void **state)
{
    struct db_fixture *f = *state;
    struct signed_up one = given_user(f);
    struct signed_up two = another_session(f, one);
    assert_verified(f, one.access_token, app);
    struct step step = log_out_step(f, one.who, false, NULL);

    run(f, &step);

    assert_int_equal(ended_count(&step), 1);
    assert_not_verified(f, one.access_token, app, "TOKEN_INVALID");
    assert_verified(f, two.access_token, app);
    struct step refresh = refresh_step(f, one.refresh_token, NULL);
    run(f, &refresh);
    assert_refused(&refresh, STATUS_UNAUTHENTICATED, "REFRESH_TOKEN_INVALID");
    end_step(&step);
}

static void ends_all_sessions_of_the_user_and_of_nobody_else(void **state)
{
    struct db_fixture *f = *state;
    struct signed_up other = given_user(f);
    struct signed_up one = given_user(f);
    struct signed_up two = another_session(f, one);
    struct signed_up three = another_session(f, one);
    assert_verified(f, two.access_token, app);
    assert_verified(f, other.access_token, app);
    struct step step = log_out_step(f, one.who, true, NULL);

    run(f, &step);

    assert_int_equal(ended_count(&step), 3);
    assert_not_verified(f, one.access_token, app, "TOKEN_INVALID");
    assert_not_verified(f, two.access_token, app, "TOKEN_INVALID");
    assert_not_verified(f, three.access_token, app, "TOKEN_INVALID");
    assert_verified(f, other.access_token, app);
    end_step(&step);
}

static void does_not_count_sessions_that_had_ended(void **state)
{
    struct db_fixture *f = *state;
    struct signed_up one = given_user(f);
    struct signed_up two = another_session(f, one);
    struct step first = log_out_step(f, one.who, false, NULL);
    struct step all = log_out_step(f, two.who, true, NULL);
    run(f, &first);

    run(f, &all);

    assert_int_equal(ended_count(&all), 1);
    end_step(&first);
    end_step(&all);
}

static void refuses_a_session_that_has_ended(void **state)
{
    struct db_fixture *f = *state;
    struct signed_up user = given_user(f);
    struct step first = log_out_step(f, user.who, false, NULL);
    struct step again = log_out_step(f, user.who, false, "log-out-late");
    run(f, &first);

    run(f, &again);

    assert_refused(&again, STATUS_UNAUTHENTICATED, "TOKEN_INVALID");
    assert_int_equal(db_count(f, "recorded_request WHERE request_id = 'log-out-late'"), 0);
    end_step(&first);
}

/* The access token of an ended session is good for this one thing: to learn that it has ended. */
static void answers_a_repeat_although_the_session_has_ended(void **state)
{
    struct db_fixture *f = *state;
    struct signed_up user = given_user(f);
    struct step first = log_out_step(f, user.who, true, "log-out-1");
    struct step again = first;
    run(f, &first);
    struct verification v = {.token = user.access_token, .who = app, .method = LOG_OUT_METHOD};

    assert_null(db_run(f, run_verification, &v));
    run(f, &again);

    assert_same_answer(&first, &again);
    assert_true(again.call->replayed);
    end_step(&first);
    end_step(&again);
}

static void refuses_other_content_under_the_same_id(void **state)
{
    struct db_fixture *f = *state;
    struct signed_up user = given_user(f);
    struct signed_up two = another_session(f, user);
    struct step first = log_out_step(f, user.who, false, "log-out-2");
    struct step other = log_out_step(f, two.who, true, "log-out-2");
    run(f, &first);

    run(f, &other);

    assert_refused(&other, STATUS_INVALID_ARGUMENT, "REQUEST_ID_REUSED");
    assert_verified(f, two.access_token, app);
    end_step(&first);
}

static void ends_each_session_once_for_racing_callers(void **state)
{
    struct db_fixture *f = *state;
    struct signed_up one = given_user(f);
    struct signed_up two = another_session(f, one);
    struct step steps[4] = {
        log_out_step(f, one.who, true, NULL),
        log_out_step(f, two.who, true, NULL),
        log_out_step(f, one.who, false, NULL),
        log_out_step(f, two.who, false, NULL),
    };

    db_run_all(f, run_step, steps, sizeof(steps[0]), 4, NULL);

    int ended = 0;
    for (size_t i = 0; i < 4; i++) {
        read_answer(f, &steps[i]);
        if (steps[i].error != NULL)
            assert_string_equal(steps[i].error->reason, "TOKEN_INVALID");
        else
            ended += ended_count(&steps[i]);
        end_step(&steps[i]);
    }
    assert_int_equal(ended, 2);
    assert_int_equal(
        db_count(f, db_printf(f, "session WHERE customer_id = '%s' AND state <> 'ACTIVE'",
                              db_uuid_text(f, one.id))),
        2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ends_this_session_only),
        cmocka_unit_test(ends_all_sessions_of_the_user_and_of_nobody_else),
        cmocka_unit_test(does_not_count_sessions_that_had_ended),
        cmocka_unit_test(refuses_a_session_that_has_ended),
        cmocka_unit_test(answers_a_repeat_although_the_session_has_ended),
        cmocka_unit_test(refuses_other_content_under_the_same_id),
        cmocka_unit_test(ends_each_session_once_for_racing_callers),
    };
    return cmocka_run_group_tests_name("LogOut", tests, auth_setup, auth_teardown);
}
