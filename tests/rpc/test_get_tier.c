/*
 * GetTier over the wire: what a tier grants.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support/rpc_membership.h"

static void reads_a_tier_without_a_token(void **state)
{
    struct rpc_fixture *f = *state;

    const struct dues_answer *answer = ask_by_name(f, AS(APP_DEMO), "GetTier", "tiers/premium");

    assert_int_equal(answer->status, DUES_OK);
    const Dues__Membership__V1__Tier *tier = (const Dues__Membership__V1__Tier *)answer->reply;
    assert_string_equal(tier->display_name, "Premium");
    assert_int_equal(tier->rank, 1);
    assert_int_equal(tier->n_entitlements, 3);
    assert_string_equal(tier->entitlements[0], "library.download");
    assert_string_equal(tier->entitlements[1], "library.read");
    assert_string_equal(tier->entitlements[2], "video.hd");
}

static void refuses_what_is_not_there(void **state)
{
    struct rpc_fixture *f = *state;

    const struct dues_answer *answer = ask_by_name(f, AS(APP_DEMO), "GetTier", "tiers/gold");

    assert_int_equal(answer->status, DUES_NOT_FOUND);
    assert_string_equal(answer->reason, "TIER_NOT_FOUND");
    assert_string_equal(answer->metadata[0].value, "tiers/gold");
    assert_true(answer_names(ask_by_name(f, AS(APP_DEMO), "GetTier", "plans/free"), "name"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_a_tier_without_a_token),
        cmocka_unit_test(refuses_what_is_not_there),
    };
    return cmocka_run_group_tests_name("GetTier", tests, members_setup, rpc_teardown);
}
