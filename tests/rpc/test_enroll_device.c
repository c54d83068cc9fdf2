/*
 * EnrollDevice over the wire.
 */
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "support/rpc_auth.h"

#include "crypto/x509.h"

static const char *given_csr(struct rpc_fixture *f)
{
    struct arena *arena = arena_new(1 << 16);
    struct ec_key *key = ec_key_make();
    const char *csr = rpc_printf(f, "%s", csr_make(arena, key, "operator/operator-demo"));
    ec_key_free(key);
    arena_free(arena);
    return csr;
}

static void issues_a_certificate_that_the_server_accepts(void **state)
{
    struct rpc_fixture *f = *state;
    struct rpc_user user = rpc_given_user(f);
    struct enrolled_device device = given_device(f, &user);
    struct rpc_as on_device = {.client = device.client};

    const struct dues_answer *answer = ask_refresh(f, on_device, user.refresh_token, NULL);

    assert_int_equal(answer->status, DUES_OK);
    on_device.token = ((const SessionAnswer *)(const void *)answer->reply)->access_token;
    assert_string_equal(reason_of_me(f, on_device), "");
    assert_true(rpc_log_has(f, device.spiffe_id));
    dues_client_close(device.client);
}

static void decides_itself_who_the_device_is_and_for_how_long(void **state)
{
    struct rpc_fixture *f = *state;
    struct rpc_user user = rpc_given_user(f);

    const struct dues_answer *answer =
        ask_enroll(f, AS_USER(APP_DEMO, user.token), given_csr(f), NULL);

    assert_int_equal(answer->status, DUES_OK);
    const DeviceAnswer *device = (const void *)answer->reply;
    struct certificate leaf;
    assert_true(x509_read(f->arena, device->certificate_pem, &leaf));
    assert_true(x509_is_issued_by(device->certificate_pem, device->certificate_chain_pem));
    assert_string_equal(leaf.spiffe_id, device->spiffe_id);
    assert_ptr_equal(strstr(leaf.spiffe_id, "spiffe://dues.local/device/"), leaf.spiffe_id);
    assert_false(leaf.is_ca);
    assert_true(leaf.not_after_us - clock_wall_us(&f->clock->clock) <= US_PER_DAY);
    assert_string_equal(strrchr(device->name, '/'), strrchr(device->spiffe_id, '/'));
}

static void is_only_for_logged_in_users_of_an_app(void **state)
{
    struct rpc_fixture *f = *state;
    const char *csr = given_csr(f);

    assert_refusal(ask_enroll(f, AS(APP_DEMO), csr, NULL), DUES_UNAUTHENTICATED, "TOKEN_REQUIRED");
    assert_refusal(ask_enroll(f, AS(SERVICE_BILLING), csr, NULL), DUES_PERMISSION_DENIED,
                   "CALLER_NOT_ALLOWED");
}

static void refuses_what_is_no_request(void **state)
{
    struct rpc_fixture *f = *state;
    struct rpc_user user = rpc_given_user(f);
    char *bent = (char *)(uintptr_t)given_csr(f);
    char *at = bent + strlen(bent) / 2;
    *at = *at == 'A' ? 'B' : 'A';
    int64_t devices = db_count(f->db, "device");

    const struct dues_answer *empty = ask_enroll(f, AS_USER(APP_DEMO, user.token), "", NULL);
    const struct dues_answer *rubbish = ask_enroll(f, AS_USER(APP_DEMO, user.token), "x", NULL);
    const struct dues_answer *altered = ask_enroll(f, AS_USER(APP_DEMO, user.token), bent, NULL);

    assert_true(answer_names(empty, "csr_pem"));
    assert_refusal(rubbish, DUES_INVALID_ARGUMENT, "CSR_INVALID");
    assert_refusal(altered, DUES_INVALID_ARGUMENT, "CSR_INVALID");
    assert_int_equal(db_count(f->db, "device"), devices);
}

static void answers_a_repeat_with_the_first_certificate(void **state)
{
    struct rpc_fixture *f = *state;
    struct rpc_user user = rpc_given_user(f);
    const char *csr = given_csr(f);
    const char *id = auth_new_request_id(f);

    const struct dues_answer *first = ask_enroll(f, AS_USER(APP_DEMO, user.token), csr, id);
    const struct dues_answer *again = ask_enroll(f, AS_USER(APP_DEMO, user.token), csr, id);

    assert_replay(first, again);
}

static void refuses_another_request_under_the_same_id(void **state)
{
    struct rpc_fixture *f = *state;
    struct rpc_user user = rpc_given_user(f);
    const char *id = auth_new_request_id(f);
    ask_enroll(f, AS_USER(APP_DEMO, user.token), given_csr(f), id);

    assert_refusal(ask_enroll(f, AS_USER(APP_DEMO, user.token), given_csr(f), id),
                   DUES_INVALID_ARGUMENT, "REQUEST_ID_REUSED");
}

struct racer {
    struct rpc_fixture *f;
    const char *token;
    const char *csr;
    const char *id;
    const struct dues_answer *answer;
};

static void *race(void *arg)
{
    struct racer *racer = arg;
    racer->answer = ask_enroll(racer->f, AS_USER(APP_DEMO, racer->token), racer->csr, racer->id);
    return NULL;
}

static void gives_racing_repeats_one_certificate(void **state)
{
    struct rpc_fixture *f = *state;
    struct rpc_user user = rpc_given_user(f);
    const char *csr = given_csr(f);
    const char *id = auth_new_request_id(f);
    struct racer racers[2] = {{f, user.token, csr, id, NULL}, {f, user.token, csr, id, NULL}};

    rpc_race(race, racers, 2, sizeof(racers[0]));

    assert_int_equal(racers[0].answer->status, DUES_OK);
    assert_int_equal(racers[1].answer->status, DUES_OK);
    assert_int_equal(racers[0].answer->reply_size, racers[1].answer->reply_size);
    assert_memory_equal(racers[0].answer->reply_bytes, racers[1].answer->reply_bytes,
                        racers[0].answer->reply_size);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(issues_a_certificate_that_the_server_accepts),
        cmocka_unit_test(decides_itself_who_the_device_is_and_for_how_long),
        cmocka_unit_test(is_only_for_logged_in_users_of_an_app),
        cmocka_unit_test(refuses_what_is_no_request),
        cmocka_unit_test(answers_a_repeat_with_the_first_certificate),
        cmocka_unit_test(refuses_another_request_under_the_same_id),
        cmocka_unit_test(gives_racing_repeats_one_certificate),
    };
    return cmocka_run_group_tests_name("EnrollDevice", tests, rpc_setup, rpc_teardown);
}
