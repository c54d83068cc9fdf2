/*
 * RefreshSession against the database: rotation, its repeats, and tokens in two hands.
 */

#include "db/auth/auth_fixture.h"

#include "crypto/x509.h"

static const char *refreshed(struct db_fixture *f, const char *token)
{
    struct step step = refresh_step(f, token, NULL);
    run(f, &step);
    const char *successor = arena_strdup(f->arena, session_answer(&step)->refresh_token);
    end_step(&step);
    return successor;
}

static const char *session_state(struct db_fixture *f, const struct signed_up *user)
{
    return db_text(f, db_printf(f, "SELECT state FROM session WHERE session_id = '%s'",
                                db_uuid_text(f, user->who.session)));
}

static struct who device_of(struct db_fixture *f, const struct signed_up *user)
{
    struct ec_key *key = ec_key_make();
    struct who device = given_device(f, user, 9, csr_make(f->arena, key, "phone"));
    ec_key_free(key);
    return device;
}

static void gives_new_tokens_of_the_same_session(void **state)
{
    struct db_fixture *f = *state;
    struct signed_up user = given_user(f);
    struct step step = refresh_step(f, user.refresh_token, NULL);

    run(f, &step);

    const SessionMessage *session = session_answer(&step);
    struct uuid ids[2];
    assert_true(name_parse("users/{}/sessions/{}", session->name, ids, 2));
    assert_true(uuid_equal(ids[1], user.who.session));
    assert_string_not_equal(session->refresh_token, user.refresh_token);
    assert_verified(f, session->access_token, app);
    assert_int_equal(
        db_count(f, db_printf(f, "session WHERE customer_id = '%s'", db_uuid_text(f, user.id))), 1);
    end_step(&step);
}

static void keeps_the_absolute_end_of_the_session(void **state)
{
    struct db_fixture *f = *state;
    struct signed_up user = given_user(f);
    int64_t end = clock_wall_us(f->house.clock) / US_PER_SECOND + 30 * 86400;
    fake_clock_advance(&f->clock, US_PER_DAY);
    struct step step = refresh_step(f, user.refresh_token, NULL);

    run(f, &step);

    assert_int_equal(session_answer(&step)->refresh_token_expire_time->seconds, end);
    end_step(&step);
}

static void refuses_an_empty_and_a_too_long_token(void **state)
{
    struct db_fixture *f = *state;
    struct step empty = refresh_step(f, "", NULL);
    struct step longer = refresh_step(f, db_printf(f, "%0129d", 0), NULL);

    run(f, &empty);
    run(f, &longer);

    assert_field(&empty, "refresh_token");
    assert_field(&longer, "refresh_token");
}

static void refuses_tokens_that_it_did_not_make(void **state)
{
    struct db_fixture *f = *state;
    struct signed_up user = given_user(f);
    char *bent = arena_strdup(f->arena, user.refresh_token);
    bent[20] = bent[20] == 'A' ? 'B' : 'A';
    const char *const tokens[] = {"hello", bent};

    for (size_t i = 0; i < ARRAY_LENGTH(tokens); i++) {
        struct step step = refresh_step(f, tokens[i], NULL);
        run(f, &step);
        assert_refused(&step, STATUS_UNAUTHENTICATED, "REFRESH_TOKEN_INVALID");
    }
    assert_string_equal(session_state(f, &user), "ACTIVE");
}

/* An access token has another form and purpose. */
static void refuses_an_access_token(void **state)
{
    struct db_fixture *f = *state;
    struct signed_up user = given_user(f);
    struct step step = refresh_step(f, db_printf(f, "%.128s", user.access_token), NULL);

    run(f, &step);

    assert_refused(&step, STATUS_UNAUTHENTICATED, "REFRESH_TOKEN_INVALID");
}

static void answers_a_repeat_within_the_grace_with_the_same_successor(void **state)
{
    struct db_fixture *f = *state;
    struct signed_up user = given_user(f);
    const char *successor = refreshed(f, user.refresh_token);
    fake_clock_advance(&f->clock, 30 * US_PER_SECOND);

    assert_string_equal(refreshed(f, user.refresh_token), successor);
    assert_string_equal(session_state(f, &user), "ACTIVE");
}

