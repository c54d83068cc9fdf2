/*
 * Gateways' keys: sealed, bound to their place, in turn, and covered by a rotation of the KEK.
 */
#include "db/vault/vault_fixture.h"

#include "vault/gateway_keys.h"

#define KEY(number) "sk_test_51canary000" number

struct put {
    const char *name;
    const char *text;
    struct gateway_key key;
};

static const struct error *put_key(struct call *call, void *arg)
{
    struct put *put = arg;

    return gateway_key_put(call, put->name, put->text, &put->key);
}

static void must_put(struct db_fixture *f, const char *name, const char *text)
{
    struct put put = {name, text, {.name = NULL}};

    assert_null(db_run(f, put_key, &put));
}

struct load {
    const char *name;
    struct gateway_key keys[GATEWAY_KEYS_MAX];
    size_t count;
};

static const struct error *load_keys(struct call *call, void *arg)
{
    struct load *load = arg;

    return gateway_keys_load(call, load->name, load->keys, &load->count);
}

static struct load loaded(struct db_fixture *f, const char *name)
{
    struct load load = {.name = name};

    assert_null(db_run(f, load_keys, &load));
    return load;
}

static const struct error *end_keys(struct call *call, void *arg)
{
    return gateway_keys_end(call, GATEWAY_KEY_STRIPE_WEBHOOK, arg);
}

static void a_key_rests_sealed_and_a_new_one_takes_its_place(void **state)
{
    struct db_fixture *f = *state;

    must_put(f, GATEWAY_KEY_STRIPE, KEY("1"));
    struct load first = loaded(f, GATEWAY_KEY_STRIPE);
    must_put(f, GATEWAY_KEY_STRIPE, KEY("2"));
    struct load second = loaded(f, GATEWAY_KEY_STRIPE);

    assert_int_equal(first.count, 1);
    assert_string_equal(first.keys[0].text, KEY("1"));
    assert_string_equal(first.keys[0].hint, "sk_test_…0001");
    assert_int_equal(second.count, 1);
    assert_int_equal(second.keys[0].generation, first.keys[0].generation + 1);
    assert_string_equal(second.keys[0].text, KEY("2"));
    assert_int_equal(db_count(f, "gateway_key WHERE position('canary'::bytea IN sealed_key) > 0"),
                     0);
}

static void a_hint_tells_the_mode_also_of_a_short_key(void **state)
{
    static const struct {
        const char *text;
        const char *hint;
    } cases[] = {
        {"sk_live_1", "sk_live_…"},
        {"rk_test_12345678901", "rk_test_…"},
        {"sk_live_123456789012", "sk_live_…9012"},
        {"sk_test_abcdefghijklmnop", "sk_test_…mnop"},
    };
    struct db_fixture *f = *state;

    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        must_put(f, GATEWAY_KEY_STRIPE, cases[i].text);
        assert_string_equal(loaded(f, GATEWAY_KEY_STRIPE).keys[0].hint, cases[i].hint);
    }
}

static void of_signing_secrets_two_count_until_one_is_ended(void **state)
{
    struct db_fixture *f = *state;
    int64_t ended = 0;

    must_put(f, GATEWAY_KEY_STRIPE_WEBHOOK, "whsec_000000000000001");
    must_put(f, GATEWAY_KEY_STRIPE_WEBHOOK, "whsec_000000000000002");
    must_put(f, GATEWAY_KEY_STRIPE_WEBHOOK, "whsec_000000000000003");
    struct load both = loaded(f, GATEWAY_KEY_STRIPE_WEBHOOK);
    assert_null(db_run(f, end_keys, &ended));
    struct load one = loaded(f, GATEWAY_KEY_STRIPE_WEBHOOK);

    assert_int_equal(both.count, 2);
    assert_string_equal(both.keys[0].text, "whsec_000000000000003");
    assert_string_equal(both.keys[1].text, "whsec_000000000000002");
    assert_int_equal(ended, 1);
    assert_int_equal(one.count, 1);
    assert_string_equal(one.keys[0].text, "whsec_000000000000003");
}

static void a_key_that_was_moved_or_altered_does_not_open(void **state)
{
    static const char *const harms[] = {
        "UPDATE gateway_key SET generation = generation + 1 WHERE name = 'stripe'",
        ("UPDATE gateway_key SET sealed_key ="
         " (SELECT sealed_key FROM gateway_key WHERE name = 'stripe-webhook' LIMIT 1)"
         " WHERE name = 'stripe'"),
        ("UPDATE gateway_key SET sealed_key = set_byte(sealed_key, 40, 255 -"
         " get_byte(sealed_key, 40)) WHERE name = 'stripe'"),
    };
    struct db_fixture *f = *state;

    must_put(f, GATEWAY_KEY_STRIPE_WEBHOOK, "whsec_000000000000004");
    for (size_t i = 0; i < ARRAY_LENGTH(harms); i++) {
        struct load load = {.name = GATEWAY_KEY_STRIPE};
        db_execute(f, "DELETE FROM gateway_key WHERE name = 'stripe'");
        must_put(f, GATEWAY_KEY_STRIPE, KEY("3"));
        assert_null(db_run(f, load_keys, &load));
        db_execute(f, harms[i]);

        const struct error *error = db_run(f, load_keys, &load);

        assert_non_null(error);
        assert_int_equal(error->status, STATUS_INTERNAL);
        assert_null(strstr(error->cause, "canary"));
    }
    db_execute(f, "DELETE FROM gateway_key WHERE name = 'stripe'");
}

static void another_key_encryption_key_covers_them(void **state)
{
    struct db_fixture *f = *state;

    must_put(f, GATEWAY_KEY_STRIPE, KEY("5"));
    assert_true(rotated(f));
    assert_non_null(strstr(said, "\ngateway_key "));
    assert_true(reopen(f));

    assert_string_equal(loaded(f, GATEWAY_KEY_STRIPE).keys[0].text, KEY("5"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_rests_sealed_and_a_new_one_takes_its_place),
        cmocka_unit_test(a_hint_tells_the_mode_also_of_a_short_key),
        cmocka_unit_test(of_signing_secrets_two_count_until_one_is_ended),
        cmocka_unit_test(a_key_that_was_moved_or_altered_does_not_open),
        cmocka_unit_test(another_key_encryption_key_covers_them),
    };
    return cmocka_run_group_tests_name("gateway keys", tests, setup, teardown);
}
