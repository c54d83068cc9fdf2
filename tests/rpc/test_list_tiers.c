/*
 * ListTiers over the wire: the whole catalogue, lowest rank first.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support/rpc_membership.h"

typedef Dues__Membership__V1__ListTiersResponse Tiers;

static const Tiers *page_of(const struct dues_answer *answer)
{
    assert_int_equal(answer->status, DUES_OK);
    return (const Tiers *)answer->reply;
}

static void lists_by_rank_page_by_page(void **state)
{
    struct rpc_fixture *f = *state;

    const Tiers *all = page_of(ask_page(f, AS(APP_DEMO), "ListTiers", "", 0, ""));
    const Tiers *first = page_of(ask_page(f, AS(APP_DEMO), "ListTiers", "", 2, ""));
    const Tiers *second =
        page_of(ask_page(f, AS(APP_DEMO), "ListTiers", "", 2, first->next_page_token));

    assert_int_equal(all->n_tiers, 3);
    assert_string_equal(all->tiers[0]->name, "tiers/free");
    assert_string_equal(all->tiers[1]->name, "tiers/premium");
    assert_string_equal(all->tiers[2]->name, "tiers/platinum");
    assert_string_equal(all->next_page_token, "");
    assert_int_equal(first->n_tiers, 2);
    assert_int_equal(second->n_tiers, 1);
    assert_string_equal(second->tiers[0]->name, "tiers/platinum");
    assert_int_equal(second->tiers[0]->n_entitlements, 5);
}

static void refuses_bad_pages(void **state)
{
    struct rpc_fixture *f = *state;

    assert_true(answer_names(ask_page(f, AS(APP_DEMO), "ListTiers", "", -1, ""), "page_size"));
    assert_string_equal(ask_page(f, AS(APP_DEMO), "ListTiers", "", 1, "x")->reason,
                        "PAGE_TOKEN_INVALID");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_by_rank_page_by_page),
        cmocka_unit_test(refuses_bad_pages),
    };
    return cmocka_run_group_tests_name("ListTiers", tests, members_setup, rpc_teardown);
}
