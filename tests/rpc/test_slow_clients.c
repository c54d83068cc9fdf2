/*
 * Clients that ask and do not read: their calls hold a place for so long and no longer.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <unistd.h>

#include "support/rpc_bare.h"
#include "support/rpc_raw.h"

#define CALLS_MAX 2

/* The reply does not fit into the window that a client opens before it reads. */
#define PAGE_SIZE 400

static void allow_few_calls(struct settings *settings)
{
    settings->calls_max = CALLS_MAX;
    settings->deadline_default_ms = 1000;
}

static struct rpc_raw_stream *ask_without_reading(struct rpc_raw *raw)
{
    struct rpc_raw_stream *stream =
        rpc_raw_start(raw, "/dues.payment.v1.PaymentService/ListPayments");
    Dues__Payment__V1__ListPaymentsRequest request = DUES__PAYMENT__V1__LIST_PAYMENTS_REQUEST__INIT;
    uint8_t bytes[64];

    request.page_size = PAGE_SIZE;
    size_t size = protobuf_c_message_pack(&request.base, bytes);
    rpc_raw_send(stream, bytes, size);
    rpc_raw_half_close(stream);
    return stream;
}

static int status_of_a_call(struct rpc_bare *bare)
{
    struct dues_client *client = rpc_bare_client(bare, bare->service);
    Dues__Payment__V1__GetPaymentRequest request = DUES__PAYMENT__V1__GET_PAYMENT_REQUEST__INIT;
    struct dues_answer *answer = rpc_bare_ask(client, "GetPayment", &request.base, NULL, 5000);
    int status = answer->status;

    dues_answer_free(answer);
    dues_client_close(client);
    return status;
}

static void cuts_those_whose_answer_is_not_taken(void **state)
{
    struct rpc_bare *bare = rpc_bare_new(allow_few_calls);
    struct rpc_raw *raw =
        rpc_raw_open(bare->target, test_authority_pem(bare->authority), bare->app);
    struct rpc_raw_stream *streams[CALLS_MAX];

    (void)state;
    for (int i = 0; i < CALLS_MAX; i++)
        streams[i] = ask_without_reading(raw);
    usleep(300 * 1000); /* until they are answered */
    int while_they_hold = status_of_a_call(bare);
    int later = while_they_hold;
    for (int tries = 0; later != DUES_OK && tries < 50; tries++) {
        usleep(100 * 1000);
        later = status_of_a_call(bare);
    }
    for (int i = 0; i < CALLS_MAX; i++) {
        rpc_raw_cancel(streams[i]);
        rpc_raw_finish(streams[i]);
    }
    rpc_raw_close(raw);
    rpc_bare_free(bare);

    assert_int_equal(while_they_hold, DUES_RESOURCE_EXHAUSTED);
    assert_int_equal(later, DUES_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cuts_those_whose_answer_is_not_taken),
    };

    return cmocka_run_group_tests_name("slow clients", tests, NULL, NULL);
}
