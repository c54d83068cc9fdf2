/*
 * ListReconciliations: newest first, of all gateways or of one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support/rpc_reconcile.h"

static void lists_the_newest_first_page_by_page(void **state)
{
    struct rpc_fixture *f = *state;
    const Reconciliation *first = given_reconciliation(f);
    const Reconciliation *second = given_reconciliation(f);

    const Reconciliations *page =
        must_reply(ask_reconciliations(f, AS(OPERATOR_DEMO), "sandbox", 1, ""));
    const Reconciliations *next =
        must_reply(ask_reconciliations(f, AS(OPERATOR_DEMO), "sandbox", 1, page->next_page_token));
    const Reconciliations *none =
        must_reply(ask_reconciliations(f, AS(OPERATOR_DEMO), "stripe", 0, ""));

    assert_int_equal(page->n_reconciliations, 1);
    assert_string_equal(page->reconciliations[0]->name, second->name);
    assert_string_equal(next->reconciliations[0]->name, first->name);
    assert_string_equal(next->next_page_token, "");
    assert_int_equal(none->n_reconciliations, 0);
}

static void refuses_who_is_no_operator(void **state)
{
    struct rpc_fixture *f = *state;

    assert_string_equal(ask_reconciliations(f, AS(SERVICE_BILLING), "", 0, "")->reason,
                        "CALLER_NOT_ALLOWED");
    assert_string_equal(ask_reconciliations(f, AS(OPERATOR_DEMO), "", 0, "garbage")->reason,
                        "PAGE_TOKEN_INVALID");
    assert_true(
        answer_names(ask_reconciliations(f, AS(OPERATOR_DEMO), "no gateway", 0, ""), "gateway"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_the_newest_first_page_by_page),
        cmocka_unit_test(refuses_who_is_no_operator),
    };
    return cmocka_run_group_tests_name("ListReconciliations", tests, rpc_setup, rpc_teardown);
}
