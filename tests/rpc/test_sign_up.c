/*
 * SignUp over the wire.
 */
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "base/text.h"
#include "crypto/secrets.h"
#include "support/rpc_auth.h"

static void makes_a_user_who_is_logged_in(void **state)
{
    struct rpc_fixture *f = *state;
    const char *email = auth_new_email(f);

    const struct dues_answer *answer = ask_sign_up(f, AS(APP_DEMO), email, AUTH_PASSWORD, NULL);

    assert_int_equal(answer->status, DUES_OK);
    const SignUpAnswer *made = (const void *)answer->reply;
    assert_string_equal(made->user->email, email);
    assert_string_equal(made->user->display_name, "Ada");
    assert_string_equal(strchr(made->user->name, '/'), strchr(made->customer, '/'));
    assert_int_equal(made->session->access_token_expire_time->seconds,
                     clock_wall_us(&f->clock->clock) / US_PER_SECOND + 600);
    assert_string_equal(reason_of_me(f, AS_USER(APP_DEMO, made->session->access_token)), "");
}

static void refuses_every_caller_but_an_app(void **state)
{
    struct rpc_fixture *f = *state;
    struct rpc_user user = rpc_given_user(f);
    struct enrolled_device device = given_device(f, &user);

    const struct dues_answer *service =
        ask_sign_up(f, AS(SERVICE_BILLING), auth_new_email(f), AUTH_PASSWORD, NULL);
    const struct dues_answer *from_device = ask_sign_up(f, (struct rpc_as){.client = device.client},
                                                        auth_new_email(f), AUTH_PASSWORD, NULL);

    assert_refusal(service, DUES_PERMISSION_DENIED, "CALLER_NOT_ALLOWED");
    assert_refusal(from_device, DUES_PERMISSION_DENIED, "CALLER_NOT_ALLOWED");
    dues_client_close(device.client);
}

static void names_every_wrong_field(void **state)
{
    struct rpc_fixture *f = *state;

    const struct dues_answer *answer = ask_sign_up(f, AS(APP_DEMO), "nobody", "short", NULL);

    assert_refusal(answer, DUES_INVALID_ARGUMENT, "INVALID_FIELD");
    assert_true(answer_names(answer, "email"));
    assert_true(answer_names(answer, "password"));
}

static void refuses_a_clock_that_is_not_there(void **state)
{
    struct rpc_fixture *f = *state;
    Dues__Auth__V1__SignUpRequest request = DUES__AUTH__V1__SIGN_UP_REQUEST__INIT;
    char email[] = "clockless@example.com";
    char password[] = AUTH_PASSWORD;
    char clock[] = "testClocks/0190a1b2-c3d4-7e5f-8a6b-7c8d9e0f1a2b";
    request.email = email;
    request.password = password;
    request.test_clock = clock;

    const struct dues_answer *answer = rpc_ask(
        f, AS(APP_DEMO), &dues__auth__v1__auth_service__descriptor, "SignUp", &request.base);

    assert_refusal(answer, DUES_NOT_FOUND, "TEST_CLOCK_NOT_FOUND");
    assert_int_equal(ask_sign_up(f, AS(APP_DEMO), email, AUTH_PASSWORD, NULL)->status, DUES_OK);
}

static void refuses_a_taken_address(void **state)
{
    struct rpc_fixture *f = *state;
    struct rpc_user user = rpc_given_user(f);
    int64_t customers = db_count(f->db, "customer");

    const struct dues_answer *answer =
        ask_sign_up(f, AS(APP_DEMO), user.email, "another long password", NULL);

    assert_refusal(answer, DUES_ALREADY_EXISTS, "EMAIL_TAKEN");
    assert_int_equal(db_count(f->db, "customer"), customers);
}

static void answers_a_repeat_byte_for_byte_also_after_a_restart(void **state)
{
    struct rpc_fixture *f = *state;
    const char *email = auth_new_email(f);
    const char *id = auth_new_request_id(f);

    const struct dues_answer *first = ask_sign_up(f, AS(APP_DEMO), email, AUTH_PASSWORD, id);
    const struct dues_answer *again = ask_sign_up(f, AS(APP_DEMO), email, AUTH_PASSWORD, id);
    rpc_restart(f);
    const struct dues_answer *later = ask_sign_up(f, AS(APP_DEMO), email, AUTH_PASSWORD, id);

    assert_replay(first, again);
    assert_replay(first, later);
}

static void refuses_another_request_under_the_same_id(void **state)
{
    struct rpc_fixture *f = *state;
    const char *email = auth_new_email(f);
    const char *id = auth_new_request_id(f);
    ask_sign_up(f, AS(APP_DEMO), email, AUTH_PASSWORD, id);

    const struct dues_answer *password =
        ask_sign_up(f, AS(APP_DEMO), email, "another long password", id);
    const struct dues_answer *address =
        ask_sign_up(f, AS(APP_DEMO), auth_new_email(f), AUTH_PASSWORD, id);

    assert_refusal(password, DUES_INVALID_ARGUMENT, "REQUEST_ID_REUSED");
    assert_refusal(address, DUES_INVALID_ARGUMENT, "REQUEST_ID_REUSED");
}

