/*
 * Who gets in: the certificate, and the one name in it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support/rpc_bare.h"

static int ask_with(struct rpc_bare *bare, struct test_pair pair, char reason[64])
{
    Dues__Payment__V1__ListPaymentsRequest request = DUES__PAYMENT__V1__LIST_PAYMENTS_REQUEST__INIT;
    struct dues_client *client = rpc_bare_client(bare, pair);
    struct dues_answer *answer;
    const struct dues_call_options options = {.attempts_max = 1, .deadline_ms = 5000};

    /* Not waiting for a connection: one that is refused would be tried until the deadline. */
    int status = dues_call(client, &dues__payment__v1__payment_service__descriptor, "ListPayments",
                           &request.base, &options, &answer);
    snprintf(reason, 64, "%s", answer->reason);
    dues_answer_free(answer);
    dues_client_close(client);
    return status;
}

/* The method is PUBLIC: even that needs a name. */
static void assert_no_identity(struct rpc_bare *bare, const struct test_wish *wish)
{
    char reason[64];

    assert_int_equal(ask_with(bare, test_issue(bare->authority, wish), reason),
                     DUES_UNAUTHENTICATED);
    assert_string_equal(reason, "CERTIFICATE_IDENTITY_INVALID");
}

static void assert_identity(struct rpc_bare *bare, const struct test_wish *wish)
{
    char reason[64];

    assert_int_equal(ask_with(bare, test_issue(bare->authority, wish), reason), DUES_OK);
}

static void takes_each_kind_of_its_own_domain(void **state)
{
    static const char *const uris[] = {
        "spiffe://dues.local/service/service-billing",
        "spiffe://dues.local/operator/support.1",
        "spiffe://dues.local/app/app_demo",
        "spiffe://dues.local/device/0198c0de-0000-7000-8000-000000000001",
    };

    for (size_t i = 0; i < 4; i++)
        assert_identity(*state, &(struct test_wish){.common_name = "c", .uris = {uris[i]}});
}

static void takes_other_kinds_of_names_beside_it(void **state)
{
    assert_identity(*state, &(struct test_wish){.common_name = "c",
                                                .uris = {"spiffe://dues.local/service/a"},
                                                .dns_name = "billing.internal"});
}

static void refuses_a_certificate_without_a_uri(void **state)
{
    assert_no_identity(*state, &(struct test_wish){.common_name = "service-billing"});
    assert_no_identity(
        *state, &(struct test_wish){.common_name = "spiffe://dues.local/service/service-billing"});
    assert_no_identity(*state,
                       &(struct test_wish){.common_name = "c", .dns_name = "service-billing"});
}

static void refuses_a_certificate_with_two_uris(void **state)
{
    assert_no_identity(*state, &(struct test_wish){.common_name = "c",
                                                   .uris = {"spiffe://dues.local/service/a",
                                                            "spiffe://dues.local/service/b"}});
    assert_no_identity(*state, &(struct test_wish){.common_name = "c",
                                                   .uris = {"spiffe://dues.local/service/a",
                                                            "https://example.com/"}});
}

static void refuses_another_domain(void **state)
{
    static const char *const uris[] = {
        "spiffe://other.local/service/service-billing",
        "spiffe://dues.local.evil/service/service-billing",
        "spiffe://dues.loca/service/service-billing",
        "spiffe:///service/service-billing",
        "https://dues.local/service/service-billing",
    };

    for (size_t i = 0; i < 5; i++)
        assert_no_identity(*state, &(struct test_wish){.common_name = "c", .uris = {uris[i]}});
}

static void refuses_another_path(void **state)
{
    static const char *const uris[] = {
        "spiffe://dues.local/service",       "spiffe://dues.local/service/",
        "spiffe://dues.local/service/a/b",   "spiffe://dues.local/services/a",
        "spiffe://dues.local/admin/a",       "spiffe://dues.local/service/a%2Fb",
        "spiffe://dues.local/service/..",    "spiffe://dues.local//service/a",
        "spiffe://dues.local/service/a?b=c",
    };

    for (size_t i = 0; i < 9; i++)
        assert_no_identity(*state, &(struct test_wish){.common_name = "c", .uris = {uris[i]}});
}

static void does_not_shake_hands_with_another_authority(void **state)
{
    struct rpc_bare *bare = *state;
    struct test_authority *other = test_authority_new(bare->arena, "test clients");
    char reason[64];

    int status = ask_with(bare, test_issue_client(other, "service/service-billing"), reason);
    test_authority_free(other);

    assert_int_equal(status, DUES_UNAVAILABLE);
    assert_string_equal(reason, "");
}

static void does_not_shake_hands_with_an_expired_certificate(void **state)
{
    struct rpc_bare *bare = *state;
    char reason[64];
    struct test_pair pair =
        test_issue(bare->authority, &(struct test_wish){.common_name = "c",
                                                        .uris = {"spiffe://dues.local/service/a"},
                                                        .expired = true});

    assert_int_equal(ask_with(bare, pair, reason), DUES_UNAVAILABLE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_each_kind_of_its_own_domain),
        cmocka_unit_test(takes_other_kinds_of_names_beside_it),
        cmocka_unit_test(refuses_a_certificate_without_a_uri),
        cmocka_unit_test(refuses_a_certificate_with_two_uris),
        cmocka_unit_test(refuses_another_domain),
        cmocka_unit_test(refuses_another_path),
        cmocka_unit_test(does_not_shake_hands_with_another_authority),
        cmocka_unit_test(does_not_shake_hands_with_an_expired_certificate),
    };

    return cmocka_run_group_tests_name("identity", tests, rpc_bare_setup, rpc_bare_teardown);
}
