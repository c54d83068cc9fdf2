/*
 * EnrollDevice against the database.
 */

#include "db/auth/auth_fixture.h"

#include "crypto/x509.h"

static struct ec_key *key;
static const char *csr;

static int given_request(void **state)
{
    struct db_fixture *f = *state;
    key = ec_key_make();
    csr = csr_make(f->arena, key, "spiffe://dues.local/operator/operator-demo");
    return 0;
}

static int free_request(void **state)
{
    (void)state;
    ec_key_free(key);
    return 0;
}

static const DeviceMessage *device_answer(const struct step *step)
{
    assert_answered(step);
    return (const DeviceMessage *)(const void *)step->reply;
}

static void issues_a_certificate_for_the_key_of_the_request(void **state)
{
    struct db_fixture *f = *state;
    struct signed_up user = given_user(f);
    struct step step = enroll_step(f, user.who, csr, NULL);
    int64_t now_us = clock_wall_us(f->house.clock);

    run(f, &step);

    const DeviceMessage *device = device_answer(&step);
    struct uuid ids[2];
    struct certificate leaf;
    assert_true(name_parse("users/{}/devices/{}", device->name, ids, 2));
    assert_true(uuid_equal(ids[0], user.id));
    assert_string_equal(device->display_name, "Ada's phone");
    assert_true(x509_read(f->arena, device->certificate_pem, &leaf));
    assert_true(x509_is_issued_by(device->certificate_pem, device->certificate_chain_pem));
    assert_string_equal(device->certificate_chain_pem, auth_keys_device_ca_pem(f->house.keys));
    assert_string_equal(device->spiffe_id,
                        db_printf(f, "spiffe://dues.local/device/%s", db_uuid_text(f, ids[1])));
    assert_string_equal(leaf.spiffe_id, device->spiffe_id);
    assert_true(leaf.not_before_us <= now_us);
    assert_true(leaf.not_after_us - leaf.not_before_us <= US_PER_DAY);
    assert_int_equal(leaf.not_after_us, device->expire_time->seconds * US_PER_SECOND);
    char hash[2 * SHA256_SIZE + 1];
    hex_encode(leaf.hash, sizeof(leaf.hash), hash);
    assert_string_equal(db_text(f, db_printf(f,
                                             "SELECT encode(certificate_hash, 'hex') FROM device"
                                             " WHERE device_id = '%s'",
                                             db_uuid_text(f, ids[1]))),
                        hash);
    end_step(&step);
}

/* The same key under a certificate of our own making: does the issued one carry it? */
static void carries_the_key_that_the_device_holds(void **state)
{
    struct db_fixture *f = *state;
    struct signed_up user = given_user(f);
    struct step step = enroll_step(f, user.who, csr, NULL);
    struct certificate own;
    struct certificate leaf;
    run(f, &step);

    char *own_pem = x509_make_ca(f->arena, f->house.random, key, "own", 0, US_PER_DAY);

    assert_true(x509_read(f->arena, own_pem, &own));
    assert_true(x509_read(f->arena, device_answer(&step)->certificate_pem, &leaf));
    assert_memory_equal(own.spki_hash, leaf.spki_hash, SHA256_SIZE);
    end_step(&step);
}

static void refuses_bad_fields(void **state)
{
    struct db_fixture *f = *state;
    struct signed_up user = given_user(f);
    struct step step = enroll_step(f, user.who, "", NULL);
    ((EnrollDeviceRequest *)(uintptr_t)step.request)->display_name =
        mutable(db_printf(f, "%064d", 0));

    run(f, &step);

    assert_field(&step, "csr_pem");
    assert_field(&step, "display_name");
}

static void refuses_a_request_that_does_not_verify(void **state)
{
    struct db_fixture *f = *state;
    struct signed_up user = given_user(f);
    char *bent = arena_strdup(f->arena, csr);
    char *at = bent + strlen(bent) / 2;
    *at = *at == 'A' ? 'B' : 'A';
    int64_t devices = db_count(f, "device");
    const char *const requests[] = {"no request", bent, auth_keys_device_ca_pem(f->house.keys)};

    for (size_t i = 0; i < ARRAY_LENGTH(requests); i++) {
        struct step step = enroll_step(f, user.who, requests[i], NULL);
        run(f, &step);
        assert_refused(&step, STATUS_INVALID_ARGUMENT, "CSR_INVALID");
    }
    assert_int_equal(db_count(f, "device"), devices);
}

static void answers_a_repeat_with_the_first_certificate(void **state)
{
    struct db_fixture *f = *state;
    struct signed_up user = given_user(f);
    struct step first = enroll_step(f, user.who, csr, "enroll-1");
    struct step again = first;
    run(f, &first);
    fake_clock_advance(&f->clock, US_PER_MINUTE);

    run(f, &again);

    assert_same_answer(&first, &again);
    assert_int_equal(
        db_count(f, db_printf(f, "device WHERE customer_id = '%s'", db_uuid_text(f, user.id))), 1);
    end_step(&first);
    end_step(&again);
}

static void refuses_another_request_under_the_same_id(void **state)
{
    struct db_fixture *f = *state;
    struct signed_up user = given_user(f);
    struct step first = enroll_step(f, user.who, csr, "enroll-2");
    struct step other = enroll_step(f, user.who, csr_make(f->arena, key, "another"), "enroll-2");
    run(f, &first);

    run(f, &other);

    assert_refused(&other, STATUS_INVALID_ARGUMENT, "REQUEST_ID_REUSED");
    end_step(&first);
}

static void gives_racing_repeats_one_certificate(void **state)
{
    struct db_fixture *f = *state;
    struct signed_up user = given_user(f);
    struct step steps[4];
    for (size_t i = 0; i < 4; i++)
        steps[i] = enroll_step(f, user.who, csr, "enroll-3");

    db_run_all(f, run_step, steps, sizeof(steps[0]), 4, NULL);

    for (size_t i = 1; i < 4; i++)
        assert_same_answer(&steps[0], &steps[i]);
    assert_int_equal(
        db_count(f, db_printf(f, "device WHERE customer_id = '%s'", db_uuid_text(f, user.id))), 1);
}

#define ENROLL_TEST(test) cmocka_unit_test_setup_teardown(test, given_request, free_request)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ENROLL_TEST(issues_a_certificate_for_the_key_of_the_request),
        ENROLL_TEST(carries_the_key_that_the_device_holds),
        ENROLL_TEST(refuses_bad_fields),
        ENROLL_TEST(refuses_a_request_that_does_not_verify),
        ENROLL_TEST(answers_a_repeat_with_the_first_certificate),
        ENROLL_TEST(refuses_another_request_under_the_same_id),
        ENROLL_TEST(gives_racing_repeats_one_certificate),
    };
    return cmocka_run_group_tests_name("EnrollDevice", tests, auth_setup, auth_teardown);
}