struct racer {
    struct rpc_fixture *f;
    const char *email;
    const char *password;
    const struct dues_answer *answer;
};

static void *race(void *arg)
{
    struct racer *racer = arg;
    racer->answer = ask_sign_up(racer->f, AS(APP_DEMO), racer->email, racer->password, NULL);
    return NULL;
}

static void gives_one_of_two_racing_callers_the_address(void **state)
{
    struct rpc_fixture *f = *state;
    const char *email = auth_new_email(f);
    struct racer racers[2] = {{f, email, "the password of one", NULL},
                              {f, email, "the password of two", NULL}};

    rpc_race(race, racers, 2, sizeof(racers[0]));

    size_t winner = racers[0].answer->status == DUES_OK ? 0 : 1;
    assert_int_equal(racers[winner].answer->status, DUES_OK);
    assert_refusal(racers[1 - winner].answer, DUES_ALREADY_EXISTS, "EMAIL_TAKEN");
    assert_int_equal(ask_log_in(f, AS(APP_DEMO), email, racers[winner].password, NULL)->status,
                     DUES_OK);
}

static void does_not_log_password_or_tokens(void **state)
{
    struct rpc_fixture *f = *state;
    const struct dues_answer *answer =
        ask_sign_up(f, AS(APP_DEMO), auth_new_email(f), "an unmistakable password", NULL);
    const SignUpAnswer *made = (const void *)answer->reply;

    assert_int_equal(answer->status, DUES_OK);
    assert_false(rpc_log_has(f, "unmistakable"));
    assert_false(rpc_log_has(f, made->session->refresh_token));
    assert_false(rpc_log_has(f, strrchr(made->session->access_token, '.')));
}

static int64_t requests_with_hash(struct rpc_fixture *f, const uint8_t hash[SHA256_SIZE])
{
    char hex[2 * SHA256_SIZE + 1];

    hex_encode(hash, SHA256_SIZE, hex);
    return db_count(f->db, db_printf(f->db, "recorded_request WHERE request_hash = '\\x%s'", hex)) +
           db_count(f->db, db_printf(f->db, "stranger_request WHERE request_hash = '\\x%s'", hex));
}

/* Who reads the database could try passwords against a bare hash, without Argon2. */
static void keeps_no_bare_hash_of_the_request(void **state)
{
    struct rpc_fixture *f = *state;
    Dues__Auth__V1__SignUpRequest request = DUES__AUTH__V1__SIGN_UP_REQUEST__INIT;
    char method[] = "/dues.auth.v1.AuthService/SignUp";
    char email[] = "hashed@example.com";
    char password[] = AUTH_PASSWORD;
    char id[] = "sign-up-hashed";
    uint8_t packed[512];
    request.email = email;
    request.password = password;
    request.request_id = id;

    const struct dues_answer *answer = rpc_ask(
        f, AS(APP_DEMO), &dues__auth__v1__auth_service__descriptor, "SignUp", &request.base);

    assert_int_equal(answer->status, DUES_OK);
    size_t size = dues__auth__v1__sign_up_request__pack(&request, packed);
    const struct bytes pieces[] = {{method, strlen(method)}, {packed, size}};
    uint8_t bare[SHA256_SIZE];
    uint8_t with_method[SHA256_SIZE];
    sha256(packed, size, bare);
    sha256_pieces(pieces, ARRAY_LENGTH(pieces), with_method);
    assert_int_equal(db_count(f->db, "recorded_request WHERE request_id = 'sign-up-hashed'"), 1);
    assert_int_equal(requests_with_hash(f, bare), 0);
    assert_int_equal(requests_with_hash(f, with_method), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(makes_a_user_who_is_logged_in),
        cmocka_unit_test(refuses_every_caller_but_an_app),
        cmocka_unit_test(names_every_wrong_field),
        cmocka_unit_test(refuses_a_clock_that_is_not_there),
        cmocka_unit_test(refuses_a_taken_address),
        cmocka_unit_test(answers_a_repeat_byte_for_byte_also_after_a_restart),
        cmocka_unit_test(refuses_another_request_under_the_same_id),
        cmocka_unit_test(gives_one_of_two_racing_callers_the_address),
        cmocka_unit_test(does_not_log_password_or_tokens),
        cmocka_unit_test(keeps_no_bare_hash_of_the_request),
    };
    return cmocka_run_group_tests_name("SignUp", tests, rpc_setup, rpc_teardown);
}
