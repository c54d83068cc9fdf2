/*
 * GetKeySet over the wire: what it publishes verifies the tokens in circulation.
 */
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "support/rpc_auth.h"

#include "base/text.h"

/* As any service would do it: find the key by its id, verify, with nothing but the public set. */
static bool verifies(struct rpc_fixture *f, const KeySetAnswer *set, const char *token)
{
    const char *payload_at = strchr(token, '.') + 1;
    const char *signature_at = strchr(payload_at, '.') + 1;
    size_t size;
    char *header =
        (char *)base64url_decode(f->arena, token, (size_t)(payload_at - 1 - token), &size);
    uint8_t *signature = base64url_decode(f->arena, signature_at, strlen(signature_at), &size);

    for (size_t i = 0; i < set->n_keys; i++) {
        if (strstr(header, set->keys[i]->kid) == NULL)
            continue;
        uint8_t *x = base64url_decode(f->arena, set->keys[i]->x, 43, &size);
        uint8_t *y = base64url_decode(f->arena, set->keys[i]->y, 43, &size);
        struct ec_key *key = ec_key_from_point(x, y);
        bool verified = es256_verify(key, token, (size_t)(signature_at - 1 - token), signature);
        ec_key_free(key);
        return verified;
    }
    return false;
}

static void publishes_what_verifies_our_tokens_to_everybody(void **state)
{
    struct rpc_fixture *f = *state;
    struct rpc_user user = rpc_given_user(f);
    static const enum rpc_identity everybody[] = {SERVICE_BILLING, SERVICE_POOR, OPERATOR_DEMO,
                                                  APP_DEMO};

    for (size_t i = 0; i < ARRAY_LENGTH(everybody); i++) {
        const struct dues_answer *answer = ask_key_set(f, AS(everybody[i]));
        assert_int_equal(answer->status, DUES_OK);
        assert_true(verifies(f, (const void *)answer->reply, user.token));
    }
}

static void describes_each_key_as_the_standard_says(void **state)
{
    struct rpc_fixture *f = *state;

    const KeySetAnswer *set = (const void *)ask_key_set(f, AS(SERVICE_BILLING))->reply;

    assert_true(set->n_keys >= 1);
    for (size_t i = 0; i < set->n_keys; i++) {
        assert_string_equal(set->keys[i]->kty, "EC");
        assert_string_equal(set->keys[i]->crv, "P-256");
        assert_string_equal(set->keys[i]->alg, "ES256");
        assert_string_equal(set->keys[i]->use, "sig");
        assert_int_equal(strlen(set->keys[i]->kid), 43);
    }
}

static void keeps_its_keys_through_a_restart(void **state)
{
    struct rpc_fixture *f = *state;
    struct rpc_user user = rpc_given_user(f);

    rpc_restart(f);

    const struct dues_answer *answer = ask_key_set(f, AS(SERVICE_BILLING));
    assert_int_equal(answer->status, DUES_OK);
    assert_true(verifies(f, (const void *)answer->reply, user.token));
    assert_string_equal(reason_of_me(f, AS_USER(APP_DEMO, user.token)), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(publishes_what_verifies_our_tokens_to_everybody),
        cmocka_unit_test(describes_each_key_as_the_standard_says),
        cmocka_unit_test(keeps_its_keys_through_a_restart),
    };
    return cmocka_run_group_tests_name("GetKeySet", tests, rpc_setup, rpc_teardown);
}
