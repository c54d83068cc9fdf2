/*
 * Access tokens in a call: for whom, over which certificate, and until when.
 */

#include "db/auth/auth_fixture.h"

#include "auth/jwt.h"

/* A token that our own key signed, with one claim that is not as it should be. */
struct forgery {
    const char *issuer;
    const char *audience;
    int64_t shift_s; /* of all its times */
    struct uuid session;
};

static const char *forged(struct db_fixture *f, const struct signed_up *user,
                          const struct forgery *forgery)
{
    int64_t now_s = clock_wall_us(f->house.clock) / US_PER_SECOND + forgery->shift_s;
    struct jwt_claims claims = {
        .issuer = forgery->issuer ? forgery->issuer : f->settings.token_issuer,
        .audience = forgery->audience ? forgery->audience : f->settings.token_audience,
        .client = APP,
        .scope = TOKEN_USER_SCOPE,
        .user = user->id,
        .session = uuid_is_nil(forgery->session) ? user->who.session : forgery->session,
        .id = db_uuid(f),
        .issued_s = now_s,
        .not_before_s = now_s,
        .expires_s = now_s + 600,
    };
    memset(claims.certificate_hash, app.certificate, SHA256_SIZE);
    return jwt_make(f->arena, auth_keys_signing(f->house.keys), &claims);
}

static void makes_a_logged_in_user_of_the_caller(void **state)
{
    struct db_fixture *f = *state;
    struct signed_up user = given_user(f);
    struct verification v = {.token = user.access_token, .who = app};

    assert_null(db_run(f, run_verification, &v));

    assert_int_equal(v.caller.kind, CALLER_APP_USER);
    assert_true(uuid_equal(v.caller.user, user.id));
    assert_true(uuid_equal(v.caller.session, user.who.session));
    assert_string_equal(v.caller.scope, TOKEN_USER_SCOPE);
}

static void refuses_it_over_another_certificate(void **state)
{
    struct db_fixture *f = *state;
    struct signed_up user = given_user(f);
    struct who other = app;
    other.certificate = 2;

    assert_not_verified(f, user.access_token, other, "TOKEN_WRONG_CERTIFICATE");
    assert_verified(f, user.access_token, app);
    assert_not_verified(f, user.access_token, other, "TOKEN_WRONG_CERTIFICATE");
}

static void refuses_it_when_it_has_expired(void **state)
{
    struct db_fixture *f = *state;
    struct signed_up user = given_user(f);
    fake_clock_advance(&f->clock, 600 * US_PER_SECOND - 1);
    assert_verified(f, user.access_token, app);

    fake_clock_advance(&f->clock, 1);

    assert_not_verified(f, user.access_token, app, "TOKEN_EXPIRED");
}

static void refuses_other_issuers_audiences_and_times(void **state)
{
    struct db_fixture *f = *state;
    struct signed_up user = given_user(f);
    const struct forgery good = {.shift_s = 0};
    const struct forgery issuer = {.issuer = "https://other.test"};
    const struct forgery audience = {.audience = "other"};
    const struct forgery a_little_early = {.shift_s = 60};
    const struct forgery early = {.shift_s = 61};
    const struct forgery late = {.shift_s = -600};
    const struct forgery session = {.session = db_uuid(f)};

    assert_verified(f, forged(f, &user, &good), app);
    assert_verified(f, forged(f, &user, &a_little_early), app);
    assert_not_verified(f, forged(f, &user, &issuer), app, "TOKEN_INVALID");
    assert_not_verified(f, forged(f, &user, &audience), app, "TOKEN_INVALID");
    assert_not_verified(f, forged(f, &user, &early), app, "TOKEN_INVALID");
    assert_not_verified(f, forged(f, &user, &late), app, "TOKEN_EXPIRED");
    assert_not_verified(f, forged(f, &user, &session), app, "TOKEN_INVALID");
}

/* Both are sealed by us, and neither is the other. */
static void refuses_a_refresh_token_and_rubbish(void **state)
{
    struct db_fixture *f = *state;
    struct signed_up user = given_user(f);
    static const char *const tokens[] = {"",        ".", "..", "a.b.c", "eyJhbGciOiJub25lIn0..",
                                         "Bearer x"};

    assert_not_verified(f, user.refresh_token, app, "TOKEN_INVALID");
    for (size_t i = 0; i < ARRAY_LENGTH(tokens); i++)
        assert_not_verified(f, tokens[i], app, "TOKEN_INVALID");
}

/* The second time the signature is not computed again; everything else is looked at all the same.
 */
static void refuses_a_changed_token_after_the_good_one(void **state)
{
    struct db_fixture *f = *state;
    struct signed_up user = given_user(f);
    char *bent = arena_strdup(f->arena, user.access_token);
    assert_verified(f, bent, app);

    for (char *at = bent; *at != '\0'; at += 7) {
        char kept = *at;
        *at = kept == 'A' ? 'B' : 'A';
        assert_not_verified(f, bent, app, "TOKEN_INVALID");
        *at = kept;
        if (strlen(at) < 7)
            break;
    }
    assert_verified(f, bent, app);
}

static void does_not_ask_the_database_again_for_some_seconds(void **state)
{
    struct db_fixture *f = *state;
    struct signed_up user = given_user(f);
    assert_verified(f, user.access_token, app);

    db_execute(f, db_printf(f,
                            "UPDATE session SET state = 'COMPROMISED', end_time = now()"
                            " WHERE session_id = '%s'",
                            db_uuid_text(f, user.who.session)));

    assert_verified(f, user.access_token, app);
    session_cache_forget(f->house.sessions, user.id);
    assert_not_verified(f, user.access_token, app, "TOKEN_INVALID");
}

static void expires_by_the_clock_of_the_customer(void **state)
{
    struct db_fixture *f = *state;
    struct uuid clock = db_given_test_clock(f, FAKE_CLOCK_START_US - 100 * US_PER_DAY);
    struct signed_up user = given_user_on_clock(f, clock);
    fake_clock_advance(&f->clock, US_PER_HOUR);
    assert_verified(f, user.access_token, app);

    db_execute(f, db_printf(f,
                            "UPDATE test_clock SET clock_time = clock_time + interval '10 minutes'"
                            " WHERE test_clock_id = '%s'",
                            db_uuid_text(f, clock)));

    assert_not_verified(f, user.access_token, app, "TOKEN_EXPIRED");
}

static void prepares_every_statement_of_the_room(void **state)
{
    struct db_fixture *f = *state;
    for (const struct pg_statement *const *at = auth_statements; *at != NULL; at++)
        db_execute(f, db_printf(f, "PREPARE %s AS %s", (*at)->name, (*at)->sql));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(makes_a_logged_in_user_of_the_caller),
        cmocka_unit_test(refuses_it_over_another_certificate),
        cmocka_unit_test(refuses_it_when_it_has_expired),
        cmocka_unit_test(refuses_other_issuers_audiences_and_times),
        cmocka_unit_test(refuses_a_refresh_token_and_rubbish),
        cmocka_unit_test(refuses_a_changed_token_after_the_good_one),
        cmocka_unit_test(does_not_ask_the_database_again_for_some_seconds),
        cmocka_unit_test(expires_by_the_clock_of_the_customer),
        cmocka_unit_test(prepares_every_statement_of_the_room),
    };
    return cmocka_run_group_tests_name("access tokens in a call", tests, auth_setup, auth_teardown);
}
