/*
 * SignUp against the database: one user an address, whatever races or crashes.
 */

#include "db/auth/auth_fixture.h"

static struct uuid known_id(struct db_fixture *f, const char *email)
{
    struct uuid id;
    assert_true(uuid_parse(
        db_text(
            f, db_printf(f, "SELECT customer_id FROM email_reservation WHERE email = '%s'", email)),
        &id));
    return id;
}

static void makes_user_customer_and_session(void **state)
{
    struct db_fixture *f = *state;
    struct step step = sign_up_step(f, "Ada.One@Example.com", GOOD_PASSWORD, NULL);

    run(f, &step);

    const SignUpResponse *res = sign_up_answer(&step);
    const char *id = db_uuid_text(f, known_id(f, "ada.one@example.com"));
    assert_string_equal(res->user->name, db_printf(f, "users/%s", id));
    assert_string_equal(res->user->email, "Ada.One@Example.com");
    assert_string_equal(res->user->display_name, "Ada");
    assert_string_equal(res->customer, db_printf(f, "customers/%s", id));
    assert_string_equal(res->user->customer, res->customer);
    assert_string_equal(res->session->token_type, "Bearer");
    assert_int_equal(res->session->access_token_expire_time->seconds,
                     FAKE_CLOCK_START_US / US_PER_SECOND + 600);
    assert_int_equal(res->session->refresh_token_expire_time->seconds,
                     FAKE_CLOCK_START_US / US_PER_SECOND + 30 * 86400);
    assert_int_equal(db_count(f, db_printf(f, "customer WHERE customer_id = '%s'", id)), 1);
    assert_int_equal(db_count(f, db_printf(f, "session WHERE customer_id = '%s'", id)), 1);
    assert_int_equal(db_count(f, db_printf(f, "event WHERE customer_id = '%s'", id)), 1);
    assert_string_equal(
        db_text(f, "SELECT state FROM email_reservation WHERE email = 'ada.one@example.com'"),
        "CONFIRMED");
    end_step(&step);
}

static void refuses_a_taken_address_in_any_case(void **state)
{
    struct db_fixture *f = *state;
    struct signed_up user = given_user(f);
    char *louder = arena_strdup(f->arena, user.email);
    louder[0] = 'A';
    int64_t customers = db_count(f, "customer");

    struct step step = sign_up_step(f, louder, "another password of mine", NULL);
    run(f, &step);

    assert_refused(&step, STATUS_ALREADY_EXISTS, "EMAIL_TAKEN");
    assert_int_equal(db_count(f, "customer"), customers);
}

static void refuses_bad_fields_all_at_once(void **state)
{
    struct db_fixture *f = *state;
    int64_t reservations = db_count(f, "email_reservation");
    char long_password[258];
    memset(long_password, 'a', 257);
    long_password[257] = '\0';
    const char *const passwords[] = {"", "14 characters.", long_password};

    for (size_t i = 0; i < ARRAY_LENGTH(passwords); i++) {
        struct step step = sign_up_step(f, "no address", passwords[i], NULL);
        ((SignUpRequest *)(uintptr_t)step.request)->test_clock = mutable("clocks/1");
        run(f, &step);
        assert_field(&step, "password");
        assert_field(&step, "email");
        assert_field(&step, "test_clock");
    }
    assert_int_equal(db_count(f, "email_reservation"), reservations);
}

static void refuses_a_test_clock_without_the_sandbox(void **state)
{
    struct db_fixture *f = *state;
    struct uuid clock = db_given_test_clock(f, FAKE_CLOCK_START_US);
    struct step step = sign_up_step(f, "nobox@example.com", GOOD_PASSWORD, NULL);
    ((SignUpRequest *)(uintptr_t)step.request)->test_clock =
        mutable(db_printf(f, "testClocks/%s", db_uuid_text(f, clock)));
    f->settings.sandbox = false;

    run(f, &step);

    f->settings.sandbox = true;
    assert_field(&step, "test_clock");
}

static void refuses_a_clock_that_is_not_there_and_leaves_the_address_free(void **state)
{
    struct db_fixture *f = *state;
    struct step step = sign_up_step(f, "noclock@example.com", GOOD_PASSWORD, NULL);
    ((SignUpRequest *)(uintptr_t)step.request)->test_clock =
        mutable(db_printf(f, "testClocks/%s", db_uuid_text(f, db_uuid(f))));

    run(f, &step);

    assert_refused(&step, STATUS_NOT_FOUND, "TEST_CLOCK_NOT_FOUND");
    assert_int_equal(db_count(f, "email_reservation WHERE email = 'noclock@example.com'"), 0);
}

