/*
 * The keys of auth: made once, sealed, the same after every restart and on every server.
 */

#include "db/auth/auth_fixture.h"

#include <pthread.h>

#include "crypto/x509.h"

static void are_the_same_after_a_restart(void **state)
{
    struct db_fixture *f = *state;
    struct signed_up user = given_user(f);
    char problem[256] = "";
    char kid[ES256_THUMBPRINT_SIZE];
    snprintf(kid, sizeof(kid), "%s", auth_keys_signing(f->house.keys)->kid);
    const char *ca = arena_strdup(f->arena, auth_keys_device_ca_pem(f->house.keys));

    auth_keys_close(f->house.keys);
    f->house.keys = auth_keys_open(&f->house, problem);

    assert_non_null(f->house.keys);
    assert_string_equal(auth_keys_signing(f->house.keys)->kid, kid);
    assert_string_equal(auth_keys_device_ca_pem(f->house.keys), ca);
    assert_verified(f, user.access_token, app);
    assert_int_equal(db_count(f, "signing_key"), 2);
}

static void do_not_open_with_another_master_key(void **state)
{
    struct db_fixture *f = *state;
    char problem[256] = "";

    struct vault *vault = vault_of(f, 1, problem);

    assert_null(vault);
    assert_non_null(strstr(problem, "the master key is not the one in use"));
}

static void do_not_open_when_moved_to_another_row(void **state)
{
    struct db_fixture *f = *state;
    char problem[256] = "";
    db_execute(f, "CREATE TABLE kept AS SELECT * FROM signing_key");
    db_execute(f, "UPDATE signing_key SET sealed_key ="
                  " (SELECT sealed_key FROM kept WHERE kind = 'device_ca') WHERE kind = 'token'");

    struct auth_keys *keys = auth_keys_open(&f->house, problem);

    db_execute(f, "UPDATE signing_key s SET sealed_key = k.sealed_key FROM kept k"
                  " WHERE k.kind = s.kind");
    db_execute(f, "DROP TABLE kept");
    assert_null(keys);
}

static void rest_without_a_trace_of_the_private_key(void **state)
{
    struct db_fixture *f = *state;
    assert_int_equal(
        db_count(f, "signing_key WHERE position('PRIVATE' IN encode(sealed_key, 'escape')) > 0"),
        0);
}

static void *open_keys(void *arg)
{
    const struct house *house = arg;
    char problem[256];
    return auth_keys_open(house, problem);
}

static void are_one_pair_for_servers_that_start_together(void **state)
{
    struct db_fixture *f = *state;
    db_execute(f, "DELETE FROM signing_key");
    pthread_t threads[4];
    void *keys[4];

    for (size_t i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, open_keys, &f->house), 0);
    for (size_t i = 0; i < 4; i++)
        pthread_join(threads[i], &keys[i]);

    for (size_t i = 0; i < 4; i++) {
        assert_non_null(keys[i]);
        assert_int_equal(auth_keys_count(keys[i]), 1);
        assert_string_equal(auth_keys_signing(keys[i])->kid, auth_keys_signing(keys[0])->kid);
        assert_string_equal(auth_keys_device_ca_pem(keys[i]), auth_keys_device_ca_pem(keys[0]));
    }
    assert_int_equal(db_count(f, "signing_key"), 2);
    auth_keys_close(f->house.keys);
    f->house.keys = keys[0];
    for (size_t i = 1; i < 4; i++)
        auth_keys_close(keys[i]);
}

/* A second generation signs; what the first signed still verifies. */
static void keep_verifying_with_the_generation_before(void **state)
{
    struct db_fixture *f = *state;
    struct signed_up user = given_user(f);
    char problem[256] = "";
    struct ec_key *key = ec_key_make();
    char kid[ES256_THUMBPRINT_SIZE];
    ec_key_thumbprint(key, kid);
    const char *pem = ec_key_to_pem(f->arena, key);
    /* As it was sealed before there were data keys. */
    struct bytes sealed = secret_seal(f->house.secrets, SECRET_SEAL_KEYS, f->arena, f->house.random,
                                      "signing_key|sealed_key|token|2", pem, strlen(pem));
    char *hex = arena_alloc(f->arena, 2 * sealed.size + 1);
    hex_encode(sealed.data, sealed.size, hex);
    ec_key_free(key);
    db_execute(f, db_printf(f,
                            "INSERT INTO signing_key VALUES"
                            " ('token', 2, '%s', decode('%s', 'hex'), NULL, now())",
                            kid, hex));

    auth_keys_close(f->house.keys);
    f->house.keys = auth_keys_open(&f->house, problem);

    assert_non_null(f->house.keys);
    assert_int_equal(auth_keys_count(f->house.keys), 2);
    assert_string_equal(auth_keys_signing(f->house.keys)->kid, kid);
    assert_verified(f, user.access_token, app);
    assert_verified(f, given_user(f).access_token, app);
}

static void are_published_without_their_private_half(void **state)
{
    struct db_fixture *f = *state;
    Dues__Auth__V1__GetKeySetRequest request = DUES__AUTH__V1__GET_KEY_SET_REQUEST__INIT;
    struct step step = {
        .handler = get_key_set,
        .method = "/dues.auth.v1.AuthService/GetKeySet",
        .request = &request.base,
        .reply_type = &dues__auth__v1__key_set__descriptor,
        .who = app,
    };

    run(f, &step);

    assert_answered(&step);
    const KeySetMessage *set = (const KeySetMessage *)(const void *)step.reply;
    assert_int_equal(set->n_keys, auth_keys_count(f->house.keys));
    for (size_t i = 0; i < set->n_keys; i++) {
        const JsonWebKeyMessage *key = set->keys[i];
        size_t size;
        uint8_t *x = base64url_decode(f->arena, key->x, strlen(key->x), &size);
        uint8_t *y = base64url_decode(f->arena, key->y, strlen(key->y), &size);
        struct ec_key *public_key = ec_key_from_point(x, y);
        char kid[ES256_THUMBPRINT_SIZE];
        assert_non_null(public_key);
        ec_key_thumbprint(public_key, kid);
        ec_key_free(public_key);
        assert_string_equal(key->kid, kid);
        assert_string_equal(key->kty, "EC");
        assert_string_equal(key->crv, "P-256");
        assert_string_equal(key->alg, "ES256");
        assert_string_equal(key->use, "sig");
    }
    end_step(&step);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(are_the_same_after_a_restart),
        cmocka_unit_test(do_not_open_with_another_master_key),
        cmocka_unit_test(do_not_open_when_moved_to_another_row),
        cmocka_unit_test(rest_without_a_trace_of_the_private_key),
        cmocka_unit_test(are_one_pair_for_servers_that_start_together),
        cmocka_unit_test(keep_verifying_with_the_generation_before),
        cmocka_unit_test(are_published_without_their_private_half),
    };
    return cmocka_run_group_tests_name("keys of auth", tests, auth_setup, auth_teardown);
}