static void ends_the_session_when_a_replaced_token_comes_after_the_grace(void **state)
{
    struct db_fixture *f = *state;
    struct signed_up user = given_user(f);
    const char *successor = refreshed(f, user.refresh_token);
    fake_clock_advance(&f->clock, 30 * US_PER_SECOND + 1);
    struct step thief = refresh_step(f, user.refresh_token, NULL);
    struct step owner = refresh_step(f, successor, NULL);

    run(f, &thief);
    run(f, &owner);

    assert_refused(&thief, STATUS_UNAUTHENTICATED, "REFRESH_TOKEN_REUSED");
    assert_refused(&owner, STATUS_UNAUTHENTICATED, "REFRESH_TOKEN_INVALID");
    assert_string_equal(session_state(f, &user), "COMPROMISED");
    assert_not_verified(f, user.access_token, app, "TOKEN_INVALID");
    assert_int_equal(db_count(f, db_printf(f,
                                           "event WHERE customer_id = '%s'"
                                           " AND type = 'session.compromised'",
                                           db_uuid_text(f, user.id))),
                     1);
}

static void ends_the_session_when_a_token_before_the_last_comes(void **state)
{
    struct db_fixture *f = *state;
    struct signed_up user = given_user(f);
    refreshed(f, refreshed(f, user.refresh_token));
    struct step step = refresh_step(f, user.refresh_token, NULL);

    run(f, &step);

    assert_refused(&step, STATUS_UNAUTHENTICATED, "REFRESH_TOKEN_REUSED");
    assert_string_equal(session_state(f, &user), "COMPROMISED");
}

static void answers_a_repeated_request_with_the_first_answer_even_late(void **state)
{
    struct db_fixture *f = *state;
    struct signed_up user = given_user(f);
    struct step first = refresh_step(f, user.refresh_token, "refresh-1");
    struct step again = first;
    run(f, &first);
    fake_clock_advance(&f->clock, US_PER_HOUR);

    run(f, &again);

    assert_same_answer(&first, &again);
    assert_true(again.call->replayed);
    assert_string_equal(session_state(f, &user), "ACTIVE");
    end_step(&first);
    end_step(&again);
}

static void refuses_another_token_under_the_same_id(void **state)
{
    struct db_fixture *f = *state;
    struct signed_up user = given_user(f);
    struct step first = refresh_step(f, user.refresh_token, "refresh-2");
    run(f, &first);
    struct step other =
        refresh_step(f, arena_strdup(f->arena, session_answer(&first)->refresh_token), "refresh-2");

    run(f, &other);

    assert_refused(&other, STATUS_INVALID_ARGUMENT, "REQUEST_ID_REUSED");
    assert_int_equal(db_number(f, db_printf(f,
                                            "SELECT generation FROM session"
                                            " WHERE session_id = '%s'",
                                            db_uuid_text(f, user.who.session))),
                     2);
    end_step(&first);
}

static void records_nothing_of_a_refused_refresh(void **state)
{
    struct db_fixture *f = *state;
    struct signed_up user = given_user(f);
    refreshed(f, refreshed(f, user.refresh_token));
    struct step step = refresh_step(f, user.refresh_token, "refresh-3");

    run(f, &step);

    assert_refused(&step, STATUS_UNAUTHENTICATED, "REFRESH_TOKEN_REUSED");
    assert_int_equal(db_count(f, "recorded_request WHERE request_id = 'refresh-3'"), 0);
}

static void rotates_once_for_racing_callers(void **state)
{
    struct db_fixture *f = *state;
    struct signed_up user = given_user(f);
    struct step steps[8];
    for (size_t i = 0; i < 8; i++)
        steps[i] = refresh_step(f, user.refresh_token, NULL);

    db_run_all(f, run_step, steps, sizeof(steps[0]), 8, NULL);

    const char *successor = NULL;
    for (size_t i = 0; i < 8; i++) {
        read_answer(f, &steps[i]);
        const char *token = arena_strdup(f->arena, session_answer(&steps[i])->refresh_token);
        if (successor != NULL)
            assert_string_equal(token, successor);
        successor = token;
        end_step(&steps[i]);
    }
    assert_int_equal(db_number(f, db_printf(f,
                                            "SELECT generation FROM session"
                                            " WHERE session_id = '%s'",
                                            db_uuid_text(f, user.who.session))),
                     2);
}

static void refuses_after_the_absolute_end(void **state)
{
    struct db_fixture *f = *state;
    struct signed_up user = given_user(f);
    fake_clock_advance(&f->clock, 30 * US_PER_DAY);
    struct step step = refresh_step(f, user.refresh_token, NULL);

    run(f, &step);

    assert_refused(&step, STATUS_UNAUTHENTICATED, "REFRESH_TOKEN_INVALID");
    assert_string_equal(session_state(f, &user), "ACTIVE");
}