static void refuses_a_clock_that_was_deleted(void **state)
{
    struct db_fixture *f = *state;
    const char *clock = db_uuid_text(f, db_given_test_clock(f, FAKE_CLOCK_START_US));
    struct step step = sign_up_step(f, "oldclock@example.com", GOOD_PASSWORD, NULL);
    ((SignUpRequest *)(uintptr_t)step.request)->test_clock =
        mutable(db_printf(f, "testClocks/%s", clock));
    db_execute(f, db_printf(f,
                            "UPDATE test_clock SET delete_time = create_time"
                            " WHERE test_clock_id = '%s'",
                            clock));

    run(f, &step);

    assert_refused(&step, STATUS_NOT_FOUND, "TEST_CLOCK_NOT_FOUND");
}

static void lives_in_the_time_of_its_clock(void **state)
{
    struct db_fixture *f = *state;
    int64_t clock_us = FAKE_CLOCK_START_US + 400 * US_PER_DAY;
    struct uuid clock = db_given_test_clock(f, clock_us);
    struct step step = sign_up_step(f, "clock@example.com", GOOD_PASSWORD, NULL);
    ((SignUpRequest *)(uintptr_t)step.request)->test_clock =
        mutable(db_printf(f, "testClocks/%s", db_uuid_text(f, clock)));

    run(f, &step);

    const SignUpResponse *res = sign_up_answer(&step);
    assert_int_equal(res->user->create_time->seconds, clock_us / US_PER_SECOND);
    assert_int_equal(res->session->access_token_expire_time->seconds,
                     clock_us / US_PER_SECOND + 600);
    end_step(&step);
}

static void answers_a_repeat_with_the_first_answer(void **state)
{
    struct db_fixture *f = *state;
    struct step first = sign_up_step(f, "repeat@example.com", GOOD_PASSWORD, "sign-up-1");
    struct step again = first;
    run(f, &first);
    fake_clock_advance(&f->clock, US_PER_HOUR);

    run(f, &again);

    assert_same_answer(&first, &again);
    assert_true(again.call->replayed);
    assert_false(first.call->replayed);
    assert_int_equal(db_count(f, "user_account WHERE email = 'repeat@example.com'"), 1);
    end_step(&first);
    end_step(&again);
}

static void keeps_tokens_only_sealed(void **state)
{
    struct db_fixture *f = *state;
    struct step step = sign_up_step(f, "sealed@example.com", GOOD_PASSWORD, "sign-up-2");
    run(f, &step);
    const SignUpResponse *res = sign_up_answer(&step);
    char token_hex[2 * 128 + 1];
    hex_encode(res->session->refresh_token, strlen(res->session->refresh_token), token_hex);

    assert_int_equal(db_count(f, db_printf(f,
                                           "recorded_request WHERE request_id = 'sign-up-2'"
                                           " AND position('%s' IN encode(answer, 'hex')) = 0",
                                           token_hex)),
                     1);
    end_step(&step);
}

static void refuses_other_content_under_the_same_id(void **state)
{
    struct db_fixture *f = *state;
    struct step first = sign_up_step(f, "content@example.com", GOOD_PASSWORD, "sign-up-3");
    struct step password = sign_up_step(f, "content@example.com", "another password", "sign-up-3");
    struct step email = sign_up_step(f, "content2@example.com", GOOD_PASSWORD, "sign-up-3");
    run(f, &first);

    run(f, &password);
    run(f, &email);

    assert_refused(&password, STATUS_INVALID_ARGUMENT, "REQUEST_ID_REUSED");
    assert_refused(&email, STATUS_INVALID_ARGUMENT, "REQUEST_ID_REUSED");
    assert_int_equal(db_count(f, "email_reservation WHERE email = 'content2@example.com'"), 0);
    end_step(&first);
}

static void gives_one_of_many_racing_strangers_the_address(void **state)
{
    struct db_fixture *f = *state;
    struct step steps[6];
    const struct error *errors[6];
    for (size_t i = 0; i < 6; i++)
        steps[i] = sign_up_step(f, "race@example.com",
                                db_printf(f, "the password of number %zu", i), NULL);

    db_run_all(f, run_step, steps, sizeof(steps[0]), 6, errors);

    int won = 0;
    for (size_t i = 0; i < 6; i++) {
        won += errors[i] == NULL;
        if (errors[i] != NULL)
            assert_string_equal(errors[i]->reason, "EMAIL_TAKEN");
    }
    assert_int_equal(won, 1);
    assert_int_equal(db_count(f, "user_account WHERE email = 'race@example.com'"), 1);
    assert_int_equal(db_count(f, "customer WHERE email = 'race@example.com'"), 1);
}

