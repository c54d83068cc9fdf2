/*
 * What the server tells about its calls: to /metrics, and to `dues top`.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <unistd.h>

#include "base/measure.h"
#include "base/text.h"
#include "support/patience.h"
#include "support/rpc_bare.h"
#include "support/rpc_raw.h"

#define SERVICE "rpc_service=\"dues.payment.v1.PaymentService\""

struct fixture {
    struct rpc_bare *bare;
    struct dues_client *service;
    struct dues_client *app;
    struct measures *page;
};

static void set_rate_of_apps(struct settings *settings)
{
    settings->rate_app = 8; /* an address has one, and a burst of two */
    settings->admission_target_ms = 50;
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);

    f->bare = rpc_bare_new(set_rate_of_apps);
    f->service = rpc_bare_client(f->bare, f->bare->service);
    f->app = rpc_bare_client(f->bare, f->bare->app);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    measures_free(f->page);
    dues_client_close(f->service);
    dues_client_close(f->app);
    rpc_bare_free(f->bare);
    free(f);
    return 0;
}

static void ask(struct dues_client *client, const char *method)
{
    dues_answer_free(rpc_bare_bytes(client, method, "", 0));
}

static bool page_has(struct fixture *f, const char *text)
{
    size_t size;

    measures_free(f->page);
    f->page = measures_new();
    rpc_server_measure(f->bare->server, f->page);
    const char *page = measures_text(f->page, &size);
    return memmem(page, size, text, strlen(text)) != NULL;
}

static void counts_calls_by_method_and_status(void **state)
{
    struct fixture *f = *state;

    ask(f->service, "GetPayment");
    ask(f->service, "GetPayment");
    ask(f->service, "GetPaymentMethod"); /* fails */
    ask(f->service, "NoSuchMethod");

    assert_true(page_has(f, "rpc_server_call_duration_seconds_count{rpc_system=\"grpc\"," SERVICE
                            ",rpc_method=\"GetPayment\",rpc_grpc_status_code=\"0\"} 2\n"));
    assert_true(page_has(f, "rpc_method=\"GetPaymentMethod\",rpc_grpc_status_code=\"13\"} 1\n"));
    assert_true(page_has(f, "rpc_method=\"_OTHER\",rpc_grpc_status_code=\"12\"} 1\n"));
    assert_false(page_has(f, "NoSuchMethod"));
    assert_false(page_has(f, "rpc_method=\"GetRefund\""));
}

static void counts_refusals_by_cause(void **state)
{
    struct fixture *f = *state;

    for (int i = 0; i < 50; i++)
        ask(f->app, "ListPayments");

    assert_false(page_has(f, "dues_rpc_refused_total{cause=\"rate\"} 0\n"));
    assert_true(page_has(f, "dues_rpc_refused_total{cause=\"database\"} 0\n"));
    assert_true(page_has(f, "dues_admission_limit 64\n"));
}

static void shows_the_calls_that_live(void **state)
{
    struct fixture *f = *state;
    struct rpc_raw *raw =
        rpc_raw_open(f->bare->target, test_authority_pem(f->bare->authority), f->bare->service);
    static const uint8_t a_second[] = {0x0a, 0x04, '1', '0', '0', '0'};
    struct rpc_raw_stream *running =
        rpc_raw_start(raw, "/dues.payment.v1.PaymentService/GetRefund");
    struct rpc_call_view views[4];
    size_t count = 0;
    size_t size;

    rpc_raw_send(running, a_second, sizeof a_second);
    rpc_raw_half_close(running);
    struct rpc_raw_stream *silent =
        rpc_raw_start(raw, "/dues.payment.v1.PaymentService/GetPayment");
    AWAIT((count = rpc_server_describe_calls(f->bare->server, views, 4)) >= 2);
    size_t most = rpc_server_describe_calls(f->bare->server, views + 2, 1);
    bool active = page_has(f, "rpc_server_active_calls{state=\"awaits_message\"} 1\n");
    rpc_raw_cancel(silent);
    rpc_raw_finish(silent);
    free(rpc_raw_receive(running, 10000, &size)); /* an unread answer keeps its status back */
    rpc_raw_finish(running);
    rpc_raw_close(raw);

    assert_int_equal(count, 2);
    assert_int_equal(most, 1);
    assert_string_equal(views[0].method, "/dues.payment.v1.PaymentService/GetPayment");
    assert_int_equal(views[0].state, RPC_CALL_AWAITS_MESSAGE);
    assert_string_equal(views[0].caller, "spiffe://dues.local/service/service-billing");
    assert_string_equal(views[1].method, "/dues.payment.v1.PaymentService/GetRefund");
    assert_int_equal(views[1].state, RPC_CALL_RUNS);
    assert_true(views[1].age_us >= views[0].age_us);
    assert_true(active);
}

#define MEASURE_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        MEASURE_TEST(counts_calls_by_method_and_status),
        MEASURE_TEST(counts_refusals_by_cause),
        MEASURE_TEST(shows_the_calls_that_live),
    };

    return cmocka_run_group_tests_name("measures of calls", tests, NULL, NULL);
}