static void ends_by_the_clock_of_the_customer(void **state)
{
    struct db_fixture *f = *state;
    struct uuid clock = db_given_test_clock(f, FAKE_CLOCK_START_US);
    struct signed_up user = given_user_on_clock(f, clock);
    db_execute(f, db_printf(f,
                            "UPDATE test_clock SET clock_time = clock_time + interval '31 days'"
                            " WHERE test_clock_id = '%s'",
                            db_uuid_text(f, clock)));
    struct step step = refresh_step(f, user.refresh_token, NULL);

    run(f, &step);

    assert_refused(&step, STATUS_UNAUTHENTICATED, "REFRESH_TOKEN_INVALID");
}

static void refuses_another_app(void **state)
{
    struct db_fixture *f = *state;
    struct signed_up user = given_user(f);
    struct step step = refresh_step(f, user.refresh_token, NULL);
    step.who.spiffe_id = "spiffe://dues.local/app/other-app";

    run(f, &step);

    assert_refused(&step, STATUS_UNAUTHENTICATED, "TOKEN_WRONG_CERTIFICATE");
    assert_string_equal(session_state(f, &user), "ACTIVE");
}

static void moves_to_the_users_device_for_good(void **state)
{
    struct db_fixture *f = *state;
    struct signed_up user = given_user(f);
    struct who device = device_of(f, &user);
    struct step moved = refresh_step(f, user.refresh_token, NULL);
    moved.who = device;

    run(f, &moved);

    const SessionMessage *session = session_answer(&moved);
    assert_verified(f, session->access_token, device);
    assert_not_verified(f, session->access_token, app, "TOKEN_WRONG_CERTIFICATE");
    struct step app_again = refresh_step(f, arena_strdup(f->arena, session->refresh_token), NULL);
    struct step device_again = app_again;
    device_again.who = device;
    run(f, &app_again);
    run(f, &device_again);
    assert_refused(&app_again, STATUS_UNAUTHENTICATED, "TOKEN_WRONG_CERTIFICATE");
    assert_answered(&device_again);
    end_step(&moved);
    end_step(&device_again);
}

static void refuses_the_device_of_another_user(void **state)
{
    struct db_fixture *f = *state;
    struct signed_up user = given_user(f);
    struct signed_up other = given_user(f);
    struct step step = refresh_step(f, user.refresh_token, NULL);
    step.who = device_of(f, &other);

    run(f, &step);

    assert_refused(&step, STATUS_UNAUTHENTICATED, "TOKEN_WRONG_CERTIFICATE");
    assert_string_equal(session_state(f, &user), "ACTIVE");
}

static void refuses_the_loser_when_app_and_device_race(void **state)
{
    struct db_fixture *f = *state;
    struct signed_up user = given_user(f);
    struct step steps[2] = {refresh_step(f, user.refresh_token, NULL),
                            refresh_step(f, user.refresh_token, NULL)};
    steps[1].who = device_of(f, &user);

    db_run_all(f, run_step, steps, sizeof(steps[0]), 2, NULL);

    struct step *loser = steps[0].error ? &steps[0] : &steps[1];
    struct step *winner = steps[0].error ? &steps[1] : &steps[0];
    assert_answered(winner);
    assert_refused(loser, STATUS_UNAUTHENTICATED, "TOKEN_WRONG_CERTIFICATE");
    assert_string_equal(session_state(f, &user), "ACTIVE");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_new_tokens_of_the_same_session),
        cmocka_unit_test(keeps_the_absolute_end_of_the_session),
        cmocka_unit_test(refuses_an_empty_and_a_too_long_token),
        cmocka_unit_test(refuses_tokens_that_it_did_not_make),
        cmocka_unit_test(refuses_an_access_token),
        cmocka_unit_test(answers_a_repeat_within_the_grace_with_the_same_successor),
        cmocka_unit_test(ends_the_session_when_a_replaced_token_comes_after_the_grace),
        cmocka_unit_test(ends_the_session_when_a_token_before_the_last_comes),
        cmocka_unit_test(answers_a_repeated_request_with_the_first_answer_even_late),
        cmocka_unit_test(refuses_another_token_under_the_same_id),
        cmocka_unit_test(records_nothing_of_a_refused_refresh),
        cmocka_unit_test(rotates_once_for_racing_callers),
        cmocka_unit_test(refuses_after_the_absolute_end),
        cmocka_unit_test(ends_by_the_clock_of_the_customer),
        cmocka_unit_test(refuses_another_app),
        cmocka_unit_test(moves_to_the_users_device_for_good),
        cmocka_unit_test(refuses_the_device_of_another_user),
        cmocka_unit_test(refuses_the_loser_when_app_and_device_race),
    };
    return cmocka_run_group_tests_name("RefreshSession", tests, auth_setup, auth_teardown);
}
