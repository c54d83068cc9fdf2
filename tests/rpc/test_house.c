/*
 * The whole house behind one door: from sign-up to a phone with a certificate of its own, and
 * across a restart.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "crypto/x509.h"
#include "dues/auth/v1/auth_service.pb-c.h"
#include "grpc/health/v1/health.pb-c.h"
#include "membership/membership.h"
#include "payment/payment.h"
#include "support/rpc_fixture.h"

#define AUTH &dues__auth__v1__auth_service__descriptor

static char *writable(const char *text)
{
    return (char *)(uintptr_t)text;
}

static const struct dues_answer *get_me(struct rpc_fixture *f, struct rpc_as as)
{
    Dues__Auth__V1__GetUserRequest request = DUES__AUTH__V1__GET_USER_REQUEST__INIT;

    request.name = writable("users/me");
    return rpc_ask(f, as, AUTH, "GetUser", &request.base);
}

static void knows_the_user_of_a_token(void **state)
{
    struct rpc_fixture *f = *state;
    struct rpc_user user = rpc_given_user(f);

    const struct dues_answer *answer = get_me(f, AS_USER(APP_DEMO, user.token));

    assert_int_equal(answer->status, DUES_OK);
    assert_string_equal(((const Dues__Auth__V1__User *)(const void *)answer->reply)->email,
                        user.email);
}

static void refuses_a_token_in_other_hands(void **state)
{
    struct rpc_fixture *f = *state;
    struct rpc_user user = rpc_given_user(f);

    const struct dues_answer *answer = get_me(f, AS_USER(APP_OTHER, user.token));

    assert_int_equal(answer->status, DUES_UNAUTHENTICATED);
    assert_string_equal(answer->reason, "TOKEN_WRONG_CERTIFICATE");
}

static void lets_an_enrolled_device_in(void **state)
{
    struct rpc_fixture *f = *state;
    struct rpc_user user = rpc_given_user(f);
    struct ec_key *key = ec_key_make();
    Dues__Auth__V1__EnrollDeviceRequest enroll = DUES__AUTH__V1__ENROLL_DEVICE_REQUEST__INIT;
    Dues__Auth__V1__RefreshSessionRequest refresh = DUES__AUTH__V1__REFRESH_SESSION_REQUEST__INIT;

    enroll.csr_pem = csr_make(f->arena, key, "phone");
    const struct dues_answer *enrolled =
        rpc_ask(f, AS_USER(APP_DEMO, user.token), AUTH, "EnrollDevice", &enroll.base);
    assert_int_equal(enrolled->status, DUES_OK);
    const Dues__Auth__V1__Device *device = (const void *)enrolled->reply;
    struct test_pair pair = {
        .certificate_pem =
            rpc_printf(f, "%s%s", device->certificate_pem, device->certificate_chain_pem),
        .key_pem = ec_key_to_pem(f->arena, key),
    };
    struct rpc_as phone = {.client = rpc_client(f, pair)};
    refresh.refresh_token = writable(user.refresh_token);
    const struct dues_answer *refreshed = rpc_ask(f, phone, AUTH, "RefreshSession", &refresh.base);
    if (refreshed->status == DUES_OK)
        phone.token =
            ((const Dues__Auth__V1__Session *)(const void *)refreshed->reply)->access_token;
    const struct dues_answer *me = get_me(f, phone);
    dues_client_close(phone.client);
    ec_key_free(key);

    assert_int_equal(refreshed->status, DUES_OK);
    assert_int_equal(me->status, DUES_OK);
}

static void knows_its_tokens_after_a_restart(void **state)
{
    struct rpc_fixture *f = *state;
    struct rpc_user user = rpc_given_user(f);

    rpc_restart(f);

    assert_int_equal(get_me(f, AS_USER(APP_DEMO, user.token))->status, DUES_OK);
}

static void never_logs_a_password_or_a_token(void **state)
{
    struct rpc_fixture *f = *state;
    struct rpc_user user = rpc_given_user(f);

    get_me(f, AS_USER(APP_DEMO, user.token));

    assert_true(rpc_log_has(f, "/dues.auth.v1.AuthService/GetUser"));
    assert_false(rpc_log_has(f, user.password));
    assert_false(rpc_log_has(f, user.token));
    assert_false(rpc_log_has(f, user.refresh_token));
    assert_false(rpc_log_has(f, user.email));
}

static void is_healthy(void **state)
{
    struct rpc_fixture *f = *state;
    Grpc__Health__V1__HealthCheckRequest request = GRPC__HEALTH__V1__HEALTH_CHECK_REQUEST__INIT;

    request.service = writable("dues.auth.v1.AuthService");
    const struct dues_answer *answer =
        rpc_ask(f, AS(SERVICE_POOR), &grpc__health__v1__health__descriptor, "Check", &request.base);

    assert_int_equal(answer->status, DUES_OK);
    assert_int_equal(
        ((const Grpc__Health__V1__HealthCheckResponse *)(const void *)answer->reply)->status,
        GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING);
}

/* deadline_default_ms and deadline_max_ms hold for what moves money too. */
static void gives_no_charge_a_deadline_of_its_own(void **state)
{
    const struct rpc_service *const charging[] = {&payment_service, &membership_service};

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(charging); i++) {
        for (size_t j = 0; j < charging[i]->method_count; j++)
            assert_int_equal(charging[i]->methods[j].time_limit_ms, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(knows_the_user_of_a_token),
        cmocka_unit_test(refuses_a_token_in_other_hands),
        cmocka_unit_test(lets_an_enrolled_device_in),
        cmocka_unit_test(knows_its_tokens_after_a_restart),
        cmocka_unit_test(never_logs_a_password_or_a_token),
        cmocka_unit_test(is_healthy),
        cmocka_unit_test(gives_no_charge_a_deadline_of_its_own),
    };

    return cmocka_run_group_tests_name("house", tests, rpc_setup, rpc_teardown);
}
