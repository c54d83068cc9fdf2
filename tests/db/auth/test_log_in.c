/*
 * LogIn against the database.
 */

#include "db/auth/auth_fixture.h"

#include "crypto/x509.h"

static void opens_a_session(void **state)
{
    struct db_fixture *f = *state;
    struct signed_up user = given_user(f);
    struct step step = log_in_step(f, user.email, GOOD_PASSWORD, NULL);

    run(f, &step);

    const SessionMessage *session = session_answer(&step);
    struct uuid ids[2];
    assert_true(name_parse("users/{}/sessions/{}", session->name, ids, 2));
    assert_true(uuid_equal(ids[0], user.id));
    assert_false(uuid_equal(ids[1], user.who.session));
    assert_verified(f, session->access_token, app);
    end_step(&step);
}

static void does_not_care_about_the_case_of_the_address(void **state)
{
    struct db_fixture *f = *state;
    struct signed_up user = given_user(f);
    char *louder = arena_strdup(f->arena, user.email);
    louder[0] = 'A';
    struct step step = log_in_step(f, louder, GOOD_PASSWORD, NULL);

    run(f, &step);

    assert_answered(&step);
    end_step(&step);
}

static void refuses_bad_fields(void **state)
{
    struct db_fixture *f = *state;
    struct step step = log_in_step(f, "", "", NULL);

    run(f, &step);

    assert_field(&step, "email");
    assert_field(&step, "password");
}

static void answers_unknown_address_and_wrong_password_alike(void **state)
{
    struct db_fixture *f = *state;
    struct signed_up user = given_user(f);
    int64_t sessions = db_count(f, "session");
    struct step wrong = log_in_step(f, user.email, "correct horse battery stapl", "id-1");
    struct step unknown = log_in_step(f, "nobody@example.com", GOOD_PASSWORD, "id-2");

    run(f, &wrong);
    run(f, &unknown);

    assert_refused(&wrong, STATUS_UNAUTHENTICATED, "CREDENTIALS_INVALID");
    assert_refused(&unknown, STATUS_UNAUTHENTICATED, "CREDENTIALS_INVALID");
    assert_string_equal(wrong.error->message, unknown.error->message);
    assert_int_equal(wrong.error->metadata_count, unknown.error->metadata_count);
    assert_int_equal(db_count(f, "session"), sessions);
    assert_int_equal(db_count(f, "stranger_request WHERE request_id IN ('id-1', 'id-2')"), 0);
}

static void keeps_who_guesses_waiting_with_the_right_password_too(void **state)
{
    struct db_fixture *f = *state;
    struct signed_up user = given_user(f);
    struct step guess = log_in_step(f, user.email, "not the password", NULL);
    struct step right = log_in_step(f, user.email, GOOD_PASSWORD, NULL);
    struct step unknown = log_in_step(f, "nobody-at-all@example.com", GOOD_PASSWORD, NULL);
    for (int i = 0; i < GUESSES_FREE; i++) {
        struct step one = guess;
        run(f, &one);
        assert_refused(&one, STATUS_UNAUTHENTICATED, "CREDENTIALS_INVALID");
        one = unknown;
        run(f, &one);
    }
    int64_t sessions = db_count(f, "session");
    struct step early = right;

    run(f, &early);
    run(f, &unknown);
    assert_refused(&early, STATUS_RESOURCE_EXHAUSTED, "LOG_IN_DELAYED");
    assert_in_range(early.error->retry_after_ms, 1, 1001); /* the first wait: a second */
    assert_refused(&unknown, STATUS_RESOURCE_EXHAUSTED, "LOG_IN_DELAYED");
    assert_int_equal(db_count(f, "session"), sessions);

    usleep((useconds_t)(early.error->retry_after_ms * US_PER_MS));
    run(f, &right);
    assert_answered(&right);
    end_step(&right);
}

static void answers_a_repeat_with_the_first_session(void **state)
{
    struct db_fixture *f = *state;
    struct signed_up user = given_user(f);
    struct step first = log_in_step(f, user.email, GOOD_PASSWORD, "log-in-1");
    struct step again = first;
    run(f, &first);
    fake_clock_advance(&f->clock, US_PER_MINUTE);

    run(f, &again);

    assert_same_answer(&first, &again);
    assert_true(again.call->replayed);
    assert_int_equal(
        db_count(f, db_printf(f, "session WHERE customer_id = '%s'", db_uuid_text(f, user.id))), 2);
    end_step(&first);
    end_step(&again);
}

/* A request_id alone must not open a session: the password is looked at again. */
static void refuses_a_repeat_without_the_password(void **state)
{
    struct db_fixture *f = *state;
    struct signed_up user = given_user(f);
    struct step first = log_in_step(f, user.email, GOOD_PASSWORD, "log-in-2");
    struct step guess = log_in_step(f, user.email, "not the password", "log-in-2");
    run(f, &first);

    run(f, &guess);

    assert_refused(&guess, STATUS_UNAUTHENTICATED, "CREDENTIALS_INVALID");
    end_step(&first);
}

