/*
 * A server that is no sandbox sends to nobody within reach of itself, whatever its table says: the
 * address is looked at when it is connected to.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support/rpc_webhook.h"

static int setup(void **state)
{
    *state = rpc_fixture_new("sandbox = off\n");
    return 0;
}

static int fresh(void **state)
{
    no_endpoints(*state);
    return 0;
}

/* What is no longer checked: a name that led elsewhere when the endpoint was made. */
static const Delivery *told_at(struct rpc_fixture *f, const char *url)
{
    struct endpoint_wish wish = wished_endpoint();
    const char *name = ((const Endpoint *)must_reply(ask_endpoint(f, &wish)))->name;

    db_execute(f->db, db_printf(f->db, "UPDATE dues.webhook_endpoint SET url = '%s'", url));
    return await_delivery(f, name, given_customer(f, ""), DELIVERY_STATE(PENDING), 1);
}

static void sends_nothing_to_an_address_of_its_own(void **state)
{
    static const char *const hosts[] = {"127.0.0.1", "localhost", "0.0.0.0", "127.1", "0x7f000001"};
    struct rpc_fixture *f = *state;
    struct receiver *receiver = receiver_new();

    for (size_t i = 0; i < ARRAY_LENGTH(hosts); i++) {
        no_endpoints(f);
        const Delivery *delivery =
            told_at(f, rpc_printf(f, "https://%s:%d/", hosts[i], receiver_port(receiver)));
        assert_string_equal(delivery->attempts[0]->problem,
                            "not allowed: the address is not public");
        assert_int_equal(delivery->attempts[0]->status, 0);
    }
    assert_int_equal(receiver_connections(receiver), 0);
    receiver_free(receiver);
}

static void sends_nothing_without_tls(void **state)
{
    struct rpc_fixture *f = *state;
    struct receiver *receiver = receiver_new();

    const Delivery *delivery =
        told_at(f, rpc_printf(f, "http://127.0.0.1:%d/", receiver_port(receiver)));

    assert_string_equal(delivery->attempts[0]->problem, "not allowed: not an https:// address");
    assert_int_equal(receiver_connections(receiver), 0);
    receiver_free(receiver);
}

static void takes_no_such_endpoint(void **state)
{
    struct rpc_fixture *f = *state;
    struct endpoint_wish wish = wished_endpoint();

    wish.url = "http://localhost:3000/hook";
    assert_true(answer_names(ask_endpoint(f, &wish), "webhook_endpoint.url"));
    wish.url = "https://127.0.0.1/";
    assert_true(answer_names(ask_endpoint(f, &wish), "webhook_endpoint.url"));
    assert_int_equal(db_count(f->db, "dues.webhook_endpoint"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(sends_nothing_to_an_address_of_its_own, fresh),
        cmocka_unit_test_setup(sends_nothing_without_tls, fresh),
        cmocka_unit_test_setup(takes_no_such_endpoint, fresh),
    };
    return cmocka_run_group_tests_name("webhook addresses", tests, setup, rpc_teardown);
}
