/*
 * Names of callers, and their scopes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "rpc/internal.h"

static void reads_kind_and_name(void **state)
{
    static const struct {
        const char *uri;
        enum caller_kind kind;
        const char *name;
    } good[] = {
        {"spiffe://dues.local/service/service-billing", CALLER_SERVICE, "service-billing"},
        {"spiffe://dues.local/operator/ada.l", CALLER_OPERATOR, "ada.l"},
        {"spiffe://dues.local/app/app_demo", CALLER_APP, "app_demo"},
        {"spiffe://dues.local/device/0198c0de", CALLER_DEVICE, "0198c0de"},
    };
    enum caller_kind kind;
    const char *name;

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(good); i++) {
        assert_true(spiffe_parse(good[i].uri, "dues.local", &kind, &name));
        assert_int_equal(kind, good[i].kind);
        assert_string_equal(name, good[i].name);
    }
}

static void refuses_every_other_form(void **state)
{
    static const char *const bad[] = {
        "",
        "spiffe://",
        "spiffe://dues.local",
        "spiffe://dues.local/",
        "spiffe://dues.local/service/",
        "spiffe://dues.local/service/a/b",
        "spiffe://dues.local/service/a b",
        "spiffe://dues.local/service/.",
        "spiffe://dues.localx/service/a",
        "SPIFFE://dues.local/service/a",
        "spiffe://dues.local/Service/a",
        ("spiffe://dues.local/service/"
         "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"),
    };
    enum caller_kind kind;
    const char *name;

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(bad); i++)
        assert_false(spiffe_parse(bad[i], "dues.local", &kind, &name));
}

static void finds_a_scope_only_whole(void **state)
{
    (void)state;

    assert_true(scope_contains("payments.read", "payments.read"));
    assert_true(scope_contains("a payments.read b", "payments.read"));
    assert_true(scope_contains("  a  b ", "b"));
    assert_true(scope_contains("*", "payments.read"));
    assert_true(scope_contains("a *", "payments.read"));
    assert_false(scope_contains("", "payments.read"));
    assert_false(scope_contains("payments.reader", "payments.read"));
    assert_false(scope_contains("payments.rea", "payments.read"));
    assert_false(scope_contains("payments.*", "payments.read"));
    assert_false(scope_contains("**", "payments.read"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_kind_and_name),
        cmocka_unit_test(refuses_every_other_form),
        cmocka_unit_test(finds_a_scope_only_whole),
    };

    return cmocka_run_group_tests_name("identity", tests, NULL, NULL);
}
