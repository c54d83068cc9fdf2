/*
 * ListWebhookEndpoints: page by page, newest first.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support/rpc_webhook.h"

typedef Dues__Payment__V1__ListWebhookEndpointsResponse Endpoints;

static const struct dues_answer *ask(struct rpc_fixture *f, int32_t page_size,
                                     const char *page_token)
{
    Dues__Payment__V1__ListWebhookEndpointsRequest request =
        DUES__PAYMENT__V1__LIST_WEBHOOK_ENDPOINTS_REQUEST__INIT;

    request.page_size = page_size;
    request.page_token = member_text(f, page_token);
    return ask_payment_service(f, AS(SERVICE_BILLING), "ListWebhookEndpoints", &request.base);
}

static void lists_newest_first_in_pages(void **state)
{
    struct rpc_fixture *f = *state;
    struct endpoint_wish wish = wished_endpoint();
    const char *names[3];

    for (size_t i = 0; i < 3; i++) {
        fake_clock_advance(f->clock, 1000000);
        names[i] = ((const Endpoint *)must_reply(ask_endpoint(f, &wish)))->name;
    }
    const Endpoints *first = must_reply(ask(f, 2, ""));
    const Endpoints *second = must_reply(ask(f, 2, first->next_page_token));

    assert_int_equal(first->n_webhook_endpoints, 2);
    assert_string_equal(first->webhook_endpoints[0]->name, names[2]);
    assert_string_equal(first->webhook_endpoints[0]->secret, "");
    assert_string_equal(first->webhook_endpoints[1]->name, names[1]);
    assert_int_equal(second->n_webhook_endpoints, 1);
    assert_string_equal(second->webhook_endpoints[0]->name, names[0]);
    assert_string_equal(second->next_page_token, "");
}

static void refuses_what_is_no_page(void **state)
{
    struct rpc_fixture *f = *state;

    assert_true(answer_names(ask(f, -1, ""), "page_size"));
    assert_string_equal(ask(f, 1, "abc")->reason, "PAGE_TOKEN_INVALID");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_newest_first_in_pages),
        cmocka_unit_test(refuses_what_is_no_page),
    };
    return cmocka_run_group_tests_name("ListWebhookEndpoints", tests, members_setup, rpc_teardown);
}