static void gives_racing_repeats_of_one_request_one_answer(void **state)
{
    struct db_fixture *f = *state;
    struct step steps[4];
    for (size_t i = 0; i < 4; i++)
        steps[i] = sign_up_step(f, "twins@example.com", GOOD_PASSWORD, "sign-up-4");

    db_run_all(f, run_step, steps, sizeof(steps[0]), 4, NULL);

    for (size_t i = 1; i < 4; i++)
        assert_same_answer(&steps[0], &steps[i]);
    assert_int_equal(db_count(f, "customer WHERE email = 'twins@example.com'"), 1);
}

/* The server died after the commit, before it confirmed the address. */
static void finishes_what_a_crash_left_unconfirmed(void **state)
{
    struct db_fixture *f = *state;
    struct step first = sign_up_step(f, "crash@example.com", GOOD_PASSWORD, "sign-up-5");
    struct step again = first;
    run(f, &first);
    db_execute(f, "UPDATE email_reservation SET state = 'RESERVED'"
                  " WHERE email = 'crash@example.com'");

    run(f, &again);

    assert_same_answer(&first, &again);
    assert_string_equal(
        db_text(f, "SELECT state FROM email_reservation WHERE email = 'crash@example.com'"),
        "CONFIRMED");
    end_step(&first);
    end_step(&again);
}

static void confirms_for_a_stranger_what_a_crash_left_unconfirmed(void **state)
{
    struct db_fixture *f = *state;
    struct signed_up user = given_user(f);
    db_execute(f, db_printf(f, "UPDATE email_reservation SET state = 'RESERVED' WHERE email = '%s'",
                            user.email));
    fake_clock_advance(&f->clock, 11 * US_PER_SECOND);

    struct step stranger = sign_up_step(f, user.email, "another password", NULL);
    run(f, &stranger);

    assert_refused(&stranger, STATUS_ALREADY_EXISTS, "EMAIL_TAKEN");
    assert_string_equal(db_text(f, db_printf(f,
                                             "SELECT state FROM email_reservation"
                                             " WHERE email = '%s'",
                                             user.email)),
                        "CONFIRMED");
    struct step log_in_again = log_in_step(f, user.email, GOOD_PASSWORD, NULL);
    run(f, &log_in_again);
    assert_answered(&log_in_again);
    end_step(&log_in_again);
}

/* The server died after it reserved the address, before the commit. */
static void takes_over_a_reservation_that_died(void **state)
{
    struct db_fixture *f = *state;
    db_execute(f, db_printf(f,
                            "INSERT INTO email_reservation VALUES ('dead@example.com',"
                            " gen_random_uuid(), 'RESERVED', 'x', NULL, '', to_timestamp(%lld))",
                            (long long)(clock_wall_us(f->house.clock) / US_PER_SECOND)));
    struct step early = sign_up_step(f, "dead@example.com", GOOD_PASSWORD, NULL);
    struct step later = sign_up_step(f, "dead@example.com", GOOD_PASSWORD, NULL);

    run(f, &early);
    fake_clock_advance(&f->clock, 11 * US_PER_SECOND);
    run(f, &later);

    assert_refused(&early, STATUS_ABORTED, "CONCURRENT_CHANGE");
    assert_true(early.error->retry_after_ms > 0);
    assert_answered(&later);
    end_step(&later);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(makes_user_customer_and_session),
        cmocka_unit_test(refuses_bad_fields_all_at_once),
        cmocka_unit_test(refuses_a_test_clock_without_the_sandbox),
        cmocka_unit_test(refuses_a_taken_address_in_any_case),
        cmocka_unit_test(refuses_a_clock_that_is_not_there_and_leaves_the_address_free),
        cmocka_unit_test(refuses_a_clock_that_was_deleted),
        cmocka_unit_test(lives_in_the_time_of_its_clock),
        cmocka_unit_test(answers_a_repeat_with_the_first_answer),
        cmocka_unit_test(keeps_tokens_only_sealed),
        cmocka_unit_test(refuses_other_content_under_the_same_id),
        cmocka_unit_test(gives_one_of_many_racing_strangers_the_address),
        cmocka_unit_test(gives_racing_repeats_of_one_request_one_answer),
        cmocka_unit_test(finishes_what_a_crash_left_unconfirmed),
        cmocka_unit_test(confirms_for_a_stranger_what_a_crash_left_unconfirmed),
        cmocka_unit_test(takes_over_a_reservation_that_died),
    };
    return cmocka_run_group_tests_name("SignUp", tests, auth_setup, auth_teardown);
}
