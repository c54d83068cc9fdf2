/*
 * ListPlans over the wire: the plans on offer, by name.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support/rpc_membership.h"

typedef Dues__Membership__V1__ListPlansResponse Plans;

static const Plans *page_of(const struct dues_answer *answer)
{
    assert_int_equal(answer->status, DUES_OK);
    return (const Plans *)answer->reply;
}

static void lists_by_name_page_by_page(void **state)
{
    static const char *const names[] = {"plans/free", "plans/platinum-monthly",
                                        "plans/platinum-yearly", "plans/premium-monthly",
                                        "plans/premium-yearly"};
    struct rpc_fixture *f = *state;
    const char *token = "";
    size_t count = 0;

    do {
        const Plans *page = page_of(ask_page(f, AS(APP_DEMO), "ListPlans", "", 2, token));
        for (size_t i = 0; i < page->n_plans; i++)
            assert_string_equal(page->plans[i]->name, names[count++]);
        token = page->next_page_token;
    } while (token[0] != '\0');

    assert_int_equal(count, ARRAY_LENGTH(names));
}

static void refuses_bad_pages(void **state)
{
    struct rpc_fixture *f = *state;
    const Plans *page = page_of(ask_page(f, AS(APP_DEMO), "ListPlans", "", 1, ""));

    assert_true(answer_names(ask_page(f, AS(APP_DEMO), "ListPlans", "", -1, ""), "page_size"));
    /* A token of another list. */
    assert_string_equal(
        ask_page(f, AS(APP_DEMO), "ListTiers", "", 1, page->next_page_token)->reason,
        "PAGE_TOKEN_INVALID");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_by_name_page_by_page),
        cmocka_unit_test(refuses_bad_pages),
    };
    return cmocka_run_group_tests_name("ListPlans", tests, members_setup, rpc_teardown);
}