static void refuses_another_user_under_the_same_id(void **state)
{
    struct db_fixture *f = *state;
    struct signed_up one = given_user(f);
    struct signed_up two = given_user(f);
    struct step first = log_in_step(f, one.email, GOOD_PASSWORD, "log-in-3");
    struct step other = log_in_step(f, two.email, GOOD_PASSWORD, "log-in-3");
    run(f, &first);

    run(f, &other);

    assert_refused(&other, STATUS_INVALID_ARGUMENT, "REQUEST_ID_REUSED");
    assert_int_equal(
        db_count(f, db_printf(f, "session WHERE customer_id = '%s'", db_uuid_text(f, two.id))), 1);
    end_step(&first);
}

static void gives_racing_repeats_one_session(void **state)
{
    struct db_fixture *f = *state;
    struct signed_up user = given_user(f);
    struct step steps[4];
    for (size_t i = 0; i < 4; i++)
        steps[i] = log_in_step(f, user.email, GOOD_PASSWORD, "log-in-4");

    db_run_all(f, run_step, steps, sizeof(steps[0]), 4, NULL);

    for (size_t i = 1; i < 4; i++)
        assert_same_answer(&steps[0], &steps[i]);
    assert_int_equal(
        db_count(f, db_printf(f, "session WHERE customer_id = '%s'", db_uuid_text(f, user.id))), 2);
}

static void lets_in_from_the_users_own_device_only(void **state)
{
    struct db_fixture *f = *state;
    struct signed_up owner = given_user(f);
    struct signed_up stranger = given_user(f);
    struct ec_key *key = ec_key_make();
    struct who device = given_device(f, &owner, 7, csr_make(f->arena, key, "phone"));
    ec_key_free(key);
    struct step own = log_in_step(f, owner.email, GOOD_PASSWORD, NULL);
    struct step other = log_in_step(f, stranger.email, GOOD_PASSWORD, NULL);
    own.who = device;
    other.who = device;

    run(f, &own);
    run(f, &other);

    assert_verified(f, session_answer(&own)->access_token, device);
    assert_refused(&other, STATUS_UNAUTHENTICATED, "CREDENTIALS_INVALID");
    end_step(&own);
}

static void hashes_again_when_the_parameters_rose(void **state)
{
    struct db_fixture *f = *state;
    struct signed_up user = given_user(f);
    /* "password" with one pass over 64 MiB: fewer passes than today's. */
    db_execute(f, db_printf(f,
                            "UPDATE user_account SET password_hash ="
                            " '$argon2id$v=19$m=65536,t=1,p=1$c29tZXNhbHQ"
                            "$9qWtwbpyPd3vm1rB1GThgPzZ3/ydHL92zKL+15XZypg'"
                            " WHERE customer_id = '%s'",
                            db_uuid_text(f, user.id)));
    struct step first = log_in_step(f, user.email, "differentpassword", NULL);
    struct step second = log_in_step(f, user.email, "password", NULL);
    const char *read =
        db_printf(f, "SELECT left(password_hash, 31) FROM user_account WHERE customer_id = '%s'",
                  db_uuid_text(f, user.id));

    run(f, &first);
    assert_string_equal(db_text(f, read), "$argon2id$v=19$m=65536,t=1,p=1$");
    run(f, &second);

    assert_refused(&first, STATUS_UNAUTHENTICATED, "CREDENTIALS_INVALID");
    assert_answered(&second);
    assert_string_equal(db_text(f, read), "$argon2id$v=19$m=19456,t=2,p=1$");
    end_step(&second);
    run(f, &second);
    assert_answered(&second);
    end_step(&second);
}

static void lives_in_the_time_of_the_users_clock(void **state)
{
    struct db_fixture *f = *state;
    int64_t clock_us = FAKE_CLOCK_START_US + 90 * US_PER_DAY;
    struct uuid clock = db_given_test_clock(f, clock_us);
    struct signed_up user = given_user_on_clock(f, clock);
    struct step step = log_in_step(f, user.email, GOOD_PASSWORD, NULL);

    run(f, &step);

    assert_int_equal(session_answer(&step)->access_token_expire_time->seconds,
                     clock_us / US_PER_SECOND + 600);
    end_step(&step);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(opens_a_session),
        cmocka_unit_test(does_not_care_about_the_case_of_the_address),
        cmocka_unit_test(refuses_bad_fields),
        cmocka_unit_test(answers_unknown_address_and_wrong_password_alike),
        cmocka_unit_test(keeps_who_guesses_waiting_with_the_right_password_too),
        cmocka_unit_test(answers_a_repeat_with_the_first_session),
        cmocka_unit_test(refuses_a_repeat_without_the_password),
        cmocka_unit_test(refuses_another_user_under_the_same_id),
        cmocka_unit_test(gives_racing_repeats_one_session),
        cmocka_unit_test(lets_in_from_the_users_own_device_only),
        cmocka_unit_test(hashes_again_when_the_parameters_rose),
        cmocka_unit_test(lives_in_the_time_of_the_users_clock),
    };
    return cmocka_run_group_tests_name("LogIn", tests, auth_setup, auth_teardown);
}
